"""A pharmacy record whose patient was told of his right to object, and did not, opens at the end of the delay.

That of a patient who died does not: nobody is left to object. An objection recorded until then, and be it in the same
instant, wins. Sources: CSP R.1111-20-1.
"""

from __future__ import annotations

from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, literal, select, tuple_

from passerelle.audit.transactions import transaction
from passerelle.identities import civil_status
from passerelle.kernel import messages
from passerelle.kernel.clock import legal_day, written_day
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict, Refused
from passerelle.pharmacy import records
from passerelle.pharmacy.tables import pharmacy_record
from passerelle_policies.vocabulary import PharmacyRecordState

_BATCH: Final = 200


async def open_due(context: Context) -> int:
    """Open the pharmacy records whose delay to object is over, each once and however late; how many. For a task of
    ours. One that the rules do not let open is journalled and holds up no other."""
    opened, after = 0, None
    while batch := await _due(context, after):
        for place in batch:
            try:
                opened += await _open(context, place[1])
            except (Refused, Conflict):
                continue
            finally:
                after = place
    return opened


async def _due(context: Context, after: tuple[date, UUID] | None) -> list[tuple[date, UUID]]:
    """The next ones, the longest due first."""
    place = (pharmacy_record.c.opens_on, pharmacy_record.c.patient_id)
    due = (
        select(*place)
        .where(
            pharmacy_record.c.state == PharmacyRecordState.INFORMED.value,
            pharmacy_record.c.opens_on <= legal_day(context.clock),
            _is_alive(context),
        )
        .order_by(*place)
        .limit(_BATCH)
    )
    if after is not None:
        due = due.where(tuple_(*place) > after)
    async with context.tenant.database.transaction() as connection:
        return [(row.opens_on, row.patient_id) for row in await connection.execute(due)]


def _is_alive(context: Context) -> ColumnElement[bool]:
    return civil_status.is_alive(pharmacy_record.c.patient_id, literal(legal_day(context.clock)))


async def _open(context: Context, patient_id: UUID) -> bool:
    """False when another worker or the patient has it in hand, or when it is no longer waiting."""
    async with transaction(context) as act:
        wanted = select(pharmacy_record.c.state, pharmacy_record.c.informed_at).where(
            pharmacy_record.c.patient_id == patient_id, _is_alive(context)
        )
        held = (await act.connection.execute(wanted.with_for_update(skip_locked=True))).one_or_none()
        if held is None or held.state != PharmacyRecordState.INFORMED:
            return False
        proof = messages.sentence("PHARMACY_OPENED_UNOPPOSED", {"day": written_day(held.informed_at)})
        await records.open_unopposed(act, patient_id, proof=proof)
    return True
