"""Dispensations that come as documents (eDISP-MED): recorded line by line, and filed in the shared record if wanted.
Prescriptions (eP-MED-DM) among them are read, and filed alike (`prescriptions`).

Sources: CSP L.1111-23; CI-SIS eDISP-MED 2024.01. The document's set names the dispensation for its pharmacy: the same
document again changes nothing, nor does an older version, whenever it comes; a later one corrects what stands. Filed,
it stays encrypted as it came; only its lines go into the pharmacy record.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from pathlib import Path
from uuid import UUID

from passerelle.audit.journal import NOBODY
from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import publishing
from passerelle.dossier.formats.recognise import gather, read
from passerelle.dossier.formats.submission import IncomingDocument
from passerelle.dossier.ingest import Patience
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict, InvalidInput, PasserelleError, TryLater
from passerelle.pharmacy import dispensing
from passerelle.pharmacy.dispensed import Dispensed
from passerelle.pharmacy.dispensed import DispensedLine as Line
from passerelle.pharmacy.formats.dispensation import DispensationDocument, DispensedLine, read_dispensation
from passerelle.pharmacy.formats.prescription import TYPE_CODE as PRESCRIPTION
from passerelle.pharmacy.naming import Known, Named, box_of, cis_of, class_of, named
from passerelle.pharmacy.prescriptions import ReadPrescription, patient_of, read_document
from passerelle.pharmacy.recalls import pharmacy_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What a document became: the dispensation, its products as they were found, and where it is filed if it is."""

    patient_id: UUID
    receipt: dispensing.Receipt
    products: tuple[Named, ...]
    document_id: UUID | None


class Result(StrEnum):
    """What became of one document of a bulk."""

    RECORDED = "recorded"
    CORRECTED = "corrected"
    ALREADY_HERE = "already_here"
    SUPERSEDED = "superseded"  # a later version of it is here already
    PRESCRIPTION = "prescription"  # of which nothing is recorded
    SET_ASIDE = "set_aside"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one document of one file; `code` and `fix` say why nothing was recorded.

    `prescription` is what it prescribes, if that is what it is.
    """

    file: str
    result: Result
    unique_id: str | None = None
    lines: int = 0
    unknown: int = 0
    prescription: ReadPrescription | None = None
    code: str | None = None
    fix: str | None = None


async def record_document(act: Act, incoming: IncomingDocument, *, files: bool = False) -> Recorded:
    """Record the dispensation that a document tells of, by the pharmacy that it names; `files`: keep it in the shared
    record too.

    Refused: what `read_dispensation`, `dispensing.record` and, to file it, `publishing.publish` refuse;
    DISPENSATION_OF_ANOTHER_PHARMACY, DISPENSATION_UNDATED, QUANTITY_MISSING. DISPENSATION_NUMBER_USED for other content
    under the same version. A patient whom the network does not know is one without a pharmacy record: who sends
    documents does not find out by them who is known here.
    """
    told = await asyncio.to_thread(read_dispensation, incoming.content)
    if told.pharmacy != pharmacy_of(act.context):
        raise InvalidInput("DISPENSATION_OF_ANOTHER_PHARMACY")
    patient_id = await patient_of(act, told.patient)
    products = tuple([await named(act.context.tenant.database, each.product) for each in told.lines])
    receipt = await _recorded(act, patient_id, told, _dispensed(told))
    if patient_id == NOBODY:  # no rule lets this be, and nothing of it is kept
        raise Conflict("PATIENT_UNKNOWN")
    filed = await publishing.publish(act, patient_id, incoming) if files else None
    return Recorded(
        patient_id=patient_id,
        receipt=receipt,
        products=products,
        document_id=filed.document_id if filed else None,
    )


async def _recorded(act: Act, patient_id: UUID, told: DispensationDocument, said: Dispensed) -> dispensing.Receipt:
    """Record, or correct what stands where the document tells its version or that it comes after another one."""
    try:
        return await dispensing.record(act, patient_id, said)
    except Conflict as used:
        tells_its_place = told.replaces_unique_id is not None or told.version_number is not None
        if used.code != "DISPENSATION_NUMBER_USED" or not tells_its_place:
            raise
    reason = f"Version {told.version_number} du document" if told.version_number else "Nouvelle version du document"
    return await dispensing.correct(act, patient_id, said, reason=reason)


def _dispensed(told: DispensationDocument) -> Dispensed:
    if told.dispensed_at is None:
        raise InvalidInput("DISPENSATION_UNDATED")
    first = next((each for each in told.lines if each.prescriber is not None), None)
    prescriber = first.prescriber if first else None
    return Dispensed(
        pharmacy_number=told.set_id or told.unique_id,
        dispensed_at=told.dispensed_at,
        lines=tuple(_line(line, number) for number, line in enumerate(told.lines, start=1)),
        prescriber_rpps=prescriber.rpps if prescriber else None,
        prescriber_name=prescriber.name if prescriber else None,
        prescribed_on=first.prescribed_on if first else None,
        prescription_number=_prescription_number(told),
        document_version=told.version_number,
    )


def _prescription_number(told: DispensationDocument) -> str | None:
    """Of the first prescription that it names: in its header, else in a line."""
    of_lines = (each.prescription_id for each in told.lines if each.prescription_id)
    return next(chain(told.prescription_ids, of_lines), None)


def _line(line: DispensedLine, number: int) -> Line:
    """Of the document's own words and codes alone: the same document is the same dispensation under every edition."""
    if line.quantity is None:
        raise InvalidInput("QUANTITY_MISSING", line=number)
    return Line(
        quantity=line.quantity,
        label=line.product.label,
        cip13=box_of(line.product),
        cis=cis_of(line.product),
        product_class=class_of(line.product),
        substances=line.product.substances,
        atc=line.product.atc,
        dose_text=". ".join(said for said in (line.dosage, line.instruction) if said) or None,
        days=line.period.days,
        batch=line.product.batch,
        is_prescribed=line.is_prescribed,
    )


async def ingest(
    context: Context, paths: Sequence[Path], *, files: bool = False, patience: Patience | None = None
) -> AsyncIterator[Outcome]:
    """Record what files and folders hold, for the pharmacy that `context.actor` is; an outcome for each document.

    What a person must settle is set aside, the rest refused, and the run goes on; running it again changes nothing.
    Never raises for what a file holds; `TryLater` when a component is away for longer than `patience`.
    """
    retrying = (patience or Patience()).retrying()
    for path in gather(paths):
        outcomes: list[Outcome] = await retrying(_ingested, context, path, files=files)
        for outcome in outcomes:
            yield outcome


async def _ingested(context: Context, path: Path, *, files: bool) -> list[Outcome]:
    try:
        submission = await asyncio.to_thread(read, path)
    except PasserelleError as unreadable:
        return [_kept_out(path, None, unreadable)]
    return [await _one(context, path, each, files=files) for each in submission.documents]


async def _one(context: Context, path: Path, incoming: IncomingDocument, *, files: bool) -> Outcome:
    try:
        async with transaction(context) as act:
            if incoming.metadata.type_code == PRESCRIPTION:
                return _read(path, incoming, await read_document(act, incoming, files=files))
            done = await record_document(act, incoming, files=files)
    except TryLater:
        raise
    except PasserelleError as failure:
        return _kept_out(path, incoming, failure)
    receipt = done.receipt
    made = Result.RECORDED if receipt.version == 1 else Result.CORRECTED
    there = Result.SUPERSEDED if receipt.is_superseded else Result.ALREADY_HERE
    return Outcome(
        file=str(path),
        result=made if receipt.is_new else there,
        unique_id=incoming.metadata.unique_id,
        lines=len(done.products),
        unknown=sum(each.known is Known.UNKNOWN for each in done.products),
    )


def _read(path: Path, incoming: IncomingDocument, prescription: ReadPrescription) -> Outcome:
    return Outcome(
        file=str(path),
        result=Result.PRESCRIPTION,
        unique_id=incoming.metadata.unique_id,
        lines=len(prescription.products),
        unknown=sum(each.known is Known.UNKNOWN for each in prescription.products),
        prescription=prescription,
    )


def _kept_out(path: Path, incoming: IncomingDocument | None, failure: PasserelleError) -> Outcome:
    return Outcome(
        file=str(path),
        result=Result.SET_ASIDE if isinstance(failure, Conflict) else Result.REFUSED,
        unique_id=incoming.metadata.unique_id if incoming else None,
        code=failure.code,
        fix=failure.message,
    )
