"""A network is merged into another, which goes on with the pharmacy records of its patients, as they stand.

What its patient refused or closed stays so for as long as there. Where the other network has one of his already, that
one stays as it is. Sources: CSP L.1111-23, R.1111-20-1, R.1111-20-6.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Date, ScalarSelect, Select, func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.audit import journal, outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import house_rules
from passerelle.pharmacy.events import PharmacyRecordChanged
from passerelle.pharmacy.tables import pharmacy_record, pharmacy_record_act
from passerelle_policies.vocabulary import Action, Kind, PharmacyRecordState

_BECOMES: Final = {
    PharmacyRecordState.OPEN: Action.OPEN,
    PharmacyRecordState.OBJECTED: Action.OBJECT,
    PharmacyRecordState.CLOSED: Action.CLOSE,
}
_AT: Final = ("informed_at", "opened_at", "objected_at", "objection_ends_on", "closed_at")


def going_over() -> Select[Any]:
    """The patients whose pharmacy record the other network is to have."""
    return select(pharmacy_record.c.patient_id).where(pharmacy_record.c.state.in_([each.value for each in _BECOMES]))


def waiting() -> Select[Any]:
    """The patients whose delay to object runs: it ends here."""
    return select(pharmacy_record.c.patient_id).where(pharmacy_record.c.state == PharmacyRecordState.INFORMED.value)


def carried(patient_id: ColumnElement[UUID]) -> ScalarSelect[Any]:
    """SQL value (JSON): a patient's pharmacy record as the other network begins it; null where none goes over."""
    record, last = pharmacy_record, pharmacy_record_act.alias("last_act")
    newest = (
        select(func.json_build_object("basis", last.c.basis, "kept_until", last.c.kept_until))
        .where(last.c.patient_id == record.c.patient_id)
        .order_by(last.c.at.desc(), last.c.act_id)
        .limit(1)
        .scalar_subquery()
    )
    said = {name: record.c[name] for name in ("state", *_AT)} | {"last": newest}
    return (
        select(func.json_build_object(*(part for each in said.items() for part in each)))
        .where(record.c.patient_id == patient_id, record.c.state.in_([each.value for each in _BECOMES]))
        .scalar_subquery()
    )


async def begin(act: Act, patient_id: UUID, said: Mapping[str, Any], *, network: str) -> None:
    """Go on with a pharmacy record that another network kept (`carried`); nothing where there is one here."""
    state, last = PharmacyRecordState(said["state"]), said.get("last") or {}
    at = {name: _read(name, said[name]) for name in _AT if said.get(name)}
    new = upsert(pharmacy_record).values(patient_id=patient_id, state=state.value, **at).on_conflict_do_nothing()
    if (await act.connection.execute(new.returning(pharmacy_record.c.patient_id))).first() is None:
        return
    action = _BECOMES[state]
    await act.connection.execute(
        insert(pharmacy_record_act).values(
            patient_id=patient_id,
            act_id=uuid4(),
            act=action.value,
            from_state=None,
            to_state=state.value,
            at=act.now,
            by=act.context.actor.subject,
            basis=last.get("basis") or "agreement",
            proof=network,
            kept_until=date.fromisoformat(last["kept_until"]) if last.get("kept_until") else None,
        )
    )
    await outbox.publish(act, PharmacyRecordChanged(patient_id=patient_id, act=action.value, to_state=state.value))
    said_so = house_rules.line(act, Kind.PHARMACY_RECORD, action, journal.MERGED, patient_id=patient_id)
    await journal.append(act.connection, act.context, said_so)


def _read(name: str, said: str) -> datetime | date:
    is_day = isinstance(pharmacy_record.c[name].type, Date)
    return date.fromisoformat(said) if is_day else datetime.fromisoformat(said)
