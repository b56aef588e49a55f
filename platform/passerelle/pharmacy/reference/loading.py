"""Loading the files of a source from a folder, as they were published."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

from passerelle.kernel.clock import Clock
from passerelle.kernel.database import Database
from passerelle.kernel.errors import InvalidInput
from passerelle.pharmacy.reference import bdpm, thesaurus
from passerelle.pharmacy.reference.editions import Edition, Parts, load
from passerelle.pharmacy.reference.sources import ReferenceOrigin, Source


async def load_published(
    database: Database,
    clock: Clock,
    source: Source,
    path: Path,
    *,
    dated: date | None = None,
    on_row: Callable[[str], None] = lambda _: None,
) -> list[Edition]:
    """Load what lies at a path; several years of interactions are as many editions, the newest is put in force.

    The day is that of the file's or folder's name unless given. Refused: REFERENCE_DATE_NEEDED when neither says
    it, REFERENCE_FILE_MISSING, REFERENCE_HEADER, REFERENCE_EMPTY; what was loaded before stays as it was.
    """
    found: list[tuple[date, Parts]] = []
    if source is Source.BDPM:
        found.append((_day(dated or thesaurus.dated_by(path.name)), partial(bdpm.parts, path)))
    else:
        tables = thesaurus.tables(path)
        if dated is not None and len(tables) > 1:
            raise InvalidInput("REFERENCE_ONE_DATE")
        found += [(_day(dated or each.dated), partial(thesaurus.parts, each)) for each in tables]
    newest = len(found) - 1
    loaded = [
        await load(database, clock, source, parts, dated=day, puts_in_force=place == newest, on_row=on_row)
        for place, (day, parts) in enumerate(found)
    ]
    return [each for each in loaded if each is not None]


async def load_starter(database: Database, clock: Clock) -> list[Edition]:
    """Load the small sets that ship with the project, where nothing of their source is in force yet."""
    sources = (
        (Source.BDPM, partial(bdpm.parts, STARTER)),
        (Source.INTERACTIONS, partial(thesaurus.parts, thesaurus.tables(STARTER)[0])),
    )
    loaded = [
        await load(database, clock, source, parts, dated=DATED, origin=ReferenceOrigin.STARTER)
        for source, parts in sources
    ]
    return [each for each in loaded if each is not None]


def _day(day: date | None) -> date:
    if day is None:
        raise InvalidInput("REFERENCE_DATE_NEEDED")
    return day


STARTER = Path(__file__).parent / "starter"
# The day of the public lists that its facts were taken from.
DATED = date(2026, 5, 1)
