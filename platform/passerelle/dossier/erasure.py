"""Erasing a record: asked for by the patient, or due at the end of its retention; done once, certified.

    closed ──request──▶ closed, due at a day ──erase──▶ purged, contents destroyed ──▶ certificate, notice
                              │ withdraw, reopen: nothing is due any more

Erasing destroys the dossier's key and blanks the database in one transaction; the stored octets, which nobody can
open any more, go next, and the certificate is issued when they are gone. Killed in between, the next turn goes on
from there. The journal stays, under a retention rule of its own. Sources: CSP R.1111-36; RGPD, art. 17.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Row, Select, Uuid, and_, func, insert, literal, or_, select, update

from passerelle.audit.heads import newest_head
from passerelle.audit.successions import signers
from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import access, lifecycle, remains
from passerelle.dossier.erasure_certificate import Certificate, certified, instant
from passerelle.dossier.formats import values
from passerelle.dossier.lifecycle import Basis
from passerelle.dossier.tables import document, dossier, dossier_act, erasure_certificate, erasure_request
from passerelle.identities import patients
from passerelle.kernel import messages
from passerelle.kernel.clock import PARIS, months_before, written_day
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict, InvalidInput, PasserelleError
from passerelle.notices.posting import NoticeKind, post
from passerelle_policies.packs import pack_on
from passerelle_policies.vocabulary import Action, ActorKind, DossierState, Kind

AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureRequest:
    """A request that stands, and the day on which it is done unless it is withdrawn."""

    request_id: UUID
    requested_at: datetime
    due_at: datetime


async def request_erasure(act: Act, patient_id: UUID, *, proof: str) -> ErasureRequest:
    """Ask expressly that a closed record be erased; asked twice, the first request stands.

    It is due after the days that the rule leaves to think again, within the legal months. Refused: ACCESS_REFUSED
    (only the patient), PROOF_MISSING, ERASURE_NOT_CLOSED.
    """
    proof = values.text(proof, "proof") or ""
    await access.require(act, patient_id, Kind.DOSSIER, Action.PURGE)
    if not proof.strip():
        raise InvalidInput("PROOF_MISSING", act="request_erasure")
    # Locked, so that two requests at once are one.
    held = await act.connection.execute(
        select(dossier.c.state).where(dossier.c.patient_id == patient_id).with_for_update()
    )
    if held.scalar_one_or_none() != DossierState.CLOSED.value:
        raise Conflict("ERASURE_NOT_CLOSED")
    if (standing := await _standing(act, patient_id)) is not None:
        return standing
    asked = ErasureRequest(request_id=uuid4(), requested_at=act.now, due_at=_due_at(act))
    await act.connection.execute(
        insert(erasure_request).values(
            patient_id=patient_id,
            request_id=asked.request_id,
            requested_at=asked.requested_at,
            requested_by=act.context.actor.subject,
            due_at=asked.due_at,
            proof=proof,
        )
    )
    return asked


async def withdraw_erasure(act: Act, patient_id: UUID) -> ErasureRequest:
    """Take a request back before it is done, and give it. Refused: ACCESS_REFUSED, ERASURE_NOT_REQUESTED."""
    await access.require(act, patient_id, Kind.DOSSIER, Action.PURGE)
    standing = await _standing(act, patient_id, lock=True)
    if standing is None:
        raise Conflict("ERASURE_NOT_REQUESTED")
    await act.connection.execute(
        update(erasure_request)
        .where(erasure_request.c.patient_id == patient_id, erasure_request.c.request_id == standing.request_id)
        .values(withdrawn_at=act.now)
    )
    return standing


async def certificate_of(act: Act, patient_id: UUID) -> Certificate:
    """The certificate of an erased record. Refused: ACCESS_REFUSED; ERASURE_NOT_DONE while there is none."""
    await access.require(act, patient_id, Kind.DOSSIER, Action.READ)
    row = (await act.connection.execute(certificates(literal(patient_id, Uuid())))).first()
    if row is None:
        raise not_done()
    return _certificate(row)


def certificates(patient_id: ColumnElement[UUID]) -> Select[Any]:
    """The certificate of a record, if it was erased; columns as `Certificate`, one row or none."""
    held = [erasure_certificate.c[name] for name in Certificate.__dataclass_fields__]
    return select(*held).where(erasure_certificate.c.patient_id == patient_id).limit(1)


def not_done() -> Conflict:
    """There is no certificate of what was not erased."""
    return Conflict("ERASURE_NOT_DONE")


async def erase_due(context: Context, *, at_once: int = AT_ONCE) -> int:
    """Erase what is due, for the clock of the worker: requests at their day, records past their retention.

    Says how many records were erased, `at_once` at most. What an earlier turn left half-way is finished first. Two
    workers share the work; the failure of one record holds up no other, and is raised at the end.
    """
    failed: PasserelleError | None = None
    for patient_id in await _ids(context, _some_of(_half_way(), at_once)):
        try:
            await conclude(context, patient_id)
        except PasserelleError as failure:
            failed = failed or failure
    erased = 0
    for patient_id in await _ids(context, _some_of(_due(context.clock.now()), at_once)):
        try:
            erased += await _erased_if_due(context, patient_id)
            await conclude(context, patient_id)
        except PasserelleError as failure:
            failed = failed or failure
    if failed is not None:
        raise failed
    return erased


async def erase_now(context: Context, patient_id: UUID) -> Certificate:
    """Do at once what was asked for, without waiting for its day; or what retention no longer holds.

    Refused: ACCESS_REFUSED, ERASURE_NOT_REQUESTED when nothing was asked and the retention runs.
    """
    async with transaction(context) as act:
        await access.require(act, patient_id, Kind.DOSSIER, Action.PURGE)
        if not await _erase(act, patient_id, by=None):
            raise Conflict("ERASURE_NOT_REQUESTED")
    await conclude(context, patient_id)
    async with transaction(context) as act:
        found = await act.connection.execute(
            select(erasure_certificate).where(erasure_certificate.c.patient_id == patient_id)
        )
        return _certificate(found.one())


async def conclude(context: Context, patient_id: UUID) -> bool:
    """Destroy the stored contents of a purged record, certify, and tell the patient; false when that was done.

    Safe to repeat and to interrupt anywhere: a content that is gone is gone, and there is one certificate.
    """
    async with transaction(context) as act:
        if not await _awaits_certificate(act, patient_id):
            return False
        named = select(document.c.content_name).where(remains.of_record(patient_id), document.c.content_name != "")
        contents = (await act.connection.execute(named)).scalars().all()
    for name in contents:
        await context.tenant.contents.delete(name)
    async with transaction(context) as act:
        if not await _awaits_certificate(act, patient_id, lock=True):
            return False
        await act.connection.execute(
            update(document)
            .where(remains.of_record(patient_id), document.c.content_name.in_(contents))
            .values(content_name="")
        )
        certificate = await _issue(act, patient_id, len(contents))
        person_key = (await act.connection.execute(select(patients.key_of(patient_id)))).scalar_one()
        if person_key is not None:
            await post(
                act,
                recipient=f"{ActorKind.PERSON}:{person_key}",
                key=f"erasure:{certificate.certificate_id}",
                kind=NoticeKind.ERASURE_DONE,
                patient_id=patient_id,
                about={"certificate_id": str(certificate.certificate_id)},
            )
    return True


def _due_at(act: Act) -> datetime:
    to_think = timedelta(days=access.number(act.context, "dossier.erasure_grace_days"))
    at_the_latest = months_before(act.now, -access.number(act.context, "dossier.purge_on_request_months"))
    return min(act.now + to_think, at_the_latest)


_STANDS = and_(erasure_request.c.done_at.is_(None), erasure_request.c.withdrawn_at.is_(None))


async def _standing(act: Act, patient_id: UUID, *, lock: bool = False) -> ErasureRequest | None:
    wanted = select(erasure_request).where(erasure_request.c.patient_id == patient_id, _STANDS)
    row = (await act.connection.execute(wanted.with_for_update() if lock else wanted)).first()
    if row is None:
        return None
    return ErasureRequest(request_id=row.request_id, requested_at=row.requested_at, due_at=row.due_at)


def _due(now: datetime) -> Select[Any]:
    asked = select(erasure_request.c.patient_id).where(_STANDS, erasure_request.c.due_at <= now)
    return select(dossier.c.patient_id).where(
        dossier.c.state == DossierState.CLOSED.value,
        or_(dossier.c.purge_after <= now, dossier.c.patient_id.in_(asked)),
    )


def _half_way() -> Select[Any]:
    is_certified = select(erasure_certificate.c.patient_id).where(
        erasure_certificate.c.patient_id == dossier.c.patient_id
    )
    return select(dossier.c.patient_id).where(dossier.c.state == DossierState.PURGED.value, ~is_certified.exists())


def _some_of(wanted: Select[Any], at_once: int) -> Select[Any]:
    """In no order, so that records which fail again and again do not keep the others from their turn."""
    return wanted.order_by(func.random()).limit(at_once)


async def _ids(context: Context, wanted: Select[Any]) -> list[UUID]:
    async with context.tenant.database.transaction() as connection:
        return list((await connection.execute(wanted)).scalars())


async def _erased_if_due(context: Context, patient_id: UUID) -> bool:
    """False when another worker has it in hand, or when it was withdrawn or reopened meanwhile."""
    async with transaction(context) as act:
        return await _erase(act, patient_id, by=act.now)


async def _erase(act: Act, patient_id: UUID, *, by: datetime | None) -> bool:
    """Purge when the retention is over, or something was asked that is due `by` then (at any time without it)."""
    held = await act.connection.execute(
        select(dossier.c.purge_after)
        .where(dossier.c.patient_id == patient_id, dossier.c.state == DossierState.CLOSED.value)
        .with_for_update(skip_locked=True)
    )
    row = held.one_or_none()
    if row is None:
        return False
    standing = await _standing(act, patient_id, lock=True)
    if standing is not None and (by is None or standing.due_at <= by):
        basis, since, code = Basis.REQUEST, standing.requested_at, "ERASURE_ON_REQUEST"
    elif row.purge_after is not None and row.purge_after <= act.now:
        basis, since, code = Basis.RETENTION, row.purge_after, "ERASURE_AFTER_RETENTION"
    else:
        return False
    proof = messages.sentence(code, {"day": written_day(since)})
    await lifecycle.purge(act, patient_id, basis=basis, proof=proof)
    return True


async def _awaits_certificate(act: Act, patient_id: UUID, *, lock: bool = False) -> bool:
    own = dossier.c.patient_id == patient_id
    if lock:
        # A statement of its own: what another issued while this one waited is not in the snapshot of the one below.
        await act.connection.execute(select(dossier.c.state).where(own).with_for_update())
    return (await act.connection.execute(_half_way().where(own))).one_or_none() is not None


async def _issue(act: Act, patient_id: UUID, contents: int) -> Certificate:
    tenant = act.context.tenant
    purge = (
        await act.connection.execute(
            select(dossier_act).where(dossier_act.c.patient_id == patient_id, dossier_act.c.act == Action.PURGE.value)
        )
    ).one()
    documents = await act.connection.execute(
        select(func.count()).select_from(document).where(document.c.patient_id == patient_id)
    )
    head = await newest_head(act.connection, tenant.id)
    said = {
        "tenant": tenant.id,
        "record": str(patient_id),
        "erased_at": instant(purge.at),
        "basis": purge.basis,
        "by": purge.actor_kind,
        "source": "CSP, art. R.1111-36",
        "pack": pack_on(purge.at.astimezone(PARIS).date()).name,
        "key_destroyed": True,
        "documents": int(documents.scalar_one()),
        "contents_destroyed": contents,
        "journal_kept_years": access.number(act.context, "journal.retention_years"),
        "journal_head": {"tree_size": head.tree_size, "root": head.root.hex()} if head else None,
    }
    certificate = certified(await signers(act.connection, tenant), uuid4(), act.now, said)
    await act.connection.execute(
        insert(erasure_certificate).values(
            patient_id=patient_id,
            certificate_id=certificate.certificate_id,
            issued_at=certificate.issued_at,
            statement=certificate.statement,
            signature=certificate.signature,
            key_id=certificate.key_id,
        )
    )
    return certificate


def _certificate(row: Row[Any]) -> Certificate:
    return Certificate(
        certificate_id=row.certificate_id,
        issued_at=row.issued_at,
        statement=row.statement,
        signature=bytes(row.signature),
        key_id=row.key_id,
    )
