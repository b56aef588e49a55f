"""`recall_patients.concerned_patients` as one statement, which decides upon each patient as `decide` does one by one.

The line of the search comes first, then one for each patient who is shown, in the order in which they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Integer,
    Text,
    Uuid,
    and_,
    bindparam,
    func,
    literal_column,
    null,
    select,
    true,
)

from passerelle.audit import journal
from passerelle.dossier import access, judging, reach
from passerelle.dossier.judging import Judged
from passerelle.identities import patients
from passerelle.kernel.clock import legal_day
from passerelle.kernel.context import Context
from passerelle.pharmacy import windows
from passerelle.pharmacy.access import facts_row
from passerelle.pharmacy.access import parameters as facts_parameters
from passerelle.pharmacy.recall_patients import given_to, is_received
from passerelle.pharmacy.recalls import pharmacy_of
from passerelle_policies.vocabulary import Action, Kind

_TRAITS: Final = ("family_name", "used_name", "given_names", "birth_date")
#: What is shown of each; `handed` is a JSON array of [day, label, batch, number of the pharmacy].
SHOWN: Final = ("patient_id", *_TRAITS, "handed", "number")
_FENCE: Final[ColumnElement[int]] = literal_column("0")
_PREFIX: Final = "find"
_FACTS: Final = ("state", "blocked", "objection", "relations")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcernedRead:
    """`shown` has the columns of `SHOWN` for one patient more than a page has, in order; `number` counts from 1."""

    judged: Judged
    is_answered: ColumnElement[bool]
    shown: CTE
    lines: CTE


def concerned_read() -> ConcernedRead:
    """Bind values in `parameters`. Whoever is let in and is not answered did not receive that recall."""
    recall_id, pharmacy = bindparam("recall_id", type_=Uuid()), bindparam("recall_pharmacy", type_=Text())
    size, after = bindparam("page_size", type_=Integer()), bindparam("after_patient", type_=Uuid())
    received = is_received(recall_id, pharmacy)
    judged = judging.judged(Kind.RECALL, provided=received)
    is_answered = and_(judged.is_allowed(), received)
    candidate = given_to(recall_id, pharmacy, after, access.TODAY).where(is_answered).subquery("candidate")
    # As text: a column would be a FROM of its own in there. The fences keep each fact from being gathered twice.
    of_each = facts_row(literal_column("candidate.patient_id", Uuid())).offset(_FENCE).lateral("of_each")
    decided = (
        select(
            candidate.c.patient_id,
            candidate.c.handed,
            *(of_each.c[name] for name in _FACTS),
            reach.rule_of_each(of_each, _PREFIX).label("rule"),
        )
        .select_from(candidate.join(of_each, true()))
        .order_by(candidate.c.patient_id)
        .offset(_FENCE)
        .subquery("decided")
    )
    number = func.row_number().over(order_by=decided.c.patient_id).label("number")
    allowed = (
        select(decided, true().label("allowed"), null().label("code"), number)
        .where(decided.c.rule.is_not(None))
        .order_by(decided.c.patient_id)
        .limit(size + 1)
        .cte("concerned")
        .prefix_with("materialized")
    )
    on_page = allowed.c.number <= size
    lines = judging.lines_of_each(allowed, judged, "patient_line", on_page, kind=Kind.RECALL, action=Action.FIND)
    identity = patients.identity()
    traits = (identity.c[name] for name in _TRAITS)
    shown = select(allowed.c.patient_id, *traits, allowed.c.handed, allowed.c.number).join(
        identity, identity.c.patient_id == allowed.c.patient_id
    )
    return ConcernedRead(judged=judged, is_answered=is_answered, shown=shown.cte("shown"), lines=lines)


def parameters(context: Context, recall_id: UUID, *, size: int, after: UUID | None) -> Mapping[str, Any]:
    """Every bind value of `concerned_read`. Refused: PLACE_MISSING."""
    pharmacy = pharmacy_of(context)
    return {
        **facts_parameters(context, Kind.RECALL, journal.NOBODY),
        **reach.reach_parameters(context, Kind.RECALL, Action.FIND, _PREFIX),
        **reach.reach_parameters(context, Kind.RECALL, Action.FIND, f"{_PREFIX}_otherwise", is_open=False),
        **windows.parameters(legal_day(context.clock)),
        "recall_id": recall_id,
        "recall_pharmacy": pharmacy,
        "page_size": size,
        "after_patient": after or journal.NOBODY,
    }
