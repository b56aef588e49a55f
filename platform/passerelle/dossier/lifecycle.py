"""The life of a shared record: informed, open, suspended, closed, purged.

    (none) ──inform──▶ informed ──open──▶ open ◀──resume── suspended
       │                   │               │ ╲──suspend──▶    │
       └───open (consent)──┼──────▶────────┤                  │
                           └──close──▶  closed ◀──close───────┘
                                        │   ╲──reopen──▶ open
                                        └──purge──▶ purged

Sources: CSP R.1111-28 and R.1111-40 (six weeks to object), R.1111-36 (ten years after closure, reopening,
deletion on request), L.1111-14. Each act keeps who, when, on what basis and with what proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.audit import outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import access, remains
from passerelle.dossier.events import DossierChanged
from passerelle.dossier.formats import values
from passerelle.dossier.recipients import people_of
from passerelle.dossier.tables import dossier, dossier_act, erasure_request
from passerelle.identities import patients
from passerelle.kernel.clock import days_after, months_before, written_day
from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle.notices.posting import NoticeKind, post
from passerelle_policies.vocabulary import Action, DossierState, Kind


class Basis(StrEnum):
    """On what an act rests."""

    CONSENT = "consent"  # the patient's recorded consent
    OPT_OUT = "opt_out"  # informed, and silent for the whole delay
    REQUEST = "request"  # the patient asked
    OBJECTION = "objection"  # the patient objected while he could
    RETENTION = "retention"  # the retention period is over
    INCIDENT = "incident"  # fraud or malfunction
    DEATH = "death"  # the patient died, or a mistaken declaration of it is undone


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """The state of one record after an act."""

    patient_id: UUID
    state: DossierState
    opened_at: datetime | None
    closed_at: datetime | None
    objection_until: datetime | None
    purge_after: datetime | None


_FROM: dict[Action, frozenset[DossierState | None]] = {
    Action.INFORM: frozenset({None}),
    Action.OPEN: frozenset({None, DossierState.INFORMED}),
    Action.SUSPEND: frozenset({DossierState.OPEN}),
    Action.RESUME: frozenset({DossierState.SUSPENDED}),
    Action.CLOSE: frozenset({DossierState.INFORMED, DossierState.OPEN, DossierState.SUSPENDED}),
    Action.REOPEN: frozenset({DossierState.CLOSED}),
    Action.PURGE: frozenset({DossierState.CLOSED}),
}


async def inform(act: Act, patient_id: UUID, *, proof: str) -> Dossier:
    """Record that the patient was told of his right to object; the delay of the opt-out path runs from now."""
    delay = timedelta(days=access.number(act.context, "dossier.objection_days"))
    return await _to(
        act,
        patient_id,
        Action.INFORM,
        DossierState.INFORMED,
        basis=Basis.OPT_OUT,
        proof=proof,
        informed_at=act.now,
        objection_until=act.now + delay,
    )


async def open_(act: Act, patient_id: UUID, *, basis: Basis, proof: str) -> Dossier:
    """Open a record, with the patient's recorded consent or at the end of the opt-out delay.

    Refused: CONSENT_PROOF_MISSING, OBJECTION_DELAY_RUNNING, DOSSIER_STATE, PATIENT_UNKNOWN.
    """
    if basis not in {Basis.CONSENT, Basis.OPT_OUT}:
        raise InvalidInput("OPENING_BASIS_INVALID")
    if basis is Basis.OPT_OUT:
        until = (
            await act.connection.execute(select(dossier.c.objection_until).where(dossier.c.patient_id == patient_id))
        ).scalar_one_or_none()
        await access.require(act, patient_id, Kind.DOSSIER, Action.OPEN)
        if until is None or act.now < until:
            raise Conflict("OBJECTION_DELAY_RUNNING")
    return await _to(
        act,
        patient_id,
        Action.OPEN,
        DossierState.OPEN,
        basis=basis,
        proof=proof,
        decided=basis is Basis.OPT_OUT,
        opened_at=act.now,
        wrapped_key=act.context.tenant.keys.new_dossier_key(act.context.tenant.id, patient_id),
    )


async def suspend(act: Act, patient_id: UUID, *, reason: str) -> Dossier:
    """Stop serving a record for fraud or malfunction, without closing it; the patient is told, and may object."""
    done = await _to(act, patient_id, Action.SUSPEND, DossierState.SUSPENDED, basis=Basis.INCIDENT, proof=reason)
    closes_at = days_after(act.now, access.number(act.context, "dossier.suspension_days"))
    for recipient in await people_of(act, patient_id, representatives=True):
        await post(
            act,
            recipient=recipient,
            key=f"suspended:{patient_id}:{act.now.isoformat()}",
            kind=NoticeKind.SUSPENDED,
            patient_id=patient_id,
            about={"day": written_day(closes_at)},
        )
    return done


async def resume(act: Act, patient_id: UUID, *, reason: str) -> Dossier:
    """Serve a suspended record again."""
    return await _to(act, patient_id, Action.RESUME, DossierState.OPEN, basis=Basis.INCIDENT, proof=reason)


async def close(act: Act, patient_id: UUID, *, reason: str = "") -> Dossier:
    """Close a record at the patient's wish, at any time; it serves nobody and is kept for the retention period."""
    closing = _closing(act)
    return await _to(act, patient_id, Action.CLOSE, DossierState.CLOSED, basis=Basis.REQUEST, proof=reason, **closing)


async def close_suspended(act: Act, patient_id: UUID, *, proof: str) -> Dossier:
    """Close a record that nobody had resumed when the delay to object was over (`suspensions`)."""
    closing = _closing(act)
    return await _to(act, patient_id, Action.CLOSE, DossierState.CLOSED, basis=Basis.INCIDENT, proof=proof, **closing)


def _closing(act: Act) -> dict[str, Any]:
    years = access.number(act.context, "dossier.retention_years")
    return {"closed_at": act.now, "purge_after": months_before(act.now, -12 * years)}


async def reopen(act: Act, patient_id: UUID, *, proof: str) -> Dossier:
    """Reopen a closed record within its retention period, with all that it held; RETENTION_OVER past it.

    A request to erase it that is not done yet is withdrawn with that.
    """
    held = await _held(act, patient_id)
    if held is not None and held.state == DossierState.CLOSED and held.purge_after and act.now >= held.purge_after:
        await access.require(act, patient_id, Kind.DOSSIER, Action.REOPEN)
        raise Conflict("RETENTION_OVER")
    changes: dict[str, Any] = {"closed_at": None, "purge_after": None, "opened_at": act.now}
    if held is not None and held.wrapped_key is None:  # closed before it was ever open
        changes["wrapped_key"] = act.context.tenant.keys.new_dossier_key(act.context.tenant.id, patient_id)
    reopened = await _to(act, patient_id, Action.REOPEN, DossierState.OPEN, basis=Basis.CONSENT, proof=proof, **changes)
    await _end_requests(act, patient_id, withdrawn_at=act.now)
    return reopened


async def close_on_death(act: Act, patient_id: UUID, *, proof: str) -> None:
    """Close the record of someone whose death has just been decided on; nothing where there is none to close."""
    held = await _held(act, patient_id)
    if held is None or DossierState(held.state) not in _FROM[Action.CLOSE]:
        return
    closing = _closing(act)
    await _to(
        act, patient_id, Action.CLOSE, DossierState.CLOSED, basis=Basis.DEATH, proof=proof, decided=True, **closing
    )


async def reopen_after_mistake(act: Act, patient_id: UUID, *, proof: str) -> None:
    """Put a record that a mistaken death closed back into the state that it was in; nothing where none did."""
    held = await _held(act, patient_id)
    last = await act.connection.execute(
        select(dossier_act.c.basis, dossier_act.c.from_state)
        .where(dossier_act.c.patient_id == patient_id, dossier_act.c.act == Action.CLOSE.value)
        .order_by(dossier_act.c.at.desc())
        .limit(1)
    )
    closed = last.one_or_none()
    if held is None or held.state != DossierState.CLOSED or closed is None or closed.basis != Basis.DEATH:
        return
    before = DossierState(closed.from_state)
    again: dict[str, Any] = {"closed_at": None, "purge_after": None}
    await _to(act, patient_id, Action.REOPEN, before, basis=Basis.DEATH, proof=proof, decided=True, **again)


async def purge(act: Act, patient_id: UUID, *, basis: Basis, proof: str) -> Dossier:
    """Destroy the key of a closed record, and with it every content; blank what the database says of it.

    On the patient's express request, or once the retention period is over (RETENTION_RUNNING before). The stored
    contents, which nobody can open any more, and the certificate are `erasure.conclude`'s.
    """
    held = await _held(act, patient_id)
    if basis is Basis.RETENTION and (held is None or held.purge_after is None or act.now < held.purge_after):
        await access.require(act, patient_id, Kind.DOSSIER, Action.PURGE)
        raise Conflict("RETENTION_RUNNING")
    if basis not in {Basis.RETENTION, Basis.REQUEST}:
        raise InvalidInput("PURGE_BASIS_INVALID")
    return await _to(act, patient_id, Action.PURGE, DossierState.PURGED, basis=basis, proof=proof)


async def state_of(act: Act, patient_id: UUID) -> DossierState | None:
    """The state of a record, for a use case that has already decided."""
    held = await _held(act, patient_id)
    return DossierState(held.state) if held else None


async def _held(act: Act, patient_id: UUID) -> Any:
    found = await act.connection.execute(select(dossier).where(dossier.c.patient_id == patient_id).with_for_update())
    return found.one_or_none()


async def _end_requests(act: Act, patient_id: UUID, **at: datetime) -> None:
    """Close what was asked and not done: `done_at` or `withdrawn_at`."""
    await act.connection.execute(
        update(erasure_request)
        .where(
            erasure_request.c.patient_id == patient_id,
            erasure_request.c.done_at.is_(None),
            erasure_request.c.withdrawn_at.is_(None),
        )
        .values(**at)
    )


async def _to(
    act: Act,
    patient_id: UUID,
    action: Action,
    to_state: DossierState,
    *,
    basis: Basis,
    proof: str,
    decided: bool = False,
    **changes: Any,
) -> Dossier:
    proof = values.text(proof, "proof") or ""
    if not decided:
        await access.require(act, patient_id, Kind.DOSSIER, action)
    if action in {Action.INFORM, Action.OPEN, Action.REOPEN, Action.PURGE} and not proof.strip():
        raise InvalidInput("PROOF_MISSING", act=action.value)
    if await patients.by_id(act, patient_id) is None:
        raise Conflict("PATIENT_UNKNOWN")
    held = await _held(act, patient_id)
    from_state = DossierState(held.state) if held else None
    if from_state not in _FROM[action]:
        # Which state it is in is for those who may open the record, not for everyone who may inform or feed.
        raise Conflict("DOSSIER_STATE", act=action.value)
    row = await write(
        act, patient_id, action, held.state if held else None, to_state.value, basis=basis.value, proof=proof, **changes
    )
    await outbox.publish(act, DossierChanged(patient_id=patient_id, act=action.value, to_state=to_state.value))
    return Dossier(
        patient_id=patient_id,
        state=to_state,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        objection_until=row.objection_until,
        purge_after=row.purge_after,
    )


async def write(
    act: Act,
    patient_id: UUID,
    action: Action,
    from_state: str | None,
    to_state: str,
    *,
    basis: str | None = None,
    proof: str | None = None,
    **changes: Any,
) -> Row[Any]:
    """Write a change of state that is decided: by a rule, by the network of home, by what a restore puts back.

    A purge takes the key, ends what was asked and blanks the rest. The caller tells of it and journals it.
    DOSSIER_STATE when somebody else began the record in the same instant.
    """
    if action is Action.PURGE:
        changes["wrapped_key"] = None
    if from_state is None:
        beginning = upsert(dossier).values(patient_id=patient_id, state=to_state, **changes).on_conflict_do_nothing()
        written = await act.connection.execute(beginning.returning(dossier))
    else:
        going_on = update(dossier).where(dossier.c.patient_id == patient_id).values(state=to_state, **changes)
        written = await act.connection.execute(going_on.returning(dossier))
    row: Row[Any] | None = written.one_or_none()
    if row is None:
        raise Conflict("DOSSIER_STATE", act=action.value)
    await act.connection.execute(
        insert(dossier_act).values(
            patient_id=patient_id,
            act_id=uuid4(),
            act=action.value,
            from_state=from_state,
            to_state=to_state,
            at=act.now,
            actor_kind=act.context.actor.kind.value,
            actor_id=act.context.actor.id,
            basis=basis,
            proof=proof,
        )
    )
    if action is Action.PURGE:
        await _end_requests(act, patient_id, done_at=act.now)
        await remains.blank(act, patient_id)
    return row
