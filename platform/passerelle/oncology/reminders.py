"""The days of a follow-up schedule of which its patient is told beforehand, each once.

A day of a plan is one reminder, whatever the versions of the plan: what was told stays told. The notice names no step,
only the day: what it is of stands in the plan. Decision 0127.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import Row, literal, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import access, recipients
from passerelle.identities import civil_status
from passerelle.kernel.clock import legal_day
from passerelle.kernel.context import Context
from passerelle.notices import posting
from passerelle.oncology.tables import care_plan_reminder
from passerelle_policies.vocabulary import DossierState

_BATCH: Final = 200
_WAITS: Final = (care_plan_reminder.c.told_at.is_(None), care_plan_reminder.c.ended_at.is_(None))
_PLACE: Final = (care_plan_reminder.c.due_on, care_plan_reminder.c.plan_id, care_plan_reminder.c.reminder_id)
_OVER: Final = frozenset({DossierState.CLOSED, DossierState.PURGED, None})


async def renew(act: Act, patient_id: UUID, plan_id: UUID, days: Collection[date]) -> None:
    """Remind of these days of a plan, of those that are to come, and of no other any more; as already decided."""
    to_come = sorted(day for day in days if day > legal_day(act.context.clock))
    of_plan = (care_plan_reminder.c.patient_id == patient_id, care_plan_reminder.c.plan_id == plan_id)
    await act.connection.execute(
        update(care_plan_reminder)
        .where(*of_plan, *_WAITS, care_plan_reminder.c.due_on.not_in(to_come))
        .values(ended_at=act.now)
    )
    if to_come:
        new = upsert(care_plan_reminder).values(
            [
                {
                    "patient_id": patient_id,
                    "plan_id": plan_id,
                    "reminder_id": uuid5(plan_id, day.isoformat()),
                    "due_on": day,
                }
                for day in to_come
            ]
        )
        await act.connection.execute(
            new.on_conflict_do_update(
                index_elements=["patient_id", "plan_id", "reminder_id"],
                set_={"ended_at": None},
                where=care_plan_reminder.c.told_at.is_(None),
            )
        )


async def remind(context: Context) -> int:
    """Tell of the days that come near, each once and however late; how many. For a task of ours.

    One of a patient who died, or whose record is closed, ends; of one that is suspended, it waits.
    """
    told, after = 0, None
    while batch := await _due(context, after):
        for row in batch:
            told += await _tell(context, row)
        after = batch[-1]
    return told


async def _due(context: Context, after: Row[Any] | None) -> list[Row[Any]]:
    """The next ones, the nearest first."""
    ahead = timedelta(days=access.number(context, "oncology.aftercare_reminder_days"))
    due = (
        select(care_plan_reminder)
        .where(*_WAITS, care_plan_reminder.c.due_on <= legal_day(context.clock) + ahead)
        .order_by(*_PLACE)
        .limit(_BATCH)
    )
    if after is not None:
        due = due.where(tuple_(*_PLACE) > (after.due_on, after.plan_id, after.reminder_id))
    async with context.tenant.database.transaction() as connection:
        return [*await connection.execute(due)]


async def _tell(context: Context, row: Row[Any]) -> bool:
    """False when another worker has it in hand, when it waits no longer, or when it ends or goes on waiting."""
    this = (
        care_plan_reminder.c.patient_id == row.patient_id,
        care_plan_reminder.c.plan_id == row.plan_id,
        care_plan_reminder.c.reminder_id == row.reminder_id,
    )
    async with transaction(context) as act:
        waits = select(care_plan_reminder.c.due_on).where(*this, *_WAITS).with_for_update(skip_locked=True)
        if (await act.connection.execute(waits)).one_or_none() is None:
            return False
        state = (await access.facts_of(context, act.connection, row.patient_id)).dossier_state
        is_alive = civil_status.is_alive(literal(row.patient_id), literal(legal_day(context.clock)))
        is_over = state in _OVER or not await act.connection.scalar(select(is_alive))
        if not is_over and state is not DossierState.OPEN:
            return False
        done = {"ended_at": act.now} if is_over else {"told_at": act.now}
        await act.connection.execute(update(care_plan_reminder).where(*this).values(**done))
        if not is_over:
            for recipient in await recipients.people_of(act, row.patient_id, representatives=True):
                await posting.post(
                    act,
                    recipient=recipient,
                    key=f"follow_up:{row.reminder_id}",
                    kind=posting.NoticeKind.FOLLOW_UP_DUE,
                    patient_id=row.patient_id,
                    about={"day": f"{row.due_on:%d/%m/%Y}"},
                )
    return not is_over
