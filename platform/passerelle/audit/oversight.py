"""The journals of a whole network, as its data-protection officer searches them, once that is decided.

Source: RGPD, art. 39; CSP R.1111-48. A use case of a domain decides and journals the search first.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, literal_column, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.journal import JournalLine, Outcome
from passerelle.audit.tables import IS_EMERGENCY, journal
from passerelle_policies.vocabulary import ActorKind

_NAMES = tuple(JournalLine.__dataclass_fields__)
Place = tuple[datetime, int]
"""Where a page ends: the instant and the number of its last line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to look for, within a period when one is given; `until` is exclusive."""

    since: datetime | None = None
    until: datetime | None = None
    patient_id: UUID | None = None
    rpps: str | None = None
    structure: str | None = None
    refused_only: bool = False
    emergencies_only: bool = False

    def condition(self) -> ColumnElement[bool]:
        """SQL condition: a line is looked for."""
        wanted: list[ColumnElement[bool]] = []
        if self.since:
            wanted.append(journal.c.at >= self.since)
        if self.until:
            wanted.append(journal.c.at < self.until)
        if self.patient_id:
            wanted.append(journal.c.patient_id == self.patient_id)
        if self.rpps:
            wanted += [journal.c.actor_kind == ActorKind.PROFESSIONAL.value, journal.c.actor_id == self.rpps]
        if self.structure:
            wanted.append(journal.c.actor_establishment == self.structure)
        if self.refused_only:
            wanted.append(journal.c.outcome == Outcome.REFUSED.value)
        if self.emergencies_only:
            wanted.append(literal_column(f"({IS_EMERGENCY})"))
        return and_(true(), *wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A line, and whose journal it is in."""

    patient_id: UUID
    line: JournalLine

    @property
    def place(self) -> Place:
        return self.line.at, self.line.line_id


async def found(connection: AsyncConnection, search: Search, *, first: int, before: Place | None = None) -> list[Found]:
    """The newest lines of any journal that answer a search, `first` at most, older than `before` when given."""
    rows = await connection.execute(page_statement(search, first=first, before=before))
    return [_found(row) for row in rows.mappings()]


def page_statement(search: Search, *, first: int, before: Place | None = None) -> Select[Any]:
    """What `found` asks: each way to search has an index that gives its page in order."""
    older: ColumnElement[bool] = true()
    if before is not None and (search.until is None or before[0] < search.until):
        # One bound above: an index is entered by one of two, and it may be the wrong one.
        search, older = replace(search, until=None), tuple_(journal.c.at, journal.c.line_id) < tuple_(*before)
    return _lines(search).where(older).order_by(journal.c.at.desc(), journal.c.line_id.desc()).limit(first)


async def count(connection: AsyncConnection, search: Search) -> int:
    """How many lines `everything` gives."""
    counted = select(func.count()).select_from(journal).where(search.condition())
    return (await connection.execute(counted)).scalar_one()


async def everything(connection: AsyncConnection, search: Search, *, batch: int = 2_000) -> AsyncIterator[list[Found]]:
    """Every line that answers a search, oldest first, a batch at a time: no more than that is in memory."""
    ordered = _lines(search).order_by(journal.c.at, journal.c.line_id)
    async with connection.stream(ordered, execution_options={"yield_per": batch}) as streamed:
        async for rows in streamed.mappings().partitions():
            yield [_found(row) for row in rows]


def _lines(search: Search) -> Select[Any]:
    return select(journal.c.patient_id, *(journal.c[name] for name in _NAMES)).where(search.condition())


def _found(row: Any) -> Found:
    return Found(patient_id=row["patient_id"], line=JournalLine(**{name: row[name] for name in _NAMES}))
