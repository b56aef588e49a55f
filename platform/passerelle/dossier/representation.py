"""Legal representatives: of minors, and of protected adults.

Sources: Code civil, art. 371-1 and 388 (minors), 440 and 459 (guardianship represents, curatorship assists), 494-1
(family habilitation), 477 (mandate of future protection); CSP L.1111-5, R.1111-50. A protected adult goes on reading
his own record. A minor's representation ends the day he comes of age, whatever was declared: its row ends then, and
`access.facts_row` counts it no more even where the birth date was put right later.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import func, select, true

from passerelle.audit.transactions import Act
from passerelle.dossier import access, house_rules, relations
from passerelle.dossier.majority import of_age_at
from passerelle.dossier.tables import relation
from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle_policies.facts import Facts
from passerelle_policies.vocabulary import Action, ActorKind, Kind, Relation


class RepresentationBasis(StrEnum):
    """On what a representative's powers rest."""

    MINOR = access.OF_A_MINOR  # autorité parentale, tutelle d'un mineur
    GUARDIANSHIP = "guardianship"  # tutelle
    FAMILY_HABILITATION = "family_habilitation"  # habilitation familiale
    FUTURE_PROTECTION_MANDATE = "future_protection_mandate"  # mandat de protection future
    CURATORSHIP = "curatorship"  # curatelle: assists and does not represent, so that it is refused


async def declare_representative(
    act: Act,
    patient_id: UUID,
    person_key: str,
    *,
    basis: RepresentationBasis,
    until: datetime | None = None,
    proof: str,
) -> relations.Grant:
    """Declare a legal representative; of a minor, until he comes of age at the latest.

    Refused: PROOF_MISSING; REPRESENTATION_BASIS_INVALID for a curator; BIRTH_DATE_UNKNOWN;
    MINOR_DECLARES_NO_REPRESENTATIVE to the minor himself (Code civil, art. 371-1 and 388: the law gives him his
    representatives); PATIENT_OF_AGE and PATIENT_A_MINOR when the basis is not that of his age;
    REPRESENTATION_OUTLASTS_YOURS.
    """
    if not proof.strip():
        raise InvalidInput("PROOF_MISSING", act="declare_representative")
    relations.must_be_to_come(act, until)
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.REPRESENT)
    if basis is RepresentationBasis.CURATORSHIP:
        raise InvalidInput("REPRESENTATION_BASIS_INVALID")
    of_age = await of_age_at(act, patient_id)
    if of_age is None:
        raise Conflict("BIRTH_DATE_UNKNOWN")
    facts = await access.facts_of(act.context, act.connection, patient_id)
    if act.now < of_age and Relation.PATIENT in facts.relations:
        rule, code = "minor-declares-no-representative", "MINOR_DECLARES_NO_REPRESENTATIVE"
        line = house_rules.line(act, Kind.AUTHORIZATIONS, Action.REPRESENT, rule, patient_id=patient_id, code=code)
        raise Conflict(code, line=line)
    until = _within_minority(act, of_age, basis, until)
    await _must_not_outlast_the_giver(act, patient_id, facts, until)
    subject = f"{ActorKind.PERSON}:{person_key}"
    return await relations.declare(
        act, patient_id, Relation.REPRESENTATIVE, subject, until=until, proof=proof, basis=basis.value
    )


async def end_representation(act: Act, patient_id: UUID, person_key: str) -> int:
    """End a representative's powers; says how many declarations there were.

    By himself, by whoever declared him, or by the operator on a judge's decision: REPRESENTATION_ENDS_BY_LAW for
    anyone else, the minor and the other parent among them.
    """
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.REPRESENT)
    actor, subject = act.context.actor, f"{ActorKind.PERSON}:{person_key}"
    is_operator = actor.kind is ActorKind.SYSTEM
    may_end = true() if is_operator or actor.subject == subject else relation.c.recorded_by == actor.subject
    ended = await relations.end(act, patient_id, Relation.REPRESENTATIVE, relation.c.subject == subject, may_end)
    left = select(func.count()).where(
        relation.c.patient_id == patient_id,
        relation.c.relation == Relation.REPRESENTATIVE.value,
        relation.c.subject == subject,
        relations.not_ended(relation, act.now),
    )
    if await act.connection.scalar(left):
        raise Conflict("REPRESENTATION_ENDS_BY_LAW")
    return ended


def _within_minority(act: Act, of_age: datetime, basis: RepresentationBasis, until: datetime | None) -> datetime | None:
    """When the representation ends, clamped to the coming of age of a minor."""
    if basis is not RepresentationBasis.MINOR:
        if act.now < of_age:
            raise Conflict("PATIENT_A_MINOR")
        return until
    if act.now >= of_age:
        raise Conflict("PATIENT_OF_AGE")
    return min(until, of_age) if until else of_age


async def _must_not_outlast_the_giver(act: Act, patient_id: UUID, facts: Facts, until: datetime | None) -> None:
    """A representative gives to no one, himself included, powers that outlast his own."""
    if Relation.PATIENT in facts.relations or Relation.REPRESENTATIVE not in facts.relations:
        return
    own = select(relation.c.valid_until).where(
        relation.c.patient_id == patient_id,
        relation.c.relation == Relation.REPRESENTATIVE.value,
        relation.c.subject == act.context.actor.subject,
        relations.not_ended(relation, act.now),
    )
    ends = (await act.connection.execute(own)).scalars().all()
    if None not in ends and (until is None or until > max(ends)):
        raise Conflict("REPRESENTATION_OUTLASTS_YOURS")
