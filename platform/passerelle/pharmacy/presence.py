"""That the patient is at the counter, or in care in an establishment: recorded, with its proof, and ending by itself.

Source: CSP L.1111-23. Who may record it is the rule pack's; how long it lasts, the operator's.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from passerelle.audit.transactions import Act
from passerelle.dossier import access as dossier_access
from passerelle.dossier import attestations
from passerelle.identities import patients
from passerelle.kernel.errors import Conflict
from passerelle.pharmacy import access
from passerelle_policies.vocabulary import Action, Kind, Relation


class PresenceProof(StrEnum):
    """What the patient showed at the counter."""

    VITALE_CARD = "vitale_card"  # carte Vitale
    INS = "ins"  # his INS, read from a document or an application of his


async def attest_presence(act: Act, patient_id: UUID, *, shown: PresenceProof) -> datetime:
    """Record that the patient is before this pharmacist, in his pharmacy; until when that holds.

    Refused: PLACE_MISSING, AUTHORIZATIONS_TOO_MANY, PATIENT_UNKNOWN.
    """
    await access.require(act, patient_id, Kind.PHARMACY_RECORD, Action.ATTEST_PRESENCE)
    lasts = timedelta(minutes=dossier_access.number(act.context, "pharmacy.presence_minutes"))
    return await _attest(act, patient_id, Relation.PATIENT_PRESENT, act.now + lasts, shown.value)


async def attest_care(act: Act, patient_id: UUID, *, proof: str) -> datetime:
    """Record that the patient is in care in the actor's health establishment; until when that holds.

    Refused: PROOF_MISSING, PLACE_MISSING, AUTHORIZATIONS_TOO_MANY, PATIENT_UNKNOWN.
    """
    await access.require(act, patient_id, Kind.PHARMACY_RECORD, Action.ATTEST_CARE)
    lasts = timedelta(days=dossier_access.number(act.context, "pharmacy.care_days"))
    return await _attest(act, patient_id, Relation.ESTABLISHMENT_CARE, act.now + lasts, proof)


async def _attest(act: Act, patient_id: UUID, what: Relation, until: datetime, proof: str) -> datetime:
    if await patients.by_id(act, patient_id) is None:
        raise Conflict("PATIENT_UNKNOWN")
    return await attestations.attest(act, patient_id, what, until=until, proof=proof)
