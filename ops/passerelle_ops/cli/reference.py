"""`passerelle reference load|status|restore`: the lists of medicines and interactions of a network."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from passerelle.pharmacy.reference.sources import Source
from passerelle_ops.cli.french import FrenchCommand, FrenchGroup
from passerelle_ops.cli.options import Json, State, Tenant, settings_of

if TYPE_CHECKING:
    from passerelle.kernel.clock import Clock
    from passerelle.kernel.database import Database
    from passerelle.pharmacy.reference.editions import Edition

app = typer.Typer(
    name="reference", help="Charger les listes de médicaments et d’interactions.", cls=FrenchGroup, no_args_is_help=True
)

Named = Annotated[Source, typer.Argument(metavar="SOURCE", help="bdpm ou interactions.")]
Published = Annotated[
    Path, typer.Argument(metavar="CHEMIN", exists=True, readable=True, help="Dossier ou fichier, tel que publié.")
]
Dated = Annotated[
    datetime | None,
    typer.Option("--dated", formats=["%Y-%m-%d"], metavar="JOUR", help="Jour des données ; par défaut celui du nom."),
]
T = TypeVar("T")


@app.command("load", cls=FrenchCommand)
def load(
    source: Named, path: Published, tenant: Tenant, dated: Dated = None, state: State = None, as_json: Json = False
) -> None:
    """Charger une édition et la mettre en vigueur, d’un coup ; celle d’avant est gardée.

    Une ligne inutilisable est comptée, nommée et laissée de côté. Les fichiers : medicaments.gouv.fr (BDPM), tableaux
    du thésaurus de l’ANSM.
    """
    import asyncio

    from passerelle_ops.terminal import print_json, progress

    async def run(database: Database, clock: Clock) -> list[Edition]:
        from passerelle.pharmacy.reference.loading import load_published

        with progress() as bar:
            tasks = {}

            def count(table: str) -> None:
                if table not in tasks:
                    tasks[table] = bar.add_task(table, total=None)
                bar.advance(tasks[table])

            day = dated.date() if dated else None
            return await load_published(database, clock, source, path, dated=day, on_row=count)

    loaded = asyncio.run(_asked(tenant, state, run))
    if as_json:
        print_json([_told(each) for each in loaded])
    else:
        for each in loaded:
            _show_files(each)


@app.command("status", cls=FrenchCommand)
def status(tenant: Tenant, state: State = None, as_json: Json = False) -> None:
    """Dire quelles éditions sont gardées, lesquelles sont en vigueur, et ce que les interactions reconnaissent."""
    import asyncio

    from passerelle_ops.terminal import output, print_json, say, table

    async def run(database: Database, _: Clock) -> tuple[list[Edition], list[dict[str, object]]]:
        from passerelle.pharmacy.reference.coverage import coverage
        from passerelle.pharmacy.reference.editions import editions

        return await editions(database), [each.told() for each in await coverage(database)]

    found, covered = asyncio.run(_asked(tenant, state, run))
    if as_json:
        print_json({"editions": [_told(each) for each in found], "coverage": covered})
        return
    if not found:
        say("REFERENCE_NONE")
        return
    rows = [
        [
            *(each.source.value, _day(each), each.origin.value, str(_sum(each, "kept")), str(_sum(each, "refused"))),
            "en vigueur" if each.is_in_force else "gardée",
        ]
        for each in found
    ]
    columns = ["Source", "Du", "Origine", "Lignes gardées", "Refusées", "État"]
    output().print(table("Éditions", columns, rows))
    if covered:
        rows = [[str(each["table"]), str(each["names"]), str(each["resolved"])] for each in covered]
        output().print(table("Substances reconnues", ["Table", "Noms", "Reconnus"], rows))


@app.command("restore", cls=FrenchCommand)
def restore(source: Named, tenant: Tenant, state: State = None, as_json: Json = False) -> None:
    """Remettre en vigueur l’édition d’avant. Relancer revient à la plus récente."""
    import asyncio

    from passerelle_ops.terminal import print_json, say

    async def run(database: Database, clock: Clock) -> Edition:
        from passerelle.pharmacy.reference import editions

        return await editions.restore(database, clock, source)

    found = asyncio.run(_asked(tenant, state, run))
    if as_json:
        print_json(_told(found))
    else:
        say("REFERENCE_RESTORED", source=found.source.value, dated=_day(found))


async def _asked(tenant_id: str, state: Path | None, ask: Callable[[Database, Clock], Awaitable[T]]) -> T:
    from passerelle_ops.installation import Installation

    installation = Installation(settings_of(state))
    try:
        tenant = await (await installation.registry()).tenant(tenant_id)
        return await ask(tenant.database, installation.clock)
    finally:
        await installation.close()


def _show_files(edition: Edition) -> None:
    from rich.markup import escape

    from passerelle.kernel.messages import sentence
    from passerelle_ops.terminal import output, say, table

    rows = [
        [escape(each["file"]), each["encoding"], *(str(each[figure]) for figure in ("read", "kept", "refused"))]
        for each in edition.files
    ]
    title = f"{edition.source.value} du {_day(edition)}"
    output().print(table(title, ["Fichier", "Codage", "Lignes lues", "Gardées", "Refusées"], rows))
    for each in edition.files:
        for line in each["lines"]:
            why = sentence(f"REFERENCE_LINE_{line['why']}", {})
            say("REFERENCE_LINE", file=each["file"], line=line["line"], why=why)
        if hidden := each["refused"] - len(each["lines"]):
            say("REFERENCE_LINES_MORE", file=each["file"], hidden=hidden)
    say("REFERENCE_IN_FORCE" if edition.is_in_force else "REFERENCE_KEPT", source=edition.source.value)


def _told(edition: Edition) -> dict[str, object]:
    from dataclasses import asdict

    return {**asdict(edition), "in_force": edition.is_in_force}


def _sum(edition: Edition, figure: str) -> int:
    return sum(int(each[figure]) for each in edition.files)


def _day(edition: Edition) -> str:
    return f"{edition.dated:%d/%m/%Y}"
