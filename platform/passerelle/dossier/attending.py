"""The attending physician (médecin traitant): one at a time, named by the patient.

Source: CSP L.1111-16, he has over access to the shared record the patient's powers, and there only: the matrix opens
him the authorisations and not the representation, nor the journal unless `attending_physician.reads_journal`.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from passerelle.audit.transactions import Act
from passerelle.dossier import access, relations
from passerelle.dossier.relations import Grant
from passerelle.dossier.tables import dossier, relation
from passerelle.kernel.errors import Conflict
from passerelle_policies.roles import role_of
from passerelle_policies.vocabulary import Action, ActorKind, Kind, Relation, Role


async def declare_attending_physician(act: Act, patient_id: UUID, rpps: str, *, proof: str | None = None) -> Grant:
    """Declare the attending physician; the one before stops being it at once.

    Refused: RPPS_UNKNOWN; NOT_A_PHYSICIAN; ATTENDING_PHYSICIAN_IS_CHOSEN when a physician would name his successor.
    """
    subject = relations.professional(rpps)
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.GRANT)
    if act.context.actor.kind is not ActorKind.PERSON:
        raise Conflict("ATTENDING_PHYSICIAN_IS_CHOSEN")
    known = await relations.known_professional(act, rpps)
    if role_of(known.profession, ActorKind.PROFESSIONAL) is not Role.PHYSICIAN:
        raise Conflict("NOT_A_PHYSICIAN")
    # Two declarations at once take turns: there is one attending physician.
    await act.connection.execute(
        select(dossier.c.patient_id).where(dossier.c.patient_id == patient_id).with_for_update(key_share=True)
    )
    await relations.end(act, patient_id, Relation.ATTENDING_PHYSICIAN)
    return await relations.declare(act, patient_id, Relation.ATTENDING_PHYSICIAN, subject, proof=proof)


async def end_attending_physician(act: Act, patient_id: UUID, rpps: str) -> int:
    """End it, by the patient or by the physician himself; says how many declarations there were."""
    subject = relations.professional(rpps)
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.WITHDRAW)
    return await relations.end(act, patient_id, Relation.ATTENDING_PHYSICIAN, relation.c.subject == subject)
