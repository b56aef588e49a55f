"""`passerelle patient …`: what the operator records about a person once he has checked the proof."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer

from passerelle_ops.cli.french import FrenchCommand, FrenchGroup
from passerelle_ops.cli.operating import as_operator
from passerelle_ops.cli.options import State, Tenant

if TYPE_CHECKING:
    from passerelle.audit.transactions import Act

    _Done = Callable[[Act], Awaitable[object]]

_Word = TypeVar("_Word")

app = typer.Typer(
    name="patient",
    help="Enregistrer, preuve vérifiée : décès, représentants légaux, ayants droit.",
    cls=FrenchGroup,
    no_args_is_help=True,
)

Patient = Annotated[UUID, typer.Argument(metavar="PATIENT", help="Identifiant interne du patient.")]
Proof = Annotated[str, typer.Option("--proof", metavar="PREUVE", help="Ce qui l’établit : acte, jugement, notoriété.")]
Day = Annotated[datetime, typer.Option("--on", metavar="JOUR", formats=["%Y-%m-%d"], help="Jour du décès.")]
Link = Annotated[
    str,
    typer.Option("--link", metavar="LIEN", help="successor, cohabitant, civil_partner ou parental_authority."),
]
Motive = Annotated[
    str | None, typer.Option("--motive", metavar="MOTIF", help="L’un des trois : cause_of_death, memory ou rights.")
]
Basis = Annotated[
    str,
    typer.Option(
        "--basis", metavar="TITRE", help="minor, guardianship, family_habilitation ou future_protection_mandate."
    ),
]


@app.command(cls=FrenchCommand)
def death(patient: Patient, tenant: Tenant, on: Day, proof: Proof, state: State = None) -> None:
    """Déclarer un décès : le dossier se ferme, les droits d’y entrer prennent fin."""
    from passerelle.dossier.death import declare

    day: date = on.date()
    _run(tenant, state, lambda act: declare(act, patient, on=day, proof=proof), "DEATH_RECORDED")


@app.command("undo-death", cls=FrenchCommand)
def undo_death(patient: Patient, tenant: Tenant, proof: Proof, state: State = None) -> None:
    """Annuler un décès déclaré par erreur : tout redevient comme avant."""
    from passerelle.dossier.death import undo

    _run(tenant, state, lambda act: undo(act, patient, proof=proof), "DEATH_UNDONE")


@app.command(cls=FrenchCommand)
def heir(
    patient: Patient, tenant: Tenant, link: Link, proof: Proof, motive: Motive = None, state: State = None
) -> None:
    """Enregistrer un ayant droit d’une personne décédée ; son INS (OID, espace, matricule) est lu sur l’entrée."""
    from passerelle.dossier.heirs import HeirLink, HeirMotive, declare_heir

    tie, why = _word(HeirLink, link, "--link"), _word(HeirMotive, motive, "--motive") if motive else None
    ins = _ins()
    _run(
        tenant,
        state,
        lambda act: declare_heir(act, patient, _key(act, ins), link=tie, motive=why, proof=proof),
        "HEIR_RECORDED",
    )


@app.command(cls=FrenchCommand)
def representative(patient: Patient, tenant: Tenant, basis: Basis, proof: Proof, state: State = None) -> None:
    """Enregistrer un représentant légal ; son INS (OID, espace, matricule) est lu sur l’entrée."""
    from passerelle.dossier.representation import RepresentationBasis, declare_representative

    title, ins = _word(RepresentationBasis, basis, "--basis"), _ins()
    _run(
        tenant,
        state,
        lambda act: declare_representative(act, patient, _key(act, ins), basis=title, proof=proof),
        "REPRESENTATIVE_RECORDED",
    )


@app.command("end-representative", cls=FrenchCommand)
def end_representative(patient: Patient, tenant: Tenant, state: State = None) -> None:
    """Mettre fin aux pouvoirs d’un représentant, sur décision d’un juge ; son INS est lu sur l’entrée."""
    from passerelle.dossier.representation import end_representation
    from passerelle.kernel.errors import Conflict

    ins = _ins()

    async def end(act: Act) -> None:
        if not await end_representation(act, patient, _key(act, ins)):
            raise Conflict("REPRESENTATION_UNKNOWN")

    _run(tenant, state, end, "REPRESENTATION_ENDED")


@app.command("inform-pharmacy", cls=FrenchCommand)
def inform_pharmacy(patient: Patient, tenant: Tenant, proof: Proof, state: State = None) -> None:
    """Dire que la personne est informée de son dossier pharmaceutique ; il s’ouvre faute d’opposition dans le délai."""
    from passerelle.pharmacy.records import inform

    _run(tenant, state, lambda act: inform(act, patient, proof=proof), "PHARMACY_RECORD_INFORMED")


@app.command("object-pharmacy", cls=FrenchCommand)
def object_pharmacy(patient: Patient, tenant: Tenant, proof: Proof, state: State = None) -> None:
    """Enregistrer l’opposition d’une personne à son dossier pharmaceutique : plus personne n’y lit rien."""
    from passerelle.pharmacy.records import object_

    _run(tenant, state, lambda act: object_(act, patient, proof=proof), "PHARMACY_RECORD_OBJECTED")


@app.command("close-pharmacy", cls=FrenchCommand)
def close_pharmacy(patient: Patient, tenant: Tenant, proof: Proof, state: State = None) -> None:
    """Fermer le dossier pharmaceutique d’une personne, à sa demande."""
    from passerelle.pharmacy.records import close

    _run(tenant, state, lambda act: close(act, patient, proof=proof), "PHARMACY_RECORD_CLOSED")


def _word(words: Callable[[str], _Word], given: str, option: str) -> _Word:
    try:
        return words(given)
    except ValueError as unknown:
        raise typer.BadParameter("mot inconnu, voyez l’aide", param_hint=option) from unknown


def _ins() -> tuple[str, str]:
    """An INS from the standard input: on the command line, everybody on the machine would read it."""
    oid, _, value = typer.get_text_stream("stdin").readline().strip().partition(" ")
    if not (oid and value):
        raise typer.BadParameter("donnez l’OID et le matricule sur l’entrée standard", param_hint="INS")
    return oid, value.strip()


def _key(act: Act, ins: tuple[str, str]) -> str:
    from passerelle.identities.ins import Ins
    from passerelle.identities.patients import person_key

    return person_key(act.context, Ins(*ins))


def _run(tenant_id: str, state: Path | None, done: _Done, code: str) -> None:
    import asyncio

    from passerelle_ops.terminal import say

    asyncio.run(as_operator(tenant_id, state, done))
    say(code)
