"""Prescriptions that come as documents (eP-MED-DM): read, products named, and filed in the shared record if wanted.

The pharmacy record holds what was dispensed (CSP L.1111-23): no line of a prescription goes into it. What is dispensed
upon one names it (`Dispensed.prescription_number`). Decision 0116.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

from passerelle.audit.journal import NOBODY
from passerelle.audit.transactions import Act
from passerelle.dossier import publishing
from passerelle.dossier.formats.submission import IncomingDocument, PatientIdentity
from passerelle.identities import patients
from passerelle.pharmacy.formats.prescription import Prescription, read_prescription
from passerelle.pharmacy.naming import Named, named


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPrescription:
    """What a document prescribes, the product of each line as it was found, and where it is filed if it is."""

    prescription: Prescription
    products: tuple[Named, ...]
    document_id: UUID | None


async def read_document(act: Act, incoming: IncomingDocument, *, files: bool = False) -> ReadPrescription:
    """Read a prescription and name its products by the edition in force; `files`: keep it in the shared record.

    Reading tells nothing that who sends it does not hold, and is not journalled; filing is. Refused: what
    `read_prescription` and, to file it, `publishing.publish` refuse; a patient whom the network does not know is one
    without a record.
    """
    told = await asyncio.to_thread(read_prescription, incoming.content)
    products = tuple([await named(act.context.tenant.database, each.product) for each in told.lines])
    document_id = None
    if files:
        patient_id = await patient_of(act, incoming.metadata.patient)
        document_id = (await publishing.publish(act, patient_id, incoming)).document_id
    return ReadPrescription(prescription=told, products=products, document_id=document_id)


async def patient_of(act: Act, said: PatientIdentity) -> UUID:
    """Whom a document is about; nobody, where the network does not know him."""
    known = None if said.ins is None else await patients.of_person(act, patients.person_key(act.context, said.ins))
    return known or NOBODY
