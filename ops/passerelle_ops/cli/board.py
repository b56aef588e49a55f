"""`passerelle board …`: the tumour boards of a network, and what they did, of nobody by name."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from passerelle_ops.cli.french import FrenchCommand, FrenchGroup
from passerelle_ops.cli.operating import as_operator
from passerelle_ops.cli.options import Json, State, Tenant

app = typer.Typer(
    name="board",
    help="RCP du réseau : leur annuaire, et leur activité sans le nom de personne.",
    cls=FrenchGroup,
    no_args_is_help=True,
)

First = Annotated[int, typer.Option("--first", metavar="N", min=1, help="Combien, au plus.")]
Since = Annotated[
    datetime,
    typer.Option(
        "--since",
        metavar="JOUR",
        formats=["%Y-%m-%d"],
        help="Premier jour d’une période finie. Par défaut un trimestre : 1er janvier, avril, juillet ou octobre.",
    ),
]
Csv = Annotated[bool, typer.Option("--csv", help="Écrire du CSV plutôt qu’un tableau.")]


@app.command("list", cls=FrenchCommand)
def listed(tenant: Tenant, first: First = 200, state: State = None, as_json: Json = False) -> None:
    """Les RCP déclarées dans le réseau, et où elles en sont."""
    import asyncio

    from passerelle.oncology.boards_read import directory
    from passerelle_ops.board_report import show_boards
    from passerelle_ops.terminal import print_json

    found = asyncio.run(as_operator(tenant, state, lambda act: directory(act, first=first)))
    if as_json:
        print_json(found)
    else:
        show_boards(found)


@app.command(cls=FrenchCommand)
def activity(tenant: Tenant, since: Since, state: State = None, as_json: Json = False, as_csv: Csv = False) -> None:
    """L’activité d’une période : cas, quorum, délais, par type, appareil et RCP. Un petit effectif n’y est pas dit."""
    import asyncio

    from passerelle.oncology import indicators
    from passerelle_ops.board_report import as_document, show_activity, write_csv
    from passerelle_ops.terminal import print_json

    if as_json and as_csv:
        raise typer.BadParameter("--json ou --csv, pas les deux", param_hint="--csv")
    exported = as_json or as_csv
    day = since.date()
    found = asyncio.run(as_operator(tenant, state, lambda act: indicators.activity(act, day, exported=exported)))
    if as_json:
        print_json(as_document(found))
    elif as_csv:
        write_csv(found)
    else:
        show_activity(found)
