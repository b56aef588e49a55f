"""Another INS for the same person: a NIA that became a NIR, a matricule that the State changed.

Sources: référentiel INS (arrêté of 27 May 2021); RNIV, exigences on the replacement of an INS. An INS that belongs to
somebody else is no case of this: what was filed under it is moved, document by document (`dossier.repair`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from sqlalchemy import literal, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.audit import journal, outbox
from passerelle.audit.transactions import Act
from passerelle.identities.ins import IdentityStatus, Ins, is_test_oid
from passerelle.identities.patients import decided, line, person_key, who_is
from passerelle.identities.tables import patient, patient_identifier
from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle_policies.vocabulary import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class InsReplaced(outbox.Event):
    """A patient is known under another INS from now on; which one is read where it is kept."""

    name: ClassVar[str] = "identities.ins_replaced"


async def replace_ins(act: Act, patient_id: UUID, ins: Ins, *, status: IdentityStatus) -> bool:
    """Know a patient under another INS; the one before stays among his identifiers. False when he has it already.

    By whom the matrix lets register. Refused: PATIENT_UNKNOWN; INS_MALFORMED; INS_OID_FORBIDDEN; INS_OF_ANOTHER when
    another patient of this network holds it: somebody must settle which documents are whose.
    """
    decision = decided(act.context, Action.REGISTER)
    if not ins.is_matchable:
        raise InvalidInput("INS_MALFORMED")
    if is_test_oid(ins.oid) and not act.context.tenant.is_test:
        raise InvalidInput("INS_OID_FORBIDDEN", oid=ins.oid)
    held = select(patient).where(patient.c.patient_id == patient_id).with_for_update()
    known = (await act.connection.execute(held)).one_or_none()
    if known is None:
        raise Conflict("PATIENT_UNKNOWN")
    key = person_key(act.context, ins)
    if known.person_key == key:
        return False
    if (await act.connection.execute(who_is(literal(key)))).first():
        raise Conflict("INS_OF_ANOTHER")
    for each in (Ins(known.ins_oid, known.ins_value) if known.ins_oid else None, ins):
        if each is not None:
            await act.connection.execute(
                upsert(patient_identifier)
                .values(patient_id=patient_id, oid=each.oid, value=each.value, seen_at=act.now)
                .on_conflict_do_nothing()
            )
    await act.connection.execute(
        update(patient)
        .where(patient.c.patient_id == patient_id)
        .values(person_key=key, ins_oid=ins.oid, ins_value=ins.value, ins_status=status.value)
    )
    await journal.append(act.connection, act.context, line(decision, Action.REGISTER, patient_id))
    await outbox.publish(act, InsReplaced(patient_id=patient_id))
    return True
