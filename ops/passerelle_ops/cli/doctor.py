"""`passerelle doctor`: is everything well that the platform stands on; if not, why, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from passerelle_ops.cli.options import Json, State, settings_of

if TYPE_CHECKING:
    from passerelle_ops.diagnostics.found import Found

Contents = Annotated[
    bool,
    typer.Option("--contents/--no-contents", help="Chercher les contenus orphelins : tout le dépôt est listé."),
]

_NAMES = {
    "database": "Base de données",
    "migrations": "Schéma",
    "broker": "Courtier",
    "queues": "Files",
    "object_store": "Dépôt des contenus",
    "clock": "Horloge",
    "certificate": "Certificat",
    "keys": "Clés",
    "sealing": "Scellement",
    "federation": "Échanges",
    "orphans": "Contenus orphelins",
}
_PLACES = {"": "installation", "directory": "annuaire", "locator": "localisateur", "broker": "courtier"}


def doctor(contents: Contents = True, state: State = None, as_json: Json = False) -> None:
    """Dire si tout va bien : bases, courtier, files, dépôts, horloges, certificats, clés, scellement, échanges.

    Chaque défaut est dit avec sa cause et son remède. Sort avec 1 si quelque chose ne va pas. Ne change rien.
    """
    import asyncio

    from passerelle_ops.terminal import print_json, say

    found = asyncio.run(_examined(state, contents=contents))
    faults = [each for each in found if each.wrong is not None]
    if as_json:
        print_json({"is_well": not faults, "checks": [_document(each) for each in found]})
    else:
        _show(found)
        say("DOCTOR_FAULTS" if faults else "DOCTOR_WELL", faults=len(faults), checks=len(found))
    raise typer.Exit(1 if faults else 0)


async def _examined(state: Path | None, *, contents: bool) -> list[Found]:
    from passerelle_ops.diagnostics.examination import Examination
    from passerelle_ops.installation import Installation
    from passerelle_ops.terminal import progress

    installation = Installation(settings_of(state), pool_size=2)
    try:
        with progress() as bar:
            task = bar.add_task("Contrôles", total=None)
            examination = Examination(installation)
            return await examination.run(contents=contents, on_step=lambda: bar.advance(task))
    finally:
        await installation.close()


def _document(found: Found) -> dict[str, str | bool | None]:
    wrong = found.wrong
    return {
        "check": found.check,
        "about": found.about,
        "is_well": wrong is None,
        "code": wrong.code if wrong else None,
        "cause": wrong.cause if wrong else None,
        "remedy": wrong.remedy if wrong else None,
    }


def _show(found: list[Found]) -> None:
    from rich.markup import escape

    from passerelle_ops.terminal import output, table

    rows = [
        [
            "[green]✓[/]" if each.wrong is None else "[red]✗[/]",
            _NAMES[each.check],
            escape(_PLACES.get(each.about, each.about)),
            f"{escape(each.wrong.cause)}\n[bold]→[/] {escape(each.wrong.remedy)}" if each.wrong else "",
        ]
        for each in sorted(found, key=lambda each: each.wrong is None)
    ]
    output().print(table("Contrôles", ["", "Contrôle", "Où", "Cause et remède"], rows))
