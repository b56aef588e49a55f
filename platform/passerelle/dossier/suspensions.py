"""A record that stays suspended is closed after the rule's six weeks, unless somebody objects (CSP R.1111-36).

The patient is told when his record is suspended, so that he can object, and when it is closed. An objection that the
operator heeds resumes the record; suspending it again begins a new delay. It can be reopened like any closed record.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, func, not_, select

from passerelle.audit.transactions import transaction
from passerelle.dossier import access, lifecycle
from passerelle.dossier.federated_dossiers import FEDERATION
from passerelle.dossier.recipients import people_of
from passerelle.dossier.tables import dossier, dossier_act
from passerelle.kernel import messages
from passerelle.kernel.clock import days_after, written_day
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict, Refused
from passerelle.notices.posting import NoticeKind, post
from passerelle_policies.vocabulary import Action, DossierState

AT_ONCE: Final = 200


async def close_suspended(context: Context) -> int:
    """Close what has been suspended for longer than the rule says; how many records. For a task of ours.

    One that the rules do not let close is journalled and holds up no other.
    """
    days, closed = access.number(context, "dossier.suspension_days"), 0
    async with context.tenant.database.transaction() as connection:
        found = (await connection.execute(_suspended().order_by(_SINCE).limit(AT_ONCE))).all()
    for row in found:
        if days_after(row.since, days) <= context.clock.now():
            try:
                closed += await _close(context, row.patient_id, row.since)
            except (Refused, Conflict):
                continue
    return closed


_SINCE: Final = func.max(dossier_act.c.at)


def _suspended() -> Select[Any]:
    """The suspended records, each with the instant of its last suspension. What the patient's home suspended from
    another network, home closes or resumes."""
    by_home = dossier_act.c.actor_id.startswith(FEDERATION)
    return (
        select(dossier.c.patient_id, _SINCE.label("since"))
        .join(dossier_act, dossier_act.c.patient_id == dossier.c.patient_id)
        .where(dossier.c.state == DossierState.SUSPENDED.value, dossier_act.c.act == Action.SUSPEND.value)
        .group_by(dossier.c.patient_id)
        .having(func.max(dossier_act.c.at).filter(not_(by_home)) == _SINCE)
    )


async def _close(context: Context, patient_id: UUID, since: datetime) -> bool:
    """False when another worker has it in hand, or when it was resumed meanwhile."""
    async with transaction(context) as act:
        own = dossier.c.patient_id == patient_id
        held = await act.connection.execute(select(dossier.c.state).where(own).with_for_update(skip_locked=True))
        if held.scalar_one_or_none() != DossierState.SUSPENDED.value:
            return False
        still = (await act.connection.execute(_suspended().where(own))).one_or_none()
        if still is None or still.since != since:
            return False
        proof = messages.sentence("SUSPENSION_OVER", {"day": written_day(since)})
        await lifecycle.close_suspended(act, patient_id, proof=proof)
        for recipient in await people_of(act, patient_id, representatives=True):
            await post(
                act,
                recipient=recipient,
                key=f"suspension-closed:{patient_id}:{since.isoformat()}",
                kind=NoticeKind.SUSPENSION_CLOSED,
                patient_id=patient_id,
            )
    return True
