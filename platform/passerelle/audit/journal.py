"""The journal: one line for each access, allowed or refused, written in the transaction of the access.

Sources: CSP L.1111-19 (the patient sees the traces at any time), PGSSI-S imputability. A read that is one
SQL statement takes `written_by`, which makes the line a part of that statement; an act takes `append`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    DateTime,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit import pruned_facts, shown_lines
from passerelle.audit.tables import journal
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Refused
from passerelle_policies.vocabulary import Action, ActorKind, Kind

NOBODY = UUID(int=0)
#: The rule of what a network refuses that was merged into another, and what it goes on with: reading, and answering for
#: what was read.
MERGED = "network-merged"
_STILL_DONE = frozenset(
    {
        Action.FIND,
        Action.READ,
        Action.EXPORT,
        Action.SEARCH,
        Action.CHECK,
        Action.BREAK_GLASS,
        Action.REVIEW,
        Action.ATTEST_PRESENCE,
        Action.ATTEST_CARE,
        Action.ACKNOWLEDGE,
    }
)
#: What shows a document to someone.
_READ = (Action.READ.value, Action.EXPORT.value)


class Outcome(StrEnum):
    ALLOWED = "allowed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What happened; the context says who, why and how. `patient_id` is NOBODY when it concerns no patient."""

    kind: Kind
    action: Action
    outcome: Outcome
    rule: str
    pack: str
    patient_id: UUID = NOBODY
    document_id: UUID | None = None
    code: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalLine:
    """A line as it is read back, by the patient for one."""

    line_id: int
    at: datetime
    actor_kind: str
    actor_id: str
    actor_name: str
    actor_profession: str | None
    actor_establishment: str | None
    software: str | None
    action: str
    kind: str
    document_id: UUID | None
    outcome: str
    code: str | None
    rule: str
    pack: str
    mode: str
    purpose: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which lines of a journal: all of them, unless told otherwise. `until` is exclusive."""

    since: datetime | None = None
    until: datetime | None = None
    rpps: str | None = None
    emergencies_only: bool = False

    def condition(self) -> ColumnElement[bool]:
        """SQL condition: a line is one of them."""
        conditions = [
            journal.c.at >= self.since if self.since else None,
            journal.c.at < self.until if self.until else None,
            and_(journal.c.actor_kind == ActorKind.PROFESSIONAL.value, journal.c.actor_id == self.rpps)
            if self.rpps
            else None,
            shown_lines.is_emergency(journal) if self.emergencies_only else None,
        ]
        return and_(true(), *(each for each in conditions if each is not None))

    def parameters(self) -> dict[str, Any]:
        """Values for the bind parameters of `shown_lines.is_chosen`."""
        return {
            "chosen_since": self.since,
            "chosen_until": self.until,
            "chosen_rpps": self.rpps or None,
            "chosen_emergencies_only": self.emergencies_only,
        }


def lines() -> Table:
    """The selectable of lines, for a read model that shows them."""
    return journal


def who(context: Context) -> dict[str, Any]:
    """The part of a line that the context knows, by column name."""
    actor = context.actor
    return {
        "at": context.clock.now(),
        "actor_kind": actor.kind.value,
        "actor_id": actor.id,
        "actor_name": actor.name,
        "actor_profession": actor.profession,
        "actor_establishment": actor.establishment,
        "software": actor.software,
        "mode": context.mode.value,
        "purpose": context.purpose.value,
        "request_id": context.request_id,
    }


async def append(connection: AsyncConnection, context: Context, line: Line) -> None:
    """Add one line within the caller's transaction."""
    await append_all(connection, context, [line])


async def append_all(connection: AsyncConnection, context: Context, lines: Sequence[Line]) -> None:
    """Add lines in that order within the caller's transaction.

    Refused: NETWORK_MERGED for what somebody may do, and would write, in a network that another one goes on for.
    """
    _refuse_writing(context, lines)
    by = who(context)
    await connection.execute(
        insert(journal),
        [
            {
                **by,
                "patient_id": line.patient_id,
                "kind": line.kind.value,
                "action": line.action.value,
                "outcome": line.outcome.value,
                "rule": line.rule,
                "pack": line.pack,
                "document_id": line.document_id,
                "code": line.code,
                "facts": dict(line.facts),
            }
            for line in lines
        ],
    )


def _refuse_writing(context: Context, lines: Sequence[Line]) -> None:
    """Every act passes by its line: what is let in here is reading, and what the operator's tasks carry out."""
    merge = context.tenant.merge()
    if merge is None or not merge.is_done or context.actor.kind is ActorKind.SYSTEM:
        return
    for line in lines:
        if line.outcome is Outcome.ALLOWED and line.action not in _STILL_DONE:
            said = replace(line, outcome=Outcome.REFUSED, rule=MERGED, code="NETWORK_MERGED")
            raise Refused("NETWORK_MERGED", line=said, network=merge.into)


_WHO_COLUMNS = (
    "actor_kind",
    "actor_id",
    "actor_name",
    "actor_profession",
    "actor_establishment",
    "software",
    "mode",
    "purpose",
    "request_id",
)


def written_by(
    source: CTE,
    name: str = "journal_line",
    /,
    *,
    unless: ColumnElement[bool] | None = None,
    returning: Sequence[str] = (),
    **said: ColumnElement[Any],
) -> CTE:
    """A data-modifying CTE that writes one line for each row of `source`, but for rows that meet `unless`.

    It has the line's id, and the columns that `returning` names: what the statement wrote, it cannot select.

    `said` gives the columns that the statement itself decides (patient_id, kind, action, document_id,
    outcome, code, rule, pack, facts); the others are bind parameters `journal_*` (see `parameters`).
    """
    columns: dict[str, ColumnElement[Any]] = {each: bindparam(f"journal_{each}", type_=Text()) for each in _WHO_COLUMNS}
    columns["at"] = bindparam("journal_at", type_=DateTime(timezone=True))
    columns |= said
    chosen: Select[Any] = select(*(column.label(each) for each, column in columns.items())).select_from(source)
    if unless is not None:
        chosen = chosen.where(not_(unless))
    wanted = [journal.c[each] for each in dict.fromkeys(("line_id", *returning))]
    return insert(journal).from_select(list(columns), chosen).returning(*wanted).cte(name)


def parameters(context: Context) -> dict[str, Any]:
    """Values for the bind parameters of `written_by`."""
    return {f"journal_{name}": value for name, value in who(context).items()}


async def page(
    connection: AsyncConnection,
    patient_id: UUID,
    *,
    first: int,
    before_line: int | None = None,
    but_about: Select[Any] | None = None,
    but_visits: Select[Any] | None = None,
    even_emergencies: bool = False,
    but_kinds: Collection[Kind] = (),
    chosen: Chosen | None = None,
) -> list[JournalLine]:
    """The newest lines of one patient's journal, `first` at most, older than `before_line` when given.

    Left out are lines about the documents whose ids `but_about` selects and, with it, refused filings of what would
    have been hidden from the patient or his representatives, as no document will show them; visits that `but_visits`
    selects (`actor_id`, `since`, `until`), save emergencies unless told otherwise; what was asked of `but_kinds`.
    """
    shown = (
        select(*(journal.c[name] for name in JournalLine.__dataclass_fields__))
        .where(journal.c.patient_id == patient_id)
        .order_by(journal.c.line_id.desc())
        .limit(first)
    )
    shown = shown if chosen is None else shown.where(chosen.condition())
    shown = shown if before_line is None else shown.where(journal.c.line_id < before_line)
    if but_about is not None:
        shown = shown.where(shown_lines.is_not_about(journal, but_about))
    if but_kinds:
        shown = shown.where(shown_lines.is_of_other_kinds(journal, but_kinds))
    if but_visits is not None:
        shown = shown.where(shown_lines.is_no_visit(journal, but_visits, even_emergencies=even_emergencies))
    return [JournalLine(**row) for row in (await connection.execute(shown)).mappings()]


async def count_by_actor(connection: AsyncConnection, context: Context, action: Action, within: timedelta) -> int:
    """How often the actor did `action` within the last `within`: the journal itself is the counter."""
    counted = counted_by_actor(literal(context.actor.id), action, literal(context.clock.now() - within))
    return int((await connection.execute(counted)).scalar_one())


def counted_by_actor(actor_id: ColumnElement[str], action: Action, since: ColumnElement[datetime]) -> Select[Any]:
    """`count_by_actor` as a selectable, after an instant."""
    return select(func.count()).where(
        journal.c.actor_id == actor_id,
        journal.c.action == action.value,
        journal.c.at > since,
        not_(shown_lines.is_copy(journal)),
    )


async def count_own(
    connection: AsyncConnection, context: Context, patient_id: UUID, kind: Kind, action: Action, within: timedelta
) -> int:
    """How often the actor was let do this to this record as a whole within the last `within`."""
    counted = select(func.count()).where(
        journal.c.patient_id == patient_id,
        journal.c.actor_id == context.actor.id,
        journal.c.kind == kind.value,
        journal.c.action == action.value,
        journal.c.outcome == Outcome.ALLOWED.value,
        journal.c.document_id.is_(None),
        journal.c.at > context.clock.now() - within,
        not_(shown_lines.is_copy(journal)),
    )
    return (await connection.execute(counted)).scalar_one()


async def readers_of(connection: AsyncConnection, patient_id: UUID, document_id: UUID) -> list[JournalLine]:
    """Every allowed reading of one document, its export included, oldest first."""
    lines = (
        select(*(journal.c[name] for name in JournalLine.__dataclass_fields__))
        .where(
            journal.c.patient_id == patient_id,
            journal.c.document_id == document_id,
            journal.c.action.in_(_READ),
            journal.c.outcome == Outcome.ALLOWED.value,
        )
        .order_by(journal.c.line_id)
    )
    return [JournalLine(**row) for row in (await connection.execute(lines)).mappings()]


def was_read_by_person(
    patient_id: UUID, document_id: UUID, *, but: ColumnElement[Any] | None = None
) -> ColumnElement[bool]:
    """SQL condition: the patient or a representative, other than the person `but`, has opened the document, or taken
    it away; also when its line is pruned since."""
    is_there = (
        select(literal(1))
        .where(
            journal.c.actor_id.is_distinct_from(but) if but is not None else true(),
            journal.c.patient_id == patient_id,
            journal.c.document_id == document_id,
            journal.c.action.in_(_READ),
            journal.c.outcome == Outcome.ALLOWED.value,
            journal.c.actor_kind == ActorKind.PERSON.value,
        )
        .exists()
    )
    return or_(is_there, pruned_facts.was_shown(patient_id, document_id, but=but))


def has_line_since(
    patient_id: ColumnElement[Any], document_id: ColumnElement[Any], kind: ColumnElement[Any], since: ColumnElement[Any]
) -> ColumnElement[bool]:
    """SQL condition: this actor (`parameters`) already has an allowed line about this document since then,
    come in the same way and for the same purpose."""
    return (
        select(literal(1))
        .where(
            journal.c.patient_id == patient_id,
            journal.c.document_id == document_id,
            journal.c.actor_id == bindparam("journal_actor_id", type_=Text()),
            journal.c.mode == bindparam("journal_mode", type_=Text()),
            journal.c.purpose == bindparam("journal_purpose", type_=Text()),
            journal.c.kind == kind,
            journal.c.outcome == Outcome.ALLOWED.value,
            journal.c.at > since,
            not_(shown_lines.is_copy(journal)),
        )
        .exists()
    )
