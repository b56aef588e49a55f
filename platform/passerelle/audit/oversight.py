"""The journals of a whole network, as its data-protection officer searches them, once that is decided.

Source: RGPD, art. 39; CSP R.1111-48. A use case of a domain decides and journals the search first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Float, and_, cast, extract, func, literal, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.journal import JournalLine, Outcome
from passerelle.audit.tables import journal
from passerelle.kernel.clock import PARIS
from passerelle_policies.vocabulary import ActorKind, Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to look for, within a period; `until` is exclusive."""

    since: datetime
    until: datetime
    rpps: str | None = None
    structure: str | None = None
    refused_only: bool = False
    emergencies_only: bool = False

    def condition(self) -> ColumnElement[bool]:
        """SQL condition: a line is looked for."""
        wanted: list[ColumnElement[bool]] = [journal.c.at >= self.since, journal.c.at < self.until]
        if self.rpps:
            wanted += [journal.c.actor_kind == ActorKind.PROFESSIONAL.value, journal.c.actor_id == self.rpps]
        if self.structure:
            wanted.append(journal.c.actor_establishment == self.structure)
        if self.refused_only:
            wanted.append(journal.c.outcome == Outcome.REFUSED.value)
        if self.emergencies_only:
            wanted.append(journal.c.mode != Mode.NORMAL.value)
        return and_(true(), *wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A line, and whose journal it is in."""

    patient_id: UUID
    line: JournalLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """What one professional did in a period, beside the median of his profession (`usual_patients`)."""

    rpps: str
    name: str
    profession: str | None
    structure: str | None
    patients: int
    usual_patients: float
    refused: int
    emergencies: int
    by_night: int


async def found(
    connection: AsyncConnection, search: Search, *, first: int, before_line: int | None = None
) -> list[Found]:
    """The newest lines of any journal that answer a search, `first` at most, older than `before_line` when given."""
    names = list(JournalLine.__dataclass_fields__)
    lines = (
        select(journal.c.patient_id, *(journal.c[name] for name in names))
        .where(search.condition(), true() if before_line is None else journal.c.line_id < before_line)
        .order_by(journal.c.line_id.desc())
        .limit(first)
    )
    rows = (await connection.execute(lines)).mappings()
    return [
        Found(patient_id=row["patient_id"], line=JournalLine(**{name: row[name] for name in names})) for row in rows
    ]


async def unusual(
    connection: AsyncConnection, since: datetime, until: datetime, *, ratio: int, night: tuple[int, int], first: int
) -> list[Habit]:
    """The professionals who opened `ratio` times the records that the median of their profession did, or more, and
    those who came in by emergency or were refused that often; the furthest from the usual first.

    `night` is from which hour to which, in Paris.
    """
    hour = extract("hour", func.timezone(str(PARIS), journal.c.at))
    is_allowed = journal.c.outcome == Outcome.ALLOWED.value
    counted: dict[str, ColumnElement[Any]] = {
        "patients": func.count(journal.c.patient_id.distinct()).filter(is_allowed),
        "refused": func.count().filter(journal.c.outcome == Outcome.REFUSED.value),
        "emergencies": func.count(journal.c.patient_id.distinct()).filter(
            is_allowed, journal.c.mode == Mode.BREAK_GLASS.value
        ),
        "by_night": func.count().filter(is_allowed, or_(hour >= night[0], hour < night[1])),
    }
    each = (
        select(
            journal.c.actor_id.label("rpps"),
            func.max(journal.c.actor_name).label("name"),
            func.max(journal.c.actor_profession).label("profession"),
            func.max(journal.c.actor_establishment).label("structure"),
            *(value.label(name) for name, value in counted.items()),
        )
        .where(
            journal.c.actor_kind == ActorKind.PROFESSIONAL.value,
            journal.c.kind.in_(("dossier", "document", "content")),
            journal.c.at >= since,
            journal.c.at < until,
        )
        .group_by(journal.c.actor_id)
        .cte("each")
    )
    usual = (
        select(
            each.c.profession,
            *(
                func.greatest(cast(func.percentile_cont(0.5).within_group(each.c[name]), Float()), literal(1.0)).label(
                    f"usual_{name}"
                )
                for name in ("patients", "refused", "emergencies")
            ),
        )
        .group_by(each.c.profession)
        .cte("usual")
    )
    beyond = {name: each.c[name] / usual.c[f"usual_{name}"] for name in ("patients", "refused", "emergencies")}
    furthest = func.greatest(*beyond.values())
    shown = (
        select(each, usual.c.usual_patients)
        .join(usual, usual.c.profession.is_not_distinct_from(each.c.profession))
        .where(furthest >= ratio)
        .order_by(furthest.desc(), each.c.rpps)
        .limit(first)
    )
    return [Habit(**row) for row in (await connection.execute(shown)).mappings()]
