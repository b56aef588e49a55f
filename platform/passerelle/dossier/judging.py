"""The beginning of every read of a record that is one statement: facts, verdict, journal line.

What a face shows hangs on `Judged.verdict`: it is there only where `allowed` is. The same decision as
`access.require`, taken by the database (`reach.verdict`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Select, Uuid, and_, bindparam, case, func, literal, not_, select

from passerelle.audit import journal
from passerelle.dossier import access, reach, refusals
from passerelle.kernel.clock import legal_day
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Refused
from passerelle.kernel.pipeline_values import Written, instant, written_each
from passerelle_policies.decision import decide
from passerelle_policies.vocabulary import PHARMACY_KINDS, Action, Kind

_KEPT_AT_MOST: Final = 4_000
_kept: dict[tuple[object, ...], Mapping[str, Written | None]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A read of one record, decided and journalled: `verdict` has one row, `journal_line` is the line it wrote."""

    kind: Kind
    patient_id: ColumnElement[UUID]
    facts: CTE
    verdict: CTE
    journal_line: CTE

    def is_allowed(self) -> ColumnElement[bool]:
        """SQL condition: the actor is let in."""
        return select(self.verdict.c.allowed).scalar_subquery()

    def told_of_refusal(self) -> ColumnElement[Any]:
        """What `refusal` needs, as JSON; null for who is let in."""
        said = self.verdict.c
        told = func.json_build_object(
            literal("relations"),
            said.relations,
            literal("blocked"),
            said.blocked,
            literal("objection"),
            said.objection,
            literal("state"),
            said.state,
        )
        return case((said.allowed, None), else_=told)


def judged(
    kind: Kind,
    *returning: str,
    action: Action = Action.READ,
    provided: ColumnElement[bool] | None = None,
    facts_row: Callable[[ColumnElement[UUID]], Select[Any]] = access.facts_row,
    reason: ColumnElement[str] | None = None,
) -> Judged:
    """Reading the record's `kind`; `returning` names columns of the journal line that are wanted back.

    `action` where the matrix has another word for this reading. `provided` is what must hold besides for there to be
    anything to read: where it does not, whoever is let in finds nothing, and no line is written. `facts_row` gathers
    the facts, for a domain that has others. A `reason` that the actor gives stands in the line beside them.
    """
    patient_id = bindparam("access_patient_id", type_=Uuid())
    facts = facts_row(patient_id).cte("facts")
    verdict = reach.verdict(facts)
    said = reach.verdict_columns(verdict, tells_setting=kind in PHARMACY_KINDS)
    if reason is not None:
        said["facts"] = said["facts"].op("||")(func.jsonb_build_object(literal("reason"), reason))
    line = journal.written_by(
        verdict,
        unless=and_(verdict.c.allowed, not_(provided)) if provided is not None else None,
        returning=returning,
        patient_id=verdict.c.patient_id,
        kind=literal(kind.value),
        action=literal(action.value),
        **said,
    )
    return Judged(kind=kind, patient_id=patient_id, facts=facts, verdict=verdict, journal_line=line)


def lines_of_each(
    shown: CTE, those: Judged, name: str, *conditions: ColumnElement[bool], kind: Kind, action: Action
) -> CTE:
    """The journal lines of several records that one statement shows, in the order of their `number`, after its own.

    `shown` has a row for each with what `reach.verdict_columns` reads, `patient_id` and `number`.
    """
    is_after_its_own = select(func.count()).select_from(those.journal_line).scalar_subquery() == 1
    told = select(shown).where(*conditions, is_after_its_own).order_by(shown.c.number).cte("told")
    return journal.written_by(
        told,
        name,
        unless=None,
        returning=(),
        patient_id=told.c.patient_id,
        kind=literal(kind.value),
        action=literal(action.value),
        **reach.verdict_columns(told, tells_setting=kind in PHARMACY_KINDS),
    )


def parameters(context: Context, kind: Kind, patient_id: UUID, *, action: Action = Action.READ) -> dict[str, Any]:
    """Values for the bind parameters of `judged`."""
    now = instant(context.clock.now())
    return {
        **_of_the_day(context, kind, action),
        "access_now": now,
        "access_patient_id": patient_id,
        "journal_at": now,
        "journal_request_id": context.request_id,
    }


def _of_the_day(context: Context, kind: Kind, action: Action) -> Mapping[str, Any]:
    """Those that one request of an actor's has like another of the same day, written once."""
    overrides = tuple(context.tenant.parameters.items())
    key = context.actor, context.mode, context.purpose, overrides, legal_day(context.clock), kind, action
    kept = _kept.get(key)
    if kept is None:
        if len(_kept) >= _KEPT_AT_MOST:
            _kept.clear()
        kept = _kept[key] = written_each(
            {
                **access.facts_parameters(context),
                **reach.verdict_parameters(context, kind, action),
                **journal.parameters(context),
            }
        )
    return kept


def refusal(context: Context, kind: Kind, told: Mapping[str, Any], *, action: Action = Action.READ) -> Refused:
    """The refusal of a verdict that is journalled already; `told` has the facts by name."""
    facts = access.facts_from(context, told, kind)
    decision = decide(facts, kind, action, overrides=context.tenant.parameters)
    return Refused(refusals.code_told(decision, facts, kind, action), rule=decision.rule, kind=kind.value)
