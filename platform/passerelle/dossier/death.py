"""A patient's death: his record closes and every tie to it ends, but authorship.

Sources: Code civil, art. 78 (the death certificate), 227 and 418 (powers end with the person); CSP R.1111-36 (a
closed record is kept for the retention period). No row is ended: `access.facts_row` counts none of them from the day
of death on, so that a mistaken declaration is undone whole. What an heir may ask for is in `heirs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from passerelle.audit.transactions import Act
from passerelle.dossier import access, house_rules, lifecycle, relations
from passerelle.dossier.formats import values
from passerelle.identities import civil_status, patients
from passerelle.kernel.clock import legal_day
from passerelle.kernel.errors import Conflict, InvalidInput, Refused
from passerelle.notices.kinds import NoticeKind
from passerelle_policies.vocabulary import Action, DossierState, Kind, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """What is recorded after the act; `deceased_on` is None once undone, `state` where there is no record."""

    patient_id: UUID
    deceased_on: date | None
    state: DossierState | None


async def declare(act: Act, patient_id: UUID, *, on: date, proof: str) -> Death:
    """Record a death and close the record; the patient is told, in case it is a mistake. Declaring twice is once.

    Refused: PROOF_MISSING, PATIENT_UNKNOWN; DEATH_DATE_INVALID before the birth or after today; DEATH_ALREADY_DECLARED
    on another day.
    """
    proof = _proof(proof)
    await access.require(act, patient_id, Kind.DOSSIER, Action.DECLARE_DEATH)
    known = await patients.by_id(act, patient_id)
    if known is None:
        raise Conflict("PATIENT_UNKNOWN")
    born = civil_status.first_day(known.traits.birth_date)
    if on > legal_day(act.context.clock) or (born is not None and on < born):
        raise InvalidInput("DEATH_DATE_INVALID")
    before = await civil_status.deceased_on(act, patient_id)
    if before is not None and before != on:
        raise Conflict("DEATH_ALREADY_DECLARED")
    if before is None:
        await civil_status.record_death(act, patient_id, on)
        await lifecycle.close_on_death(act, patient_id, proof=proof)
        await relations.tell_patient(act, patient_id, NoticeKind.DEATH_DECLARED)
    return Death(patient_id=patient_id, deceased_on=on, state=await lifecycle.state_of(act, patient_id))


async def undo(act: Act, patient_id: UUID, *, proof: str) -> Death:
    """Undo a mistaken declaration: the record and every tie to it are again as they were. By the operator alone.

    Refused: PROOF_MISSING, ACCESS_REFUSED, NOT_DECEASED.
    """
    proof = _proof(proof)
    await access.require(act, patient_id, Kind.DOSSIER, Action.DECLARE_DEATH)
    operator_only(act, patient_id, Kind.DOSSIER, Action.DECLARE_DEATH)
    if await civil_status.deceased_on(act, patient_id) is None:
        raise Conflict("NOT_DECEASED")
    await civil_status.record_death(act, patient_id, None)
    await lifecycle.reopen_after_mistake(act, patient_id, proof=proof)
    return Death(patient_id=patient_id, deceased_on=None, state=await lifecycle.state_of(act, patient_id))


def operator_only(act: Act, patient_id: UUID, kind: Kind, action: Action) -> None:
    """ACCESS_REFUSED for anyone but the operator, to whom the law leaves the checking of proofs."""
    if access.role_in(act.context) is Role.SYSTEM:
        return
    line = house_rules.line(act, kind, action, "operator-only", patient_id=patient_id, code="ACCESS_REFUSED")
    raise Refused("ACCESS_REFUSED", line=line)


def _proof(given: str) -> str:
    proof = values.text(given, "proof") or ""
    if not proof:
        raise InvalidInput("PROOF_MISSING", act=Action.DECLARE_DEATH.value)
    return proof
