"""Editions of the reference data: loaded whole or not at all, one of each source in force, the one before kept.

No patient is concerned: these acts write no line of the journal (docs/decisions/0108). Their trace is the
edition's own row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast
from uuid import UUID, uuid4

from psycopg import AsyncConnection as PsycopgConnection
from psycopg import sql
from sqlalchemy import RowMapping, and_, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.kernel.clock import Clock
from passerelle.kernel.database import Database
from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle.pharmacy.reference.lines import Figures
from passerelle.pharmacy.reference.parts import Part
from passerelle.pharmacy.reference.sources import ReferenceOrigin, Source
from passerelle.pharmacy.tables import reference_edition

# Two imports of one source take turns.
_TURN = text("select pg_advisory_xact_lock(hashtext('reference_edition'), hashtext(:source))")
_IN_FORCE = and_(reference_edition.c.in_force_from.is_not(None), reference_edition.c.in_force_until.is_(None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """One import: the day it is of, what became of the lines of its files, and when it was in force."""

    edition_id: UUID
    source: Source
    dated: date
    origin: ReferenceOrigin
    loaded_at: datetime
    files: list[dict[str, Any]]
    in_force_from: datetime | None
    in_force_until: datetime | None

    @property
    def is_in_force(self) -> bool:
        """Whether look-ups and checks are answered from it."""
        return self.in_force_from is not None and self.in_force_until is None


Parts = Callable[[list[Figures]], Iterable[Part]]
# Of each source, what an edition must at least hold.
_NEEDED = {Source.BDPM: "medicine", Source.INTERACTIONS: "interaction"}


async def load(
    database: Database,
    clock: Clock,
    source: Source,
    parts: Parts,
    *,
    dated: date,
    origin: ReferenceOrigin = ReferenceOrigin.PUBLISHED,
    puts_in_force: bool = True,
    on_row: Callable[[str], None] = lambda _: None,
) -> Edition | None:
    """Copy an edition in and put it in force, in one transaction; `on_row` hears the table of each row.

    Without `puts_in_force` it is only kept, for `restore`. The starter set never takes the place of anything: null
    when an edition is in force. Refused: REFERENCE_EMPTY when no line of what matters could be kept.
    """
    async with database.transaction() as connection:
        await connection.execute(_TURN, {"source": source.value})
        if origin is ReferenceOrigin.STARTER and source in await in_force(connection):
            return None
        edition_id, now = uuid4(), clock.now()
        await connection.execute(
            insert(reference_edition).values(
                edition_id=edition_id, source=source.value, dated=dated, origin=origin.value, loaded_at=now, files=[]
            )
        )
        files: list[Figures] = []
        counts: dict[str, int] = {}
        for part in parts(files):
            counts[part.table] = await _copy(connection, edition_id, part, on_row)
        if not counts.get(_NEEDED[source]):
            raise InvalidInput("REFERENCE_EMPTY", source=source.value)
        kept = await connection.execute(
            update(reference_edition)
            .where(reference_edition.c.edition_id == edition_id)
            .values(files=[each.told() for each in files])
            .returning(*reference_edition.c)
        )
        if not puts_in_force:
            return _edition(kept.mappings().one())
        return await _put_in_force(connection, source, edition_id, now)


async def restore(database: Database, clock: Clock, source: Source) -> Edition:
    """Put the edition that was in force before back in force; once more brings the newer one back.

    Without one, the newest that was loaded and kept. Refused: REFERENCE_NOTHING_BEFORE when there was none.
    """
    async with database.transaction() as connection:
        await connection.execute(_TURN, {"source": source.value})
        before = await connection.scalar(
            select(reference_edition.c.edition_id)
            .where(reference_edition.c.source == source.value, ~_IN_FORCE)
            .order_by(
                reference_edition.c.in_force_until.desc().nulls_last(),
                reference_edition.c.dated.desc(),
                reference_edition.c.loaded_at.desc(),
            )
            .limit(1)
        )
        if before is None:
            raise Conflict("REFERENCE_NOTHING_BEFORE", source=source.value)
        return await _put_in_force(connection, source, before, clock.now())


async def editions(database: Database) -> list[Edition]:
    """Every edition, by source, the newest import first."""
    async with database.transaction() as connection:
        found = await connection.execute(
            select(reference_edition).order_by(reference_edition.c.source, reference_edition.c.loaded_at.desc())
        )
        return [_edition(row) for row in found.mappings()]


async def in_force(connection: AsyncConnection) -> Mapping[Source, Edition]:
    """The edition of each source that answers now. A source without one is missing: say what cannot be checked."""
    found = await connection.execute(select(reference_edition).where(_IN_FORCE))
    return {each.source: each for each in map(_edition, found.mappings())}


async def _put_in_force(connection: AsyncConnection, source: Source, edition_id: UUID, now: datetime) -> Edition:
    await connection.execute(
        update(reference_edition)
        .where(reference_edition.c.source == source.value, _IN_FORCE)
        .values(in_force_until=now)
    )
    put = await connection.execute(
        update(reference_edition)
        .where(reference_edition.c.edition_id == edition_id)
        .values(in_force_from=now, in_force_until=None)
        .returning(*reference_edition.c)
    )
    return _edition(put.mappings().one())


async def _copy(connection: AsyncConnection, edition_id: UUID, part: Part, on_row: Callable[[str], None]) -> int:
    raw = await connection.get_raw_connection()
    postgres = cast(PsycopgConnection, raw.driver_connection)
    statement = sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier(part.table), sql.SQL(", ").join(map(sql.Identifier, ("edition_id", *part.columns)))
    )
    count = 0
    async with postgres.cursor() as cursor, cursor.copy(statement) as copy:
        for row in part.rows:
            await copy.write_row((edition_id, *row))
            on_row(part.table)
            count += 1
    return count


def _edition(row: RowMapping) -> Edition:
    return Edition(**{**row, "source": Source(row["source"]), "origin": ReferenceOrigin(row["origin"])})
