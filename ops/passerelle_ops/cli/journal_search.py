"""`passerelle journal search` and `journal unusual`: the data-protection officer's questions, with his reason."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer

from passerelle_ops.cli.options import Json, State, Tenant, settings_of

if TYPE_CHECKING:
    from passerelle.audit.transactions import Act

Reason = Annotated[str, typer.Option("--reason", metavar="MOTIF", help="Pourquoi : le journal le garde.")]
Since = Annotated[
    datetime | None, typer.Option("--since", metavar="DATE", help="Depuis ce jour, ou cet instant, heure de Paris.")
]
Until = Annotated[
    datetime | None, typer.Option("--until", metavar="DATE", help="Avant ce jour, ou cet instant, heure de Paris.")
]
From = Annotated[
    datetime, typer.Option("--since", metavar="DATE", help="Depuis ce jour, ou cet instant, heure de Paris.")
]
To = Annotated[datetime, typer.Option("--until", metavar="DATE", help="Avant ce jour, ou cet instant, heure de Paris.")]
Patient = Annotated[
    UUID | None,
    typer.Option("--patient", metavar="ID", help="Le journal de ce patient (identifiant interne) : il le saura."),
]
Rpps = Annotated[str | None, typer.Option("--rpps", metavar="NUMÉRO", help="Ce professionnel.")]
Structure = Annotated[
    str | None, typer.Option("--structure", metavar="FINESS", help="Les accès faits depuis cette structure.")
]
Refused = Annotated[bool, typer.Option("--refused", help="Les seuls refus.")]
Emergencies = Annotated[bool, typer.Option("--emergencies", help="Les seuls accès en urgence.")]
First = Annotated[int | None, typer.Option("--first", metavar="N", min=1, help="Combien, au plus.")]
After = Annotated[
    str | None, typer.Option("--after", metavar="SUITE", help="Où reprendre : ce que la page d’avant a donné.")
]
T = TypeVar("T")


def search(
    tenant: Tenant,
    reason: Reason,
    state: State = None,
    patient: Patient = None,
    rpps: Rpps = None,
    structure: Structure = None,
    since: Since = None,
    until: Until = None,
    refused: Refused = False,
    emergencies: Emergencies = False,
    first: First = None,
    after: After = None,
    as_json: Json = False,
) -> None:
    """Chercher dans les journaux d’un réseau : qui a demandé quoi, et ce qui lui fut répondu.

    De la ligne la plus récente à la plus ancienne. La recherche est elle-même une ligne du journal, avec son motif :
    celle du patient quand il est nommé. Rien du contenu des dossiers n’est montré.
    """
    import asyncio

    from passerelle.audit.oversight import Found, Search
    from passerelle.dossier import oversight
    from passerelle.dossier.reading import page_size
    from passerelle_ops.oversight_report import found_as_json, read_place, show_found

    try:
        before = read_place(after) if after else None
    except ValueError as wrong:
        raise typer.BadParameter("ce n’est pas la suite d’une page", param_hint="--after") from wrong
    wanted = Search(
        since=in_paris(since),
        until=in_paris(until),
        patient_id=patient,
        rpps=rpps,
        structure=structure,
        refused_only=refused,
        emergencies_only=emergencies,
    )

    async def ask(act: Act) -> tuple[list[Found], int]:
        size = page_size(act.context, first)
        return await oversight.search(act, wanted, reason=reason, first=size, before=before), size

    found, size = asyncio.run(_asked(tenant, state, ask))
    (found_as_json if as_json else show_found)(found, is_whole=len(found) < size)


def unusual(
    tenant: Tenant,
    reason: Reason,
    since: From,
    until: To,
    state: State = None,
    first: First = None,
    as_json: Json = False,
) -> None:
    """Chercher les accès inhabituels d’une période, règle par règle : des signes à examiner, jamais des preuves.

    Les seuils sont des paramètres (oversight.*). La recherche est elle-même une ligne du journal, avec son motif.
    """
    import asyncio

    from passerelle.audit.patterns import Review
    from passerelle.dossier import oversight
    from passerelle_ops.oversight_report import reviews_as_json, show_reviews

    start, end = in_paris(since) or since, in_paris(until) or until

    async def ask(act: Act) -> list[Review]:
        return await oversight.unusual(act, start, end, reason=reason, first=first)

    (reviews_as_json if as_json else show_reviews)(asyncio.run(_asked(tenant, state, ask)))


def in_paris(said: datetime | None) -> datetime | None:
    """A day or an instant of the command line: of Paris, unless it says otherwise."""
    from passerelle.kernel.clock import PARIS

    return said if said is None or said.tzinfo else said.replace(tzinfo=PARIS)


async def _asked(tenant_id: str, state: Path | None, ask: Callable[[Act], Awaitable[T]]) -> T:
    import getpass
    from uuid import uuid4

    from passerelle.audit.transactions import transaction
    from passerelle.kernel.actors import Actor
    from passerelle.kernel.context import Context
    from passerelle_ops.installation import Installation
    from passerelle_policies.vocabulary import ActorKind, Purpose

    installation = Installation(settings_of(state))
    try:
        officer = Actor(
            kind=ActorKind.OFFICER,
            id=f"operator-{getpass.getuser()}",
            name="Délégué à la protection des données",
            software="passerelle journal",
        )
        context = Context(
            tenant=await (await installation.registry()).tenant(tenant_id),
            actor=officer,
            clock=installation.clock,
            request_id=f"journal-{uuid4().hex}",
            purpose=Purpose.ADMINISTRATION,
        )
        async with transaction(context) as act:
            return await ask(act)
    finally:
        await installation.close()
