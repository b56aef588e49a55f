"""`passerelle policy explain --actor … --patient …`: the question asked of a network, on any day.

An INS is never an argument: it would stay in the history of the shell and in the list of processes.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from passerelle_ops.cli.options import settings_of

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from passerelle.audit.transactions import Act
    from passerelle.dossier.hindsight import Answer, KnownFrom, Wanted
    from passerelle.identities.directory import Directory
    from passerelle.kernel.actors import Actor
    from passerelle_policies.vocabulary import Mode

Who = Annotated[
    str | None,
    typer.Option(
        "--actor",
        metavar="QUI",
        help="Qui demande, dans un réseau : un numéro RPPS, « patient », un FINESS, ou la clé d’un représentant.",
    ),
]
About = Annotated[
    str | None, typer.Option("--patient", metavar="ID", help="Identifiant interne du patient (jamais un INS).")
]
InsFile = Annotated[
    str | None,
    typer.Option(
        "--ins-file", metavar="FICHIER", help="Fichier qui contient l’INS du patient ; « - » : l’entrée standard."
    ),
]
Paper = Annotated[
    str | None,
    typer.Option(
        "--document", metavar="ID", help="Le document, par son identifiant ou son uniqueId ; sans lui, le dossier."
    ),
]
Why = Annotated[
    str | None, typer.Option("--reason", metavar="MOTIF", help="Pourquoi cette recherche : le patient le saura.")
]
Network = Annotated[
    str | None, typer.Option("--tenant", "-t", metavar="RÉSEAU", help="Le réseau interrogé (avec --actor).")
]

_INS_LENGTHS = (13, 15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked on the command line. `actor` is an RPPS, `patient`, a FINESS or a person's key."""

    tenant: str
    actor: str
    patient: str | None
    ins: str | None
    document: str | None
    mode: Mode | None
    start: datetime
    end: datetime | None
    reason: str


def explain_access(
    tenant: str | None,
    actor: str,
    patient: str | None,
    ins_file: str | None,
    document: str | None,
    *,
    mode: str | None,
    on: str | None,
    reason: str | None,
    state: Path | None,
    as_json: bool,
) -> None:
    """Ask a network, and show every answer there was.

    Refused: as `hindsight.explain`; TENANT_UNKNOWN, DOCUMENT_NOT_HELD.
    """
    import asyncio

    from passerelle_ops.hindsight_report import answers_as_json, show_answers
    from passerelle_ops.terminal import print_json

    if tenant is None:
        raise typer.BadParameter("il faut dire dans quel réseau", param_hint="--tenant")
    if reason is None or not reason.strip():
        raise typer.BadParameter("chercher dans un dossier est un accès : il faut un motif", param_hint="--reason")
    start, end = _when(on)
    asked = Request(
        tenant=tenant,
        actor=actor.strip(),
        patient=patient,
        ins=_ins(patient, ins_file),
        document=document,
        mode=_mode(mode) if mode else None,
        start=start,
        end=end,
        reason=reason,
    )
    wanted, answers = asyncio.run(_ask(asked, state))
    if as_json:
        print_json(answers_as_json(wanted, answers))
    else:
        show_answers(wanted, answers)


def officer() -> Actor:
    """Whoever runs a command of the data-protection officer's, under the name he has on this machine."""
    import getpass

    from passerelle.kernel.actors import Actor
    from passerelle_policies.vocabulary import ActorKind

    return Actor(
        kind=ActorKind.OFFICER,
        id=f"operator-{getpass.getuser()}",
        name="Délégué à la protection des données",
        software="passerelle policy",
    )


async def _ask(asked: Request, state: Path | None) -> tuple[Wanted, list[Answer]]:
    from uuid import uuid4

    from passerelle.audit.transactions import transaction
    from passerelle.dossier import hindsight
    from passerelle.kernel.context import Context
    from passerelle.kernel.errors import Conflict
    from passerelle_ops.installation import Installation
    from passerelle_policies.vocabulary import Purpose

    installation = Installation(settings_of(state))
    try:
        context = Context(
            tenant=await (await installation.registry()).tenant(asked.tenant),
            actor=officer(),
            clock=installation.clock,
            request_id=f"policy-{uuid4().hex}",
            purpose=Purpose.ADMINISTRATION,
        )
        async with transaction(context) as act:
            patient_id = await _patient(act, asked)
            actor, known_from = await _actor(act, asked, patient_id, installation.directory)
            document_id = None
            if asked.document is not None:
                document_id = await hindsight.document_named(act.connection, patient_id, asked.document)
                if document_id is None:
                    raise Conflict("DOCUMENT_NOT_HELD")
            wanted = hindsight.Wanted(
                patient_id=patient_id,
                actor=actor,
                known_from=known_from,
                document_id=document_id,
                mode=asked.mode,
                start=asked.start,
                end=asked.end,
            )
            return wanted, await hindsight.explain(act, wanted, reason=asked.reason)
    finally:
        await installation.close()


async def _patient(act: Act, asked: Request) -> UUID:
    from uuid import UUID

    from passerelle.identities import patients
    from passerelle.identities.ins import LIVE_OIDS, Ins
    from passerelle.kernel.errors import Conflict

    if asked.patient is not None:
        try:
            return UUID(asked.patient)
        except ValueError as wrong:
            raise Conflict("PATIENT_UNKNOWN") from wrong
    for oid in sorted(LIVE_OIDS):
        key = patients.person_key(act.context, Ins(oid, asked.ins or ""))
        if (found := await patients.of_person(act, key)) is not None:
            return found
    raise Conflict("PATIENT_UNKNOWN")


async def _actor(act: Act, asked: Request, patient_id: UUID, directory: Directory) -> tuple[Actor, KnownFrom]:
    from passerelle.dossier import hindsight
    from passerelle.kernel.actors import Actor
    from passerelle_policies.vocabulary import ActorKind

    given = asked.actor
    if given == "patient":
        key = await hindsight.person_of(act.connection, patient_id)
        return Actor(kind=ActorKind.PERSON, id=key, name=""), hindsight.KnownFrom.NOT_NEEDED
    if len(given) == 11 and given.isdigit():
        return await hindsight.professional_at(act.connection, directory, given, asked.end or asked.start)
    if len(given) == 9:
        return Actor(kind=ActorKind.ESTABLISHMENT, id=given, name=given), hindsight.KnownFrom.NOT_NEEDED
    return Actor(kind=ActorKind.PERSON, id=given, name=""), hindsight.KnownFrom.NOT_NEEDED


def _ins(patient: str | None, file: str | None) -> str | None:
    """The matricule, from a file, the standard input or the keyboard; blanks in it do not count."""
    if patient is not None:
        if file is not None:
            raise typer.BadParameter("il faut dire l’un ou l’autre, pas les deux", param_hint="--patient / --ins-file")
        if len("".join(patient.split())) in _INS_LENGTHS:
            raise typer.BadParameter("un INS ne se donne jamais en argument : --ins-file", param_hint="--patient")
        return None
    if file is None:
        if not sys.stdin.isatty():
            raise typer.BadParameter("il faut dire quel patient : --patient ou --ins-file", param_hint="--patient")
        said = str(typer.prompt("INS du patient", hide_input=True))
    elif file == "-":
        said = sys.stdin.read()
    else:
        try:
            said = Path(file).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as unreadable:
            raise typer.BadParameter("ce fichier ne se lit pas", param_hint="--ins-file") from unreadable
    return "".join(said.split())


def _mode(said: str) -> Mode:
    from passerelle_policies.words import MODES

    for french, mode in MODES.items():
        if said.lower() in (french, mode.value):
            return mode
    raise typer.BadParameter(f"mots connus : {', '.join(MODES.values())}", param_hint="--mode")


def _when(on: str | None) -> tuple[datetime, datetime | None]:
    """An instant, or a legal day from its beginning to its end; now when nothing is said."""
    from datetime import date, datetime, timedelta

    from passerelle.kernel.clock import PARIS, SystemClock

    if on is None:
        return SystemClock().now(), None
    try:
        if len(on) == len("2026-11-16"):
            day = date.fromisoformat(on)
            midnights = [datetime(each.year, each.month, each.day, tzinfo=PARIS) for each in (day, day + timedelta(1))]
            return midnights[0], midnights[1]
        instant = datetime.fromisoformat(on)
    except ValueError as wrong:
        raise typer.BadParameter(
            "il faut une date comme 2026-11-16, ou un instant comme 2026-11-16T09:30", param_hint="--on"
        ) from wrong
    return (instant if instant.tzinfo else instant.replace(tzinfo=PARIS)), None
