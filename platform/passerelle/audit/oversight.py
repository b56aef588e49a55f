"""The journals of a whole network, as its data-protection officer searches them, once that is decided.

Source: RGPD, art. 39; CSP R.1111-48. A use case of a domain decides and journals the search first.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    DateTime,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    func,
    literal,
    literal_column,
    select,
    true,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from passerelle.audit.journal import JournalLine, Outcome
from passerelle.audit.tables import IS_EMERGENCY, journal
from passerelle_policies.vocabulary import ActorKind

_NAMES = tuple(JournalLine.__dataclass_fields__)
#: What a line found shows: whose journal it is in, and the columns of `JournalLine`.
SHOWN = ("patient_id", *_NAMES)
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

    def bounds(self, before: Place | None = None) -> dict[str, Any]:
        """What is asked of a line, by name, for a page that is older than `before` when given."""
        bounds = {each.name: value for each in fields(self) if (value := getattr(self, each.name))}
        if before is not None and (self.until is None or before[0] < self.until):
            # One bound above: an index is entered by one of two, and it may be the wrong one.
            bounds.pop("until", None)
            bounds |= {"before_at": before[0], "before_line": before[1]}
        return bounds


_BOUNDS: Final[dict[str, TypeEngine[Any]]] = {
    "since": DateTime(timezone=True),
    "until": DateTime(timezone=True),
    "patient_id": Uuid(),
    "rpps": Text(),
    "structure": Text(),
    "refused_only": Boolean(),
    "emergencies_only": Boolean(),
    "before_at": DateTime(timezone=True),
    "before_line": BigInteger(),
}


def is_looked_for(entry: Any, bounds: Mapping[str, Any]) -> ColumnElement[bool]:
    """SQL condition: a row of `journal`, or of what has its columns, is within `Search.bounds`."""
    wanted: list[ColumnElement[bool]] = []
    for name, value in bounds.items():
        match name:
            case "since":
                wanted.append(entry.c.at >= value)
            case "until":
                wanted.append(entry.c.at < value)
            case "patient_id":
                wanted.append(entry.c.patient_id == value)
            case "rpps":
                wanted += [entry.c.actor_kind == ActorKind.PROFESSIONAL.value, entry.c.actor_id == value]
            case "structure":
                wanted.append(entry.c.actor_establishment == value)
            case "refused_only":
                wanted.append(entry.c.outcome == Outcome.REFUSED.value)
            case "emergencies_only":
                wanted.append(literal_column(f"({IS_EMERGENCY})"))
            case "before_at":
                wanted.append(tuple_(entry.c.at, entry.c.line_id) < tuple_(value, bounds["before_line"]))
    return and_(true(), *wanted)


def bound(names: Iterable[str]) -> dict[str, ColumnElement[Any]]:
    """Bounds of these names as bind parameters; values in `bound_parameters`."""
    return {name: bindparam(f"search_{name}", type_=_BOUNDS[name]) for name in sorted(names)}


def bound_parameters(bounds: Mapping[str, Any]) -> dict[str, Any]:
    """Values for the bind parameters of `bound`."""
    return {f"search_{name}": value for name, value in bounds.items()}


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
    return newest_of(journal, search.bounds(before), literal(first))


def newest_of(entry: Any, bounds: Mapping[str, Any], first: ColumnElement[int]) -> Select[Any]:
    """The newest rows of `journal`, or of what has its columns, within bounds; columns as `SHOWN`."""
    shown = select(*(entry.c[name] for name in SHOWN)).where(is_looked_for(entry, bounds))
    return shown.order_by(entry.c.at.desc(), entry.c.line_id.desc()).limit(first)


async def count(connection: AsyncConnection, search: Search) -> int:
    """How many lines `everything` gives."""
    counted = select(func.count()).select_from(journal).where(is_looked_for(journal, search.bounds()))
    return (await connection.execute(counted)).scalar_one()


async def everything(connection: AsyncConnection, search: Search, *, batch: int = 2_000) -> AsyncIterator[list[Found]]:
    """Every line that answers a search, oldest first, a batch at a time: no more than that is in memory."""
    ordered = _lines(search).order_by(journal.c.at, journal.c.line_id)
    async with connection.stream(ordered, execution_options={"yield_per": batch}) as streamed:
        async for rows in streamed.mappings().partitions():
            yield [_found(row) for row in rows]


def _lines(search: Search) -> Select[Any]:
    return select(*(journal.c[name] for name in SHOWN)).where(is_looked_for(journal, search.bounds()))


def _found(row: Any) -> Found:
    return Found(patient_id=row["patient_id"], line=JournalLine(**{name: row[name] for name in _NAMES}))
