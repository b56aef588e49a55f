"""The life of a pharmacy record (DP): informed, open, objected, closed.

    (none) ──inform──▶ informed ──open_unopposed──▶ open
       │                  │  ╲──object──▶ objected   │ ╲──object──▶ objected
       └─open (agreement)─┴──────────────────────────┘  ╲──close───▶ closed
          objected, closed ──open (agreement)──▶ open, at any time; ──inform──▶ informed, once the objection has ended

Sources: CSP L.1111-23, R.1111-20-1 (information, objection, three years), R.1111-20-3 (trace), R.1111-20-6 (closing).
Which of these acts exist on a day, and whose they are, is the rule pack's. Each leaves its trace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Row, Select, Uuid, insert, literal, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.audit import outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import access as dossier_access
from passerelle.dossier.formats import values
from passerelle.dossier.recipients import people_of
from passerelle.identities import patients
from passerelle.kernel.clock import PARIS, days_after, legal_day, months_after
from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle.notices.posting import NoticeKind, post
from passerelle.pharmacy import access
from passerelle.pharmacy.events import PharmacyRecordChanged
from passerelle.pharmacy.tables import pharmacy_record, pharmacy_record_act
from passerelle_policies.vocabulary import Action, Kind, PharmacyRecordState

_INFORMED, _OPEN = PharmacyRecordState.INFORMED, PharmacyRecordState.OPEN
_OBJECTED, _CLOSED = PharmacyRecordState.OBJECTED, PharmacyRecordState.CLOSED


class Basis(StrEnum):
    """On what an act rests."""

    AGREEMENT = "agreement"  # the patient's, before the pharmacist
    OPT_OUT = "opt_out"  # informed, and silent for the whole delay
    OBJECTION = "objection"
    REQUEST = "request"  # the patient asked


@dataclass(frozen=True, slots=True, kw_only=True)
class PharmacyRecord:
    """The state of one pharmacy record; `state` is None where there is none."""

    patient_id: UUID
    state: PharmacyRecordState | None
    informed_at: datetime | None = None
    opens_on: date | None = None
    opened_at: datetime | None = None
    objected_at: datetime | None = None
    objection_ends_on: date | None = None
    closed_at: datetime | None = None


SHOWN: Final = tuple(name for name in PharmacyRecord.__dataclass_fields__ if name != "patient_id")
_FROM: Mapping[Action, frozenset[PharmacyRecordState | None]] = {
    Action.INFORM: frozenset({None, _OBJECTED, _CLOSED}),
    Action.OPEN: frozenset({None, _INFORMED, _OBJECTED, _CLOSED}),
    Action.OBJECT: frozenset({None, _INFORMED, _OPEN, _CLOSED}),
    Action.CLOSE: frozenset({_OPEN}),
}


async def inform(act: Act, patient_id: UUID, *, proof: str) -> PharmacyRecord:
    """Record that the patient was told of his pharmacy record and of his right to object; the delay runs from now.

    Whoever objected or closed is left in peace until that has ended. Refused: PHARMACY_OBJECTION_STANDS, PROOF_MISSING,
    PHARMACY_RECORD_STATE, PATIENT_UNKNOWN.
    """
    await access.require(act, patient_id, Kind.PHARMACY_RECORD, Action.INFORM)
    opens_on = _day(days_after(act.now, dossier_access.number(act.context, "pharmacy.objection_days")))
    done = await _to(
        act,
        patient_id,
        Action.INFORM,
        _INFORMED,
        basis=Basis.OPT_OUT,
        proof=proof,
        informed_at=act.now,
        opens_on=opens_on,
        objected_at=None,
        objection_ends_on=None,
        closed_at=None,
    )
    about = {"day": f"{opens_on:%d/%m/%Y}"}
    await _tell(act, patient_id, NoticeKind.PHARMACY_RECORD_INFORMED, about)
    return done


async def open_(act: Act, patient_id: UUID, *, proof: str) -> PharmacyRecord:
    """Open a pharmacy record with the patient's agreement, whatever he had decided before.

    Refused: PROOF_MISSING, PHARMACY_RECORD_STATE, PATIENT_UNKNOWN.
    """
    await access.require(act, patient_id, Kind.PHARMACY_RECORD, Action.OPEN)
    return await _opened(act, patient_id, Basis.AGREEMENT, proof)


async def open_unopposed(act: Act, patient_id: UUID, *, proof: str) -> PharmacyRecord:
    """Open a pharmacy record at the end of the delay that nobody objected in (R.1111-20-1), and tell the patient.

    Refused: PHARMACY_OPENING_NOT_DUE, PROOF_MISSING, PHARMACY_RECORD_STATE, PATIENT_UNKNOWN.
    """
    await access.require(act, patient_id, Kind.PHARMACY_RECORD, Action.OPEN)
    held = await _held(act, patient_id)
    is_due = held is not None and held.opens_on is not None and held.opens_on <= legal_day(act.context.clock)
    if held is not None and held.state == _INFORMED and not is_due:
        raise Conflict("PHARMACY_OPENING_NOT_DUE")
    if held is None or held.state != _INFORMED:
        raise Conflict("PHARMACY_RECORD_STATE", act=Action.OPEN.value)
    done = await _opened(act, patient_id, Basis.OPT_OUT, proof)
    await _tell(act, patient_id, NoticeKind.PHARMACY_RECORD_OPENED)
    return done


async def object_(act: Act, patient_id: UUID, *, proof: str = "") -> PharmacyRecord:
    """Record that the patient objects to his pharmacy record: what it held is read by nobody from now on.

    Nobody opens it by itself for the time that the rules set; the trace is kept for longer (R.1111-20-3).
    Refused: PHARMACY_RECORD_STATE, PATIENT_UNKNOWN.
    """
    await access.require(act, patient_id, Kind.PHARMACY_RECORD, Action.OBJECT)
    years = dossier_access.number(act.context, "pharmacy.objection_trace_years")
    return await _to(
        act,
        patient_id,
        Action.OBJECT,
        _OBJECTED,
        basis=Basis.OBJECTION,
        proof=proof,
        kept_until=_day(months_after(act.now, 12 * years)),
        objected_at=act.now,
        objection_ends_on=_end_of_objection(act),
        opens_on=None,
    )


async def close(act: Act, patient_id: UUID, *, proof: str = "") -> PharmacyRecord:
    """Close an open pharmacy record at the patient's wish, at any time (R.1111-20-6); nobody opens it by itself for
    the time of an objection. Refused: PHARMACY_RECORD_STATE, PATIENT_UNKNOWN."""
    await access.require(act, patient_id, Kind.PHARMACY_RECORD, Action.CLOSE)
    return await _to(
        act,
        patient_id,
        Action.CLOSE,
        _CLOSED,
        basis=Basis.REQUEST,
        proof=proof,
        closed_at=act.now,
        objection_ends_on=_end_of_objection(act),
    )


async def state_of(act: Act, patient_id: UUID) -> PharmacyRecord:
    """The state of a pharmacy record, for the patient and for whom it is open to. Refused: ACCESS_REFUSED,
    DOSSIER_NOT_OPEN to a professional who has the patient before him."""
    await access.require(act, patient_id, Kind.PHARMACY_RECORD, Action.READ)
    held = await act.connection.execute(shown_at(literal(patient_id, Uuid())))
    return _record(held.one())


def shown_at(patient_id: ColumnElement[UUID]) -> Select[Any]:
    """The columns of `PharmacyRecord`, in one row whether there is a record or not. For a reader who was let in."""
    asked = select(patient_id.label("patient_id")).subquery("asked")
    return select(asked.c.patient_id, *(pharmacy_record.c[name] for name in SHOWN)).select_from(
        asked.outerjoin(pharmacy_record, pharmacy_record.c.patient_id == asked.c.patient_id)
    )


async def _opened(act: Act, patient_id: UUID, basis: Basis, proof: str) -> PharmacyRecord:
    return await _to(
        act,
        patient_id,
        Action.OPEN,
        _OPEN,
        basis=basis,
        proof=proof,
        opened_at=act.now,
        opens_on=None,
        objected_at=None,
        objection_ends_on=None,
        closed_at=None,
    )


def _end_of_objection(act: Act) -> date:
    return _day(months_after(act.now, dossier_access.number(act.context, "pharmacy.objection_months")))


def _day(at: datetime) -> date:
    return at.astimezone(PARIS).date()


async def _held(act: Act, patient_id: UUID) -> Row[Any] | None:
    found = await act.connection.execute(
        select(pharmacy_record).where(pharmacy_record.c.patient_id == patient_id).with_for_update()
    )
    return found.one_or_none()


async def _to(
    act: Act,
    patient_id: UUID,
    action: Action,
    to_state: PharmacyRecordState,
    *,
    basis: Basis,
    proof: str,
    kept_until: date | None = None,
    **changes: Any,
) -> PharmacyRecord:
    """Go over to a state, as already decided."""
    proof = values.text(proof, "proof") or ""
    if action in {Action.INFORM, Action.OPEN} and not proof:
        raise InvalidInput("PROOF_MISSING", act=action.value)
    if await patients.by_id(act, patient_id) is None:
        raise Conflict("PATIENT_UNKNOWN")
    held = await _held(act, patient_id)
    before = PharmacyRecordState(held.state) if held else None
    if before not in _FROM[action]:
        raise Conflict("PHARMACY_RECORD_STATE", act=action.value)
    peace_until: date | None = held.objection_ends_on if held else None
    if action is Action.INFORM and peace_until is not None and legal_day(act.context.clock) < peace_until:
        raise Conflict("PHARMACY_OBJECTION_STANDS")
    said = {"state": to_state.value, **changes}
    if held is None:
        new = upsert(pharmacy_record).values(patient_id=patient_id, **said).on_conflict_do_nothing()
        written = await act.connection.execute(new.returning(pharmacy_record))
        row = written.one_or_none()
        if row is None:  # made by someone else in the same instant
            raise Conflict("PHARMACY_RECORD_STATE", act=action.value)
    else:
        changed = update(pharmacy_record).where(pharmacy_record.c.patient_id == patient_id).values(**said)
        row = (await act.connection.execute(changed.returning(pharmacy_record))).one()
    await act.connection.execute(
        insert(pharmacy_record_act).values(
            patient_id=patient_id,
            act_id=uuid4(),
            act=action.value,
            from_state=before.value if before else None,
            to_state=to_state.value,
            at=act.now,
            by=act.context.actor.subject,
            place=act.context.actor.establishment,
            basis=basis.value,
            proof=proof or None,
            kept_until=kept_until,
        )
    )
    event = PharmacyRecordChanged(patient_id=patient_id, act=action.value, to_state=to_state.value)
    await outbox.publish(act, event)
    return _record(row)


def _record(row: Row[Any]) -> PharmacyRecord:
    said: dict[str, Any] = {name: row._mapping[name] for name in SHOWN}
    said["state"] = PharmacyRecordState(row.state) if row.state else None
    return PharmacyRecord(patient_id=row.patient_id, **said)


async def _tell(act: Act, patient_id: UUID, kind: NoticeKind, about: Mapping[str, str] | None = None) -> None:
    for recipient in await people_of(act, patient_id, representatives=True):
        await post(
            act,
            recipient=recipient,
            key=f"{kind}:{patient_id}:{act.now.isoformat()}",
            kind=kind,
            patient_id=patient_id,
            about=about,
        )
