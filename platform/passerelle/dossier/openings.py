"""A record whose patient was told of his right to object, and did not, opens at the end of the delay.

The patient is told that it is open. An objection recorded until then, and be it in the same instant, closes the record
and nothing here opens it again.
Sources: CSP R.1111-28 and R.1111-40; L.1111-14.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select, tuple_

from passerelle.audit.transactions import transaction
from passerelle.dossier import lifecycle
from passerelle.dossier.lifecycle import Basis
from passerelle.dossier.recipients import people_of
from passerelle.dossier.tables import dossier
from passerelle.kernel import messages
from passerelle.kernel.clock import written_day
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict, Refused
from passerelle.notices.posting import NoticeKind, post
from passerelle_policies.vocabulary import DossierState

_BATCH: Final = 200


async def open_due(context: Context) -> int:
    """Open the records whose delay to object is over; how many. For a task of ours.

    One that the rules do not let open is journalled and holds up no other.
    """
    opened, after = 0, None
    while batch := await _due(context, after):
        for until, patient_id in batch:
            try:
                opened += await _open(context, patient_id)
            except (Refused, Conflict):
                continue
            finally:
                after = (until, patient_id)
    return opened


async def _due(context: Context, after: tuple[datetime, UUID] | None) -> list[tuple[datetime, UUID]]:
    """The next ones, the longest due first."""
    place = (dossier.c.objection_until, dossier.c.patient_id)
    due = (
        select(*place)
        .where(dossier.c.state == DossierState.INFORMED.value, dossier.c.objection_until <= context.clock.now())
        .order_by(*place)
        .limit(_BATCH)
    )
    if after is not None:
        due = due.where(tuple_(*place) > after)
    async with context.tenant.database.transaction() as connection:
        return [(row.objection_until, row.patient_id) for row in await connection.execute(due)]


async def _open(context: Context, patient_id: UUID) -> bool:
    """False when another worker or the patient has it in hand, or when it is no longer waiting."""
    async with transaction(context) as act:
        wanted = select(dossier.c.state, dossier.c.informed_at).where(dossier.c.patient_id == patient_id)
        held = (await act.connection.execute(wanted.with_for_update(skip_locked=True))).one_or_none()
        if held is None or held.state != DossierState.INFORMED.value:
            return False
        proof = messages.sentence("OBJECTION_DELAY_OVER", {"day": written_day(held.informed_at)})
        await lifecycle.open_(act, patient_id, basis=Basis.OPT_OUT, proof=proof)
        for recipient in await people_of(act, patient_id, representatives=True):
            await post(
                act,
                recipient=recipient,
                key=f"opened:{patient_id}:{held.informed_at.isoformat()}",
                kind=NoticeKind.OPENED,
                patient_id=patient_id,
            )
    return True
