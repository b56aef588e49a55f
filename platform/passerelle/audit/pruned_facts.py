"""What must outlive the journal lines that are pruned (docs/decisions/0092).

That a document was shown to a person, for what was shown is not hidden again; how many acts each actor did, for each
act must have had its line; when something was first done to a patient. Whose reading it was stands for documents alone.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, func, literal, select, true
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.tables import journal_pruned_fact
from passerelle_policies.vocabulary import Action, ActorKind

_NONE = UUID(int=0)
_SHOWING = (Action.READ.value, Action.EXPORT.value)
#: What changes nothing: no act of a domain has its line here.
_LOOKING = (*_SHOWING, Action.FIND.value, Action.SEARCH.value)


async def keep(connection: AsyncConnection, lines: Select[Any]) -> None:
    """Add to what is kept the allowed lines that `lines` selects (columns of the journal), before they go."""
    line = lines.subquery("line")
    about = case(
        (line.c.action.in_(_SHOWING) & (line.c.actor_kind == ActorKind.PERSON.value), line.c.document_id),
        (line.c.action.not_in(_LOOKING), literal(_NONE)),
    )
    said = (
        select(line.c.patient_id, about.label("document_id"), line.c.actor_id, line.c.action, line.c.at)
        .where(line.c.outcome == "allowed", line.c.patient_id != _NONE, about.is_not(None))
        .subquery("said")
    )
    keys = [said.c.patient_id, said.c.document_id, said.c.actor_id, said.c.action]
    found = select(*keys, func.min(said.c.at), func.count()).group_by(*keys)
    kept = upsert(journal_pruned_fact).from_select([each.name for each in journal_pruned_fact.c], found)
    await connection.execute(
        kept.on_conflict_do_update(
            index_elements=[each.name for each in keys],
            set_={
                "first_at": func.least(journal_pruned_fact.c.first_at, kept.excluded.first_at),
                "lines": journal_pruned_fact.c.lines + kept.excluded.lines,
            },
        )
    )


def was_shown(patient_id: UUID, document_id: UUID, *, but: ColumnElement[Any] | None = None) -> ColumnElement[bool]:
    """SQL condition: a line that is pruned since said that a person, other than `but`, was shown the document."""
    return (
        select(literal(1))
        .where(
            journal_pruned_fact.c.patient_id == patient_id,
            journal_pruned_fact.c.document_id == document_id,
            journal_pruned_fact.c.actor_id.is_distinct_from(but) if but is not None else true(),
        )
        .exists()
    )


def was_done(patient_id: UUID, action: Action, until: datetime) -> ColumnElement[bool]:
    """SQL condition: a line that is pruned since said that the act was done to this patient by then."""
    return (
        select(literal(1))
        .where(
            journal_pruned_fact.c.patient_id == patient_id,
            journal_pruned_fact.c.action == action.value,
            journal_pruned_fact.c.first_at <= until,
        )
        .exists()
    )


def acts_counted() -> Select[Any]:
    """How many pruned lines each (patient_id, actor_id, action) had."""
    pruned = journal_pruned_fact
    return select(pruned.c.patient_id, pruned.c.actor_id, pruned.c.action, pruned.c.lines)
