"""Recording what was dispensed, and correcting or cancelling it, each by its pharmacy alone.

The pharmacy's own number makes it once: the same number with the same content is the same dispensation, with another
one it is refused unless it comes as a correction. Every version is kept. Sources: CSP L.1111-23, R.1111-20-4 (the
patient has nothing deleted; what he refuses to have entered is not entered).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.audit import outbox
from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import access as dossier_access
from passerelle.dossier.formats import values
from passerelle.kernel.clock import legal_day
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict, InvalidInput, LimitExceeded, PasserelleError, Refused
from passerelle.pharmacy import access, storage
from passerelle.pharmacy.dispensed import Dispensed, checked, rows_of
from passerelle.pharmacy.events import DispensationCancelled, DispensationRecorded
from passerelle.pharmacy.product_classes import ProductClass
from passerelle.pharmacy.recalls import must_have_acknowledged, pharmacy_of
from passerelle.pharmacy.tables import dispensation, dispensation_line
from passerelle_policies.vocabulary import Action, Kind


class DispensationStatus(StrEnum):
    """Whether a version of a dispensation stands."""

    CURRENT = "current"
    CORRECTED = "corrected"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A version of a dispensation as it is kept. `is_new`: this act made it; `is_superseded`: what was sent is an older
    version of the document than the one kept, and changed nothing."""

    dispensation_id: UUID
    pharmacy_number: str
    version: int
    status: DispensationStatus
    lines: int
    is_new: bool
    is_superseded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one dispensation of many: a receipt, or why there is none."""

    pharmacy_number: str
    receipt: Receipt | None = None
    problem: PasserelleError | None = None


async def record(act: Act, patient_id: UUID, said: Dispensed) -> Receipt:
    """Record what the actor's pharmacy dispensed; sent again, the same answer.

    Refused: PLACE_MISSING, DISPENSATION_NUMBER_USED, DISPENSATION_PAST_STORAGE, RECALL_NOT_ACKNOWLEDGED, and as
    `dispensed.checked`.
    """
    pharmacy, said = pharmacy_of(act.context), checked(act.context, said)
    # Before the decision: what fails for another reason tells nobody, without a trace, whether the record is open.
    sent = await _sent(act, patient_id, pharmacy, said)
    if sent is None:
        if storage.may_be_past(said.dispensed_on, on=legal_day(act.context.clock)):
            await _stored(act, said)
        await must_have_acknowledged(act, pharmacy)
    await access.require(act, patient_id, Kind.DISPENSATION, Action.PUBLISH)
    if sent is not None:
        return await _receipt(act, sent)
    receipt = await _write(act, patient_id, pharmacy, said, version=1)
    if receipt is None and (sent := await _sent(act, patient_id, pharmacy, said)) is not None:
        return await _receipt(act, sent)  # by someone else in the same instant
    if receipt is None:
        raise Conflict("DISPENSATION_NUMBER_USED")
    return receipt


async def record_many(context: Context, items: Sequence[tuple[UUID, Dispensed]]) -> list[Outcome]:
    """Record many, each by itself: one that is refused keeps no other back. Refused: DISPENSATIONS_TOO_MANY."""
    limit = dossier_access.number(context, "pharmacy.dispensations_max")
    if len(items) > limit:
        raise LimitExceeded("DISPENSATIONS_TOO_MANY", limit=limit)
    outcomes = []
    for patient_id, said in items:
        try:
            async with transaction(context) as act:
                receipt = await record(act, patient_id, said)
            outcomes.append(Outcome(pharmacy_number=said.pharmacy_number, receipt=receipt))
        except (InvalidInput, Refused, Conflict) as problem:
            outcomes.append(Outcome(pharmacy_number=said.pharmacy_number, problem=problem))
    return outcomes


async def correct(act: Act, patient_id: UUID, said: Dispensed, *, reason: str) -> Receipt:
    """Put another version in the place of the one that stands under this number; the former is kept.

    The content that stands already is no correction, and is answered as it stands; so is an older version of a document
    whose later one stands (one that tells no version is its first). Refused: PLACE_MISSING, DISPENSATION_UNKNOWN (not
    there, or another pharmacy's), DISPENSATION_OF_ANOTHER_NETWORK (recorded there), DISPENSATION_CANCELLED,
    DISPENSATION_NUMBER_USED for other content of the same version of a document, DISPENSATION_PAST_STORAGE,
    REASON_MISSING, and as `dispensed.checked`.
    """
    said, reason = checked(act.context, said), _reason(reason)
    held = await _own(act, patient_id, said.pharmacy_number, Action.REPLACE)
    if held.status == DispensationStatus.CANCELLED:
        raise Conflict("DISPENSATION_CANCELLED")
    if held.fingerprint == _mark(act, said):
        return await _receipt(act, held)
    if said.document_version is not None:
        stands = held.document_version or 1
        if said.document_version < stands:
            return replace(await _receipt(act, held), is_superseded=True)
        if said.document_version == stands:
            raise Conflict("DISPENSATION_NUMBER_USED")
    await _end(act, held, DispensationStatus.CORRECTED, reason)
    receipt = await _write(
        act, patient_id, held.pharmacy, said, version=held.version + 1, replaces=held.dispensation_id
    )
    if receipt is None:  # corrected by someone else in the same instant
        raise Conflict("DISPENSATION_NUMBER_USED")
    return receipt


async def cancel(act: Act, patient_id: UUID, pharmacy_number: str, *, reason: str) -> Receipt:
    """Say that a dispensation did not take place; its versions are kept, and shown no more. Cancelling twice is once.

    Refused: PLACE_MISSING, DISPENSATION_UNKNOWN (not there, or another pharmacy's), REASON_MISSING,
    DISPENSATION_OF_ANOTHER_NETWORK (recorded there).
    """
    reason = _reason(reason)
    held = await _own(act, patient_id, pharmacy_number, Action.CANCEL)
    if held.status == DispensationStatus.CANCELLED:
        return await _receipt(act, held)
    ended = await _end(act, held, DispensationStatus.CANCELLED, reason)
    await outbox.publish(act, DispensationCancelled(patient_id=patient_id, dispensation_id=held.dispensation_id))
    return await _receipt(act, ended, is_new=True)


def _reason(said: str) -> str:
    reason = values.text(said, "reason")
    if reason is None:
        raise InvalidInput("REASON_MISSING")
    return reason


async def _sent(act: Act, patient_id: UUID, pharmacy: str, said: Dispensed) -> Row[Any] | None:
    """The newest version of this very content; DISPENSATION_NUMBER_USED where its number is of another alone."""
    under = (dispensation.c.pharmacy == pharmacy, dispensation.c.pharmacy_number == said.pharmacy_number)
    versions = select(dispensation).where(*under).order_by(dispensation.c.version.desc())
    found = (await act.connection.execute(versions)).all()
    mark = _mark(act, said)
    row = next((each for each in found if each.patient_id == patient_id and each.fingerprint == mark), None)
    if found and row is None:
        raise Conflict("DISPENSATION_NUMBER_USED")
    return row


async def _own(act: Act, patient_id: UUID, pharmacy_number: str, action: Action) -> Row[Any]:
    """The newest version under a number of the actor's pharmacy, locked, and decided upon."""
    number = values.key(pharmacy_number, "pharmacyNumber")
    versions = select(dispensation).where(
        dispensation.c.pharmacy == pharmacy_of(act.context),
        dispensation.c.pharmacy_number == number,
        dispensation.c.patient_id == patient_id,
    )
    # The first version is where they take turns: whoever waits for the newest is given it once it is so no more.
    await act.connection.execute(versions.where(dispensation.c.version == 1).with_for_update())
    found = await act.connection.execute(versions.order_by(dispensation.c.version.desc()).limit(1))
    row = found.one_or_none()
    try:
        await access.require(act, patient_id, Kind.DISPENSATION, action, is_own=row is not None)
    except Refused as refused:
        if row is None and refused.code == "ACCESS_REFUSED":
            raise Refused("DISPENSATION_UNKNOWN", line=refused.line) from refused
        raise
    if row is None:
        raise Conflict("DISPENSATION_UNKNOWN")
    if row.origin is not None:
        raise Conflict("DISPENSATION_OF_ANOTHER_NETWORK")
    return row


async def _write(
    act: Act, patient_id: UUID, pharmacy: str, said: Dispensed, *, version: int, replaces: UUID | None = None
) -> Receipt | None:
    """Write one version with its lines; nothing when that number has this version already."""
    new = upsert(dispensation).values(
        patient_id=patient_id,
        dispensation_id=uuid4(),
        pharmacy=pharmacy,
        pharmacy_number=said.pharmacy_number,
        version=version,
        status=DispensationStatus.CURRENT.value,
        dispensed_at=said.dispensed_at,
        dispensed_by=act.context.actor.subject,
        prescriber_rpps=said.prescriber_rpps,
        prescriber_name=said.prescriber_name,
        prescribed_on=said.prescribed_on,
        prescription_number=said.prescription_number,
        document_version=said.document_version,
        fingerprint=_mark(act, said),
        recorded_at=act.now,
    )
    numbered = ["pharmacy", "pharmacy_number", "version"]
    written = await act.connection.execute(new.on_conflict_do_nothing(index_elements=numbered).returning(dispensation))
    row = written.one_or_none()
    if row is None:
        return None
    lines = await _stored(act, said)
    keys = {"patient_id": patient_id, "dispensation_id": row.dispensation_id}
    await act.connection.execute(insert(dispensation_line), [{**keys, **line} for line in lines])
    await outbox.publish(
        act, DispensationRecorded(patient_id=patient_id, dispensation_id=row.dispensation_id, replaces=replaces)
    )
    return await _receipt(act, row, is_new=True)


async def _stored(act: Act, said: Dispensed) -> list[dict[str, Any]]:
    """The lines of what was `checked` that are still stored. Refused: DISPENSATION_PAST_STORAGE where none is."""
    today = legal_day(act.context.clock)
    lines = [
        each
        for each in await rows_of(act.connection, said)
        if not storage.is_past(ProductClass(each["product_class"]), said.dispensed_on, on=today)
    ]
    if not lines:
        raise InvalidInput("DISPENSATION_PAST_STORAGE")
    return lines


def _mark(act: Act, said: Dispensed) -> str:
    """What tells this content from another: it outlives single lines, and nobody else may try out what it was of."""
    return act.context.tenant.keys.mark(b"dispensation", said.canonical).hex()


async def _end(act: Act, held: Row[Any], status: DispensationStatus, reason: str) -> Row[Any]:
    ended = await act.connection.execute(
        update(dispensation)
        .where(dispensation.c.patient_id == held.patient_id, dispensation.c.dispensation_id == held.dispensation_id)
        .values(status=status.value, ended_at=act.now, ended_by=act.context.actor.subject, end_reason=reason)
        .returning(dispensation)
    )
    row: Row[Any] = ended.one()
    return row


async def _receipt(act: Act, row: Row[Any], *, is_new: bool = False) -> Receipt:
    counted = select(func.count()).where(
        dispensation_line.c.patient_id == row.patient_id,
        dispensation_line.c.dispensation_id == row.dispensation_id,
    )
    return Receipt(
        dispensation_id=row.dispensation_id,
        pharmacy_number=row.pharmacy_number,
        version=row.version,
        status=DispensationStatus(row.status),
        lines=int(await act.connection.scalar(counted) or 0),
        is_new=is_new,
    )
