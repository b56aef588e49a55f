"""The versions of a care plan (PPS) or an aftercare plan (PPAC) as they are kept, and who is let in.

    draft ──write──▶ draft ──issue──▶ issued ──revise──▶ the next version, draft

An issued version never changes. Sources: CSP L.1110-4, L.1110-12; plan cancer 2003, measure 40. Decision 0127.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import (
    CTE,
    ColumnElement,
    Row,
    Select,
    Uuid,
    and_,
    bindparam,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from passerelle.audit import journal, outbox
from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import access as dossier_access
from passerelle.dossier import reach, recipients
from passerelle.dossier.judging import Judged
from passerelle.dossier.publishing import Published
from passerelle.kernel.clock import written_day
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict, LimitExceeded
from passerelle.notices import posting
from passerelle.oncology import access, cases
from passerelle.oncology.events import CarePlanIssued
from passerelle.oncology.tables import care_plan
from passerelle_policies.decision import decide
from passerelle_policies.vocabulary import Action, Kind


class CarePlanKind(StrEnum):
    """What a plan is: the care to come (PPS), or what follows it (PPAC)."""

    CARE_PLAN = "care_plan"
    AFTERCARE_PLAN = "aftercare_plan"


class CarePlanState(StrEnum):
    """Where a version is."""

    DRAFT = "draft"
    ISSUED = "issued"


_TOLD: Final = {
    CarePlanKind.CARE_PLAN: posting.NoticeKind.CARE_PLAN_ISSUED,
    CarePlanKind.AFTERCARE_PLAN: posting.NoticeKind.AFTERCARE_PLAN_ISSUED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One version of a plan; `content` is the value of its kind as JSON, people are `professional:<RPPS>`."""

    patient_id: UUID
    plan_id: UUID
    version: int
    kind: CarePlanKind
    case_id: UUID | None
    state: CarePlanState
    content: Mapping[str, Any]
    revision: int
    written_by: str
    written_at: datetime
    issued_by: str | None
    issued_at: datetime | None
    document_id: UUID | None


COLUMNS: Final = tuple(each.name for each in fields(Plan))


async def of_patient(context: Context, patient_id: UUID, case_id: UUID | None = None) -> list[Plan]:
    """The plans of a patient, the last written first: of each the version in the patient's hands, and its draft for
    whoever may write it. With a case, the plans of that case alone, to whoever is let in by it too.

    Refused: ACCESS_REFUSED, DOSSIER_NOT_OPEN.
    """
    async with transaction(context) as act:
        facts = (await access.standing_on_case(act, patient_id, case_id or journal.NOBODY)).facts
        await dossier_access.require_upon(act, facts, patient_id, Kind.CARE_PLAN, Action.READ)
        writes = decide(facts, Kind.CARE_PLAN, Action.WRITE, overrides=context.tenant.parameters).allowed
        of_case = literal(case_id or journal.NOBODY, Uuid())
        rows = await act.connection.execute(_shown(literal(patient_id, Uuid()), of_case, literal(writes)))
        return [plan_of(row) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlansRead:
    """The same as selectables, for one statement: the verdict and its line; `rows` has `COLUMNS`."""

    judged: Judged
    rows: CTE


def plans_read(name: str) -> PlansRead:
    """Bind values in `read_parameters`."""
    judged = access.judged(Kind.CARE_PLAN)
    writes = select(reach.rule_of_each(judged.facts, "plan_write").is_not(None)).select_from(judged.facts)
    of_case: ColumnElement[UUID] = bindparam("oncology_case_id", type_=Uuid())
    rows = _shown(judged.patient_id, of_case, writes.scalar_subquery()).where(judged.is_allowed())
    return PlansRead(judged=judged, rows=rows.cte(name))


def read_parameters(context: Context, patient_id: UUID, case_id: UUID | None) -> dict[str, Any]:
    """Values for the bind parameters of `plans_read`."""
    return {
        **access.parameters(context, Kind.CARE_PLAN, patient_id, case_id or journal.NOBODY),
        **{
            name: value
            for is_open, prefix in ((True, "plan_write"), (False, "plan_write_otherwise"))
            for name, value in reach.reach_parameters(
                context, Kind.CARE_PLAN, Action.WRITE, prefix, is_open=is_open
            ).items()
        },
    }


def _shown(patient_id: ColumnElement[UUID], case_id: ColumnElement[UUID], writes: ColumnElement[bool]) -> Select[Any]:
    later = care_plan.alias("later")
    is_replaced = exists().where(
        later.c.patient_id == care_plan.c.patient_id,
        later.c.plan_id == care_plan.c.plan_id,
        later.c.version > care_plan.c.version,
        later.c.state == CarePlanState.ISSUED.value,
    )
    in_hand = and_(care_plan.c.state == CarePlanState.ISSUED.value, ~is_replaced)
    return (
        select(*(care_plan.c[name] for name in COLUMNS))
        .where(
            care_plan.c.patient_id == patient_id,
            or_(case_id == literal(journal.NOBODY, Uuid()), care_plan.c.case_id == case_id),
            or_(in_hand, and_(care_plan.c.state == CarePlanState.DRAFT.value, writes)),
        )
        .order_by(care_plan.c.written_at.desc(), care_plan.c.plan_id, care_plan.c.version.desc())
    )


async def begun(
    act: Act, patient_id: UUID, plan_id: UUID, kind: CarePlanKind, case_id: UUID | None, content: Mapping[str, Any]
) -> Plan:
    """Write the first draft of a plan, as already decided by `may_begin`."""
    return await _added(act, patient_id, plan_id, kind, case_id, content, version=1)


async def may_begin(act: Act, patient_id: UUID, kind: CarePlanKind, case_id: UUID | None) -> UUID:
    """Decide upon beginning a plan, of a case or of none; the id it will have.

    Refused: ACCESS_REFUSED, DOSSIER_NOT_OPEN; CASE_UNKNOWN; PLAN_BEGUN when the case has a plan of that kind;
    PLANS_TOO_MANY.
    """
    await access.require_on_case(act, patient_id, case_id or journal.NOBODY, Kind.CARE_PLAN, Action.WRITE)
    limit = dossier_access.number(act.context, "oncology.plans_max")
    of_his = (care_plan.c.patient_id == patient_id, care_plan.c.version == 1)
    if (await act.connection.execute(select(func.count()).where(*of_his))).scalar_one() >= limit:
        raise LimitExceeded("PLANS_TOO_MANY", limit=limit)
    if case_id is not None:
        its_case = await cases.locked(act, case_id)
        if its_case is None or its_case.patient_id != patient_id:
            raise Conflict("CASE_UNKNOWN")
        begun_before = select(care_plan.c.plan_id).where(
            care_plan.c.patient_id == patient_id, care_plan.c.case_id == case_id, care_plan.c.kind == kind.value
        )
        if (await act.connection.execute(begun_before.limit(1))).one_or_none() is not None:
            raise Conflict("PLAN_BEGUN")
    return uuid4()


async def revised(act: Act, plan: Plan, content: Mapping[str, Any]) -> Plan:
    """Write the draft of the version after an issued one. Refused: PLAN_NOT_ISSUED."""
    if plan.state is not CarePlanState.ISSUED:
        raise Conflict("PLAN_NOT_ISSUED")
    return await _added(act, plan.patient_id, plan.plan_id, plan.kind, plan.case_id, content, version=plan.version + 1)


async def newest(act: Act, patient_id: UUID, plan_id: UUID, kind: CarePlanKind, action: Action) -> Plan:
    """Lock a plan, decide upon it, and journal it; its newest version. Refused: ACCESS_REFUSED and DOSSIER_NOT_OPEN,
    alike for a plan that is not there; PLAN_UNKNOWN."""
    versions = select(care_plan).where(
        care_plan.c.patient_id == patient_id, care_plan.c.plan_id == plan_id, care_plan.c.kind == kind.value
    )
    # The first version is where they take turns: whoever waits for the newest is given it once it is so no more.
    await act.connection.execute(versions.where(care_plan.c.version == 1).with_for_update())
    row = (await act.connection.execute(versions.order_by(care_plan.c.version.desc()).limit(1))).one_or_none()
    case_id = row.case_id if row else None
    await access.require_on_case(act, patient_id, case_id or journal.NOBODY, Kind.CARE_PLAN, action)
    if row is None:
        raise Conflict("PLAN_UNKNOWN")
    return plan_of(row)


async def draft(
    act: Act, patient_id: UUID, plan_id: UUID, kind: CarePlanKind, revision: int, action: Action = Action.WRITE
) -> Plan:
    """The draft of a plan, at the revision that its writer has read. Refused: as `newest`; PLAN_ISSUED,
    PLAN_CHANGED."""
    plan = await newest(act, patient_id, plan_id, kind, action)
    if plan.state is not CarePlanState.DRAFT:
        raise Conflict("PLAN_ISSUED")
    if plan.revision != revision:
        raise Conflict("PLAN_CHANGED", revision=plan.revision)
    return plan


async def written(act: Act, plan: Plan, content: Mapping[str, Any]) -> Plan:
    """Put another content into a draft."""
    return await _changed(
        act,
        plan,
        content=content,
        revision=plan.revision + 1,
        written_by=act.context.actor.subject,
        written_at=act.now,
    )


async def issued(act: Act, plan: Plan, content: Mapping[str, Any], filed: Published) -> Plan:
    """Lock a version that was filed, publish that it is issued, and tell the patient and his representatives."""
    done = await _changed(
        act,
        plan,
        state=CarePlanState.ISSUED.value,
        content=content,
        issued_by=act.context.actor.subject,
        issued_at=act.now,
        document_id=filed.document_id,
    )
    await outbox.publish(
        act,
        CarePlanIssued(
            patient_id=plan.patient_id, plan_id=plan.plan_id, document_id=filed.document_id, version=plan.version
        ),
    )
    for recipient in await recipients.people_of(act, plan.patient_id, representatives=True):
        await posting.post(
            act,
            recipient=recipient,
            key=f"{plan.kind}:{plan.plan_id}:{plan.version}",
            kind=_TOLD[plan.kind],
            patient_id=plan.patient_id,
            about={"day": written_day(act.now)},
        )
    return done


async def _added(
    act: Act,
    patient_id: UUID,
    plan_id: UUID,
    kind: CarePlanKind,
    case_id: UUID | None,
    content: Mapping[str, Any],
    *,
    version: int,
) -> Plan:
    row = await act.connection.execute(
        insert(care_plan)
        .values(
            patient_id=patient_id,
            plan_id=plan_id,
            version=version,
            kind=kind.value,
            case_id=case_id,
            state=CarePlanState.DRAFT.value,
            content=content,
            written_by=act.context.actor.subject,
            written_at=act.now,
        )
        .returning(care_plan)
    )
    return plan_of(row.one())


async def _changed(act: Act, plan: Plan, **columns: Any) -> Plan:
    row = await act.connection.execute(
        update(care_plan)
        .where(
            care_plan.c.patient_id == plan.patient_id,
            care_plan.c.plan_id == plan.plan_id,
            care_plan.c.version == plan.version,
            care_plan.c.state == CarePlanState.DRAFT.value,
        )
        .values(**columns)
        .returning(care_plan)
    )
    return plan_of(row.one())


def plan_of(row: Row[Any]) -> Plan:
    """A row of `care_plan`."""
    said = {name: row._mapping[name] for name in COLUMNS}
    return Plan(**{**said, "kind": CarePlanKind(row.kind), "state": CarePlanState(row.state)})
