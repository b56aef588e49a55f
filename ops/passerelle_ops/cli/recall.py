"""`passerelle recall …`: what an authority asks the operator to announce to pharmacies, and how far it came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from passerelle_ops.cli.french import FrenchCommand, FrenchGroup
from passerelle_ops.cli.operating import as_operator
from passerelle_ops.cli.options import Json, State, Tenant

if TYPE_CHECKING:
    from passerelle.pharmacy.recalls import RecallLevel

app = typer.Typer(
    name="recall",
    help="Rappels de lots et alertes aux pharmacies : émettre, suivre, clore.",
    cls=FrenchGroup,
    no_args_is_help=True,
)

Recall = Annotated[
    UUID, typer.Argument(metavar="RAPPEL", help="Identifiant interne du rappel (passerelle recall list).")
]
Level = Annotated[str, typer.Option("--level", metavar="NIVEAU", help="urgent ou standard.")]
Source = Annotated[str, typer.Option("--source", metavar="AUTORITÉ", help="Qui l’ordonne : ansm, dgs…")]
Reference = Annotated[str, typer.Option("--reference", metavar="NUMÉRO", help="Le numéro que l’autorité lui donne.")]
Message = Annotated[str, typer.Option("--message", metavar="TEXTE", help="Ce qu’il y a à faire.")]
Cip13 = Annotated[
    str | None, typer.Option("--cip13", metavar="CIP13", help="Le produit ; sans lui, alerte à toutes les pharmacies.")
]
Batches = Annotated[
    list[str] | None, typer.Option("--batch", metavar="LOT", help="Un lot, répétable ; aucun : tous les lots.")
]
First = Annotated[int, typer.Option("--first", metavar="N", min=1, help="Combien, au plus.")]


@app.command(cls=FrenchCommand)
def issue(
    tenant: Tenant,
    level: Level,
    source: Source,
    reference: Reference,
    message: Message,
    cip13: Cip13 = None,
    batch: Batches = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Émettre un rappel, ou une alerte. La même référence, redite telle quelle, n’est pas émise deux fois."""
    import asyncio

    from passerelle.pharmacy.recalls import Announced
    from passerelle.pharmacy.recalls import issue as announce
    from passerelle_ops.recall_report import as_document
    from passerelle_ops.terminal import print_json, say

    said = Announced(
        level=_level(level),
        message=message,
        source=source,
        reference=reference,
        cip13=cip13,
        batches=tuple(batch or ()),
    )
    done = asyncio.run(as_operator(tenant, state, lambda act: announce(act, said)))
    if as_json:
        print_json(as_document(done))
    else:
        say("RECALL_ISSUED", recall=str(done.recall_id))


@app.command("list", cls=FrenchCommand)
def issued(tenant: Tenant, first: First = 20, state: State = None, as_json: Json = False) -> None:
    """Les rappels et les alertes émis, du plus récent au plus ancien."""
    import asyncio

    from passerelle.pharmacy.recalls import issued as announced
    from passerelle_ops.recall_report import as_document, show_recalls
    from passerelle_ops.terminal import print_json

    found = asyncio.run(as_operator(tenant, state, lambda act: announced(act, first=first)))
    if as_json:
        print_json([as_document(each) for each in found])
    else:
        show_recalls(found)


@app.command(cls=FrenchCommand)
def follow(recall: Recall, tenant: Tenant, state: State = None, as_json: Json = False) -> None:
    """Où en est un rappel : combien de pharmacies l’ont reçu, en ont accusé réception, ou sont en retard."""
    import asyncio

    from passerelle.pharmacy.recalls import follow_up
    from passerelle_ops.recall_report import as_document, show_follow_up
    from passerelle_ops.terminal import print_json

    found = asyncio.run(as_operator(tenant, state, lambda act: follow_up(act, recall)))
    if as_json:
        print_json(as_document(found))
    else:
        show_follow_up(found)


@app.command(cls=FrenchCommand)
def close(recall: Recall, tenant: Tenant, state: State = None) -> None:
    """Clore un rappel : il n’arrête plus aucune dispensation et n’atteint plus personne."""
    import asyncio

    from passerelle.pharmacy.recalls import close as end
    from passerelle_ops.terminal import say

    asyncio.run(as_operator(tenant, state, lambda act: end(act, recall)))
    say("RECALL_CLOSED")


def _level(said: str) -> RecallLevel:
    from passerelle.pharmacy.recalls import RecallLevel

    try:
        return RecallLevel(said)
    except ValueError as unknown:
        raise typer.BadParameter("urgent ou standard", param_hint="--level") from unknown
