"""Lines about a patient that another network wrote in its journal, entered in his journal at home as they came.

Such a line is one of home's from then on: sealed with the others, shown by the same rules. Its facts name the network
and its number there. Source: CSP L.1111-19 (the patient sees who came to his record, wherever).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Insert,
    Select,
    Text,
    Uuid,
    and_,
    cast,
    exists,
    func,
    insert,
    literal,
    not_,
    select,
)

from passerelle.audit.sealed import sealed_lines
from passerelle.audit.shown_lines import LINE, NETWORK, is_copy
from passerelle.audit.tables import journal
from passerelle_policies.vocabulary import Action, ActorKind

#: The columns that go over as they are.
CARRIED: Final = (
    "at", "actor_kind", "actor_id", "actor_name", "actor_profession", "actor_establishment", "software", "action",
    "kind", "document_id", "outcome", "code", "rule", "pack", "mode", "purpose", "request_id", "facts",
)  # fmt: skip
#: What goes over by itself, with what home makes of it: documents, and emergencies.
_GOES_OVER: Final = (Action.PUBLISH.value, Action.REPLACE.value, Action.BREAK_GLASS.value)
#: Who acts in a network for another one.
_FEDERATION: Final = "federation:"


def line_of(object_id: UUID) -> int:
    """The number of the line that an object of the exchange is."""
    return object_id.int


def kept(patient_id: ColumnElement[UUID]) -> Select[Any]:
    """The lines about a patient that his home is to have (`object_id`)."""
    return select(_object_id(journal).label("object_id")).where(journal.c.patient_id == patient_id, _is_told(journal))


def sealed_between(start: int, end: int) -> FromClause:
    """What his home is to have of the lines after a leaf and up to another: `patient_id`, `object_id`, `at`."""
    line = sealed_lines("line")
    told = select(line.c.patient_id, _object_id(line).label("object_id"), line.c.at)
    return told.where(line.c.leaf_index > start, line.c.leaf_index <= end, _is_told(line)).subquery("told")


def entered(rows: FromClause, columns: Sequence[str]) -> Insert:
    """SQL: enter lines that `rows` have (`columns` of the journal) in their order."""
    return insert(journal).from_select(list(columns), select(*(rows.c[name] for name in columns)))


def facts_of(facts: ColumnElement[Any], network: ColumnElement[str], line: ColumnElement[int]) -> ColumnElement[Any]:
    """SQL value: the facts of a line as it is entered."""
    return facts.op("||")(func.jsonb_build_object(NETWORK, network, LINE, line))


def is_entered(
    patient_id: ColumnElement[UUID],
    network: ColumnElement[str],
    line: ColumnElement[int],
    at: ColumnElement[Any],
) -> ColumnElement[bool]:
    """SQL condition: that line of that network is there already; another one has its number after a restore there."""
    held = journal.alias("held")
    return exists().where(
        held.c.patient_id == patient_id,
        held.c.at == at,
        held.c.facts[NETWORK].astext == network,
        held.c.facts[LINE].astext == cast(line, Text()),
    )


def _object_id(line: Any) -> ColumnElement[UUID]:
    return cast(func.lpad(func.to_hex(line.c.line_id), 32, literal("0")), Uuid())


def _is_told(line: Any) -> ColumnElement[bool]:
    of_another = and_(line.c.actor_kind == ActorKind.SYSTEM.value, line.c.actor_id.startswith(_FEDERATION))
    goes_over = and_(line.c.action.in_(_GOES_OVER), line.c.code.is_(None))
    return and_(not_(is_copy(line)), not_(of_another), not_(goes_over))
