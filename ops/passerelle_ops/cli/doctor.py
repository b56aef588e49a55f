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

Every = Annotated[bool, typer.Option("--all", help="Montrer un à un les contrôles où tout va bien.")]

NAMES = {
    "database": "Base de données",
    "migrations": "Schéma",
    "broker": "Courtier",
    "queues": "Files du courtier",
    "outbox": "Événements à relayer",
    "object_store": "Dépôt des contenus",
    "clock": "Horloge",
    "certificate": "Certificat",
    "keys": "Clés",
    "sealing": "Scellement du journal",
    "ledger": "Registre des restrictions",
    "federation": "Échanges entre réseaux",
    "orphans": "Contenus orphelins",
}
"""Of each `Check`, what people call it."""
_PLACES = {"": "installation", "directory": "annuaire", "locator": "localisateur", "broker": "courtier"}


def doctor(contents: Contents = True, every: Every = False, state: State = None, as_json: Json = False) -> None:
    """Dire si tout va bien : bases, courtier, files, dépôts, horloges, certificats, clés, scellement, échanges.

    Chaque défaut est dit d’abord, avec sa cause et son remède ; ce qui va bien, une ligne par sorte de contrôle.
    Sort avec 1 si quelque chose ne va pas. Ne change rien.
    """
    import asyncio

    from passerelle_ops.terminal import print_json

    found = asyncio.run(_examined(state, contents=contents))
    faults = [each for each in found if each.wrong is not None]
    if as_json:
        print_json({"is_well": not faults, "checks": [_document(each) for each in found]})
    else:
        show(found, every=every)
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


def show(found: list[Found], *, every: bool) -> None:
    """Faults first, then what is well, the verdict last."""
    from collections import Counter

    from rich.markup import escape

    from passerelle_ops.terminal import output, say, table

    well = [each for each in found if each.wrong is None]
    for each in found:
        if each.wrong is None:
            continue
        say(
            "DOCTOR_FAULT",
            check=NAMES[each.check],
            about=_place(each),
            cause=each.wrong.cause,
            remedy=each.wrong.remedy,
        )
    if every:
        rows = [["[green]✓[/]", NAMES[each.check], escape(_place(each))] for each in well]
        output().print(table("", ["", "Contrôle", "Où"], rows))
    else:
        for check, number in Counter(each.check for each in well).items():
            say("DOCTOR_WELL_OF", check=NAMES[check], number=number)
    output().print()
    faults = len(found) - len(well)
    say("DOCTOR_FAULTS" if faults else "DOCTOR_WELL", faults=faults, checks=len(found))


def _place(found: Found) -> str:
    return _PLACES.get(found.about, found.about)
