"""Pharmacy records that were objected to or closed after a backup was made, so again in what was restored from it.

As `dossier.restored`: never towards open. Sources: CSP R.1111-20-1 to R.1111-20-4.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import insert, select, update

from passerelle.audit import outbox
from passerelle.audit.transactions import Act
from passerelle.dossier.ledger_words import Said, instant, journalled
from passerelle.identities import patients
from passerelle.pharmacy.events import PharmacyRecordChanged
from passerelle.pharmacy.tables import pharmacy_record, pharmacy_record_act
from passerelle_policies.vocabulary import Action, Kind, PharmacyRecordState

TABLES: Final = (pharmacy_record.name,)
_ACTS: Final = {
    PharmacyRecordState.OBJECTED.value: (Action.OBJECT, "objection"),
    PharmacyRecordState.CLOSED.value: (Action.CLOSE, "request"),
}


async def put_back(act: Act, what: str, said: Sequence[Said]) -> int:
    """Put back what the ledger says of records; says how many changed by it."""
    return sum([await _shut(act, each) for each in said if what == pharmacy_record.name])


async def _shut(act: Act, said: Said) -> int:
    patient_id, state = UUID(said["patient_id"]), said["state"]
    own = pharmacy_record.c.patient_id == patient_id
    row = (await act.connection.execute(select(pharmacy_record).where(own).with_for_update())).one_or_none()
    if state not in _ACTS or (row is not None and row.state in _ACTS):
        return 0
    if row is None and await patients.by_id(act, patient_id) is None:
        return 0
    ends_on = said["objection_ends_on"]
    changes = {
        "state": state,
        "objected_at": instant(said["objected_at"]),
        "objection_ends_on": None if ends_on is None else date.fromisoformat(ends_on),
        "closed_at": instant(said["closed_at"]),
    }
    if row is None:
        await act.connection.execute(insert(pharmacy_record).values(patient_id=patient_id, **changes))
    else:
        await act.connection.execute(update(pharmacy_record).where(own).values(**changes))
    action, basis = _ACTS[state]
    await act.connection.execute(
        insert(pharmacy_record_act).values(
            patient_id=patient_id,
            act_id=uuid4(),
            act=action.value,
            from_state=None if row is None else row.state,
            to_state=state,
            at=act.now,
            by=act.context.actor.subject,
            basis=basis,
            kept_until=changes["objection_ends_on"],
        )
    )
    await outbox.publish(act, PharmacyRecordChanged(patient_id=patient_id, act=action.value, to_state=state))
    return await journalled(act, Kind.PHARMACY_RECORD, action, [patient_id])
