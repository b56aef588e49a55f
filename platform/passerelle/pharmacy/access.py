"""The facts of (actor, patient) before a pharmacy record, and the decision taken and journalled upon them.

Those of the shared record (`dossier.access`), but for three: the state is the pharmacy record's, authorship is a
pharmacy's of its own dispensations, and presence or care count. Blocks count here too (CSP L.1111-19).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Text, Uuid, bindparam, cast, func, literal, select

from passerelle.audit.transactions import Act
from passerelle.dossier import access, attestations, judging
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Refused
from passerelle.pharmacy.tables import pharmacy_record
from passerelle_policies.decision import Decision, Facts
from passerelle_policies.vocabulary import Action, Kind, Relation

_TEXTS = ARRAY(Text())


def facts_row(patient_id: ColumnElement[UUID]) -> Select[Any]:
    """`dossier.access.facts_row` of the pharmacy record: the same columns, one row whatever the patient."""
    shared = access.facts_row(patient_id).subquery("shared")
    state = select(pharmacy_record.c.state).where(pharmacy_record.c.patient_id == patient_id).scalar_subquery()
    own = func.array_remove(shared.c.relations, literal(Relation.AUTHOR.value, Text()), type_=_TEXTS)
    before = cast(func.array(attestations.held_by_actor(patient_id).scalar_subquery()), _TEXTS)
    return select(
        shared.c.patient_id,
        state.label("state"),
        shared.c.blocked,
        shared.c.objection,
        own.op("||", return_type=_TEXTS)(before).label("relations"),
        shared.c.withheld,
    )


_FACTS = facts_row(bindparam("access_patient_id", type_=Uuid()))


async def facts_of(act: Act, patient_id: UUID, kind: Kind) -> Facts:
    """Gather the facts of (actor, patient) for a decision about `kind`."""
    parameters = {
        **access.facts_parameters(act.context),
        **attestations.parameters(act.context),
        "access_patient_id": patient_id,
    }
    row = (await act.connection.execute(_FACTS, parameters)).one()
    return access.facts_from(act.context, row, kind)


async def require(
    act: Act, patient_id: UUID, kind: Kind, action: Action, *, is_own: bool = False, reason: str | None = None
) -> Decision:
    """Decide about a patient's pharmacy record and journal it; `Refused` when the rules say no.

    `is_own`: of a dispensation in question, that it comes from the pharmacy that the actor acts for.
    """
    facts = await facts_of(act, patient_id, kind)
    if is_own:
        facts = replace(facts, relations=facts.relations | {Relation.AUTHOR})
    return await access.require_upon(act, facts, patient_id, kind, action, reason=reason)


def judged(
    kind: Kind, *returning: str, action: Action = Action.READ, provided: ColumnElement[bool] | None = None
) -> judging.Judged:
    """The beginning of a read of a pharmacy record that is one statement (`dossier.judging.judged`)."""
    return judging.judged(kind, *returning, action=action, provided=provided, facts_row=facts_row)


def parameters(context: Context, kind: Kind, patient_id: UUID, *, action: Action = Action.READ) -> dict[str, Any]:
    """Values for the bind parameters of `judged`."""
    return {**judging.parameters(context, kind, patient_id, action=action), **attestations.parameters(context)}


def refusal(context: Context, kind: Kind, told: Mapping[str, Any], *, action: Action = Action.READ) -> Refused:
    """The refusal of a verdict that is journalled already (`dossier.judging.refusal`)."""
    return judging.refusal(context, kind, told, action=action)
