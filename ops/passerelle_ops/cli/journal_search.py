"""`passerelle journal search` and `journal unusual`: the data-protection officer's questions, with his reason."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar, overload
from uuid import UUID

import typer

from passerelle_ops.cli.operating import as_operator, officer
from passerelle_ops.cli.options import Json, State, Tenant

if TYPE_CHECKING:
    from passerelle.audit.transactions import Act

Reason = Annotated[str, typer.Option("--reason", metavar="MOTIF", help="Pourquoi : le journal le garde.")]
_SINCE = typer.Option("--since", metavar="DATE", help="Depuis ce jour (AAAA-MM-JJ), ou cet instant, heure de Paris.")
_UNTIL = typer.Option(
    "--until", metavar="DATE", help="Jusqu’à ce jour compris (AAAA-MM-JJ), ou avant cet instant, heure de Paris."
)
Since = Annotated[str | None, _SINCE]
Until = Annotated[str | None, _UNTIL]
From = Annotated[str, _SINCE]
To = Annotated[str, _UNTIL]
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
        since=since_of(since),
        until=until_of(until),
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

    start, end = since_of(since), until_of(until)

    async def ask(act: Act) -> list[Review]:
        return await oversight.unusual(act, start, end, reason=reason, first=first)

    (reviews_as_json if as_json else show_reviews)(asyncio.run(_asked(tenant, state, ask)))


@overload
def since_of(said: str) -> datetime: ...
@overload
def since_of(said: str | None) -> datetime | None: ...
def since_of(said: str | None) -> datetime | None:
    """The instant from which: that one, or the midnight that begins a day."""
    return None if said is None else _instant(said, "--since")


@overload
def until_of(said: str) -> datetime: ...
@overload
def until_of(said: str | None) -> datetime | None: ...
def until_of(said: str | None) -> datetime | None:
    """The instant before which: that one, or the midnight that ends a day."""
    return None if said is None else _instant(said, "--until", days=1)


def _instant(said: str, option: str, *, days: int = 0) -> datetime:
    """An instant of the command line, of Paris unless it says otherwise; a day is its midnight, `days` later."""
    from passerelle.kernel.clock import PARIS

    try:
        instant = datetime.fromisoformat(said)
        if "T" not in said and " " not in said:
            instant += timedelta(days)
    except (ValueError, OverflowError) as wrong:
        raise typer.BadParameter("il faut une date comme 2026-11-16 ou 2026-11-16T08:30", param_hint=option) from wrong
    return instant if instant.tzinfo else instant.replace(tzinfo=PARIS)


async def _asked(tenant_id: str, state: Path | None, ask: Callable[[Act], Awaitable[T]]) -> T:
    return await as_operator(tenant_id, state, ask, by=officer("journal"))
