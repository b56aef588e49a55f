"""Who has the patient before him: at his counter, or in care in his establishment (CSP L.1111-23).

A dated row of `relation`, with its proof, that ends by itself. It opens the pharmacy record and says nothing of the
shared one, which never looks at it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Select, Text, bindparam, insert, literal, or_, select, update

from passerelle.audit import outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import access, relations
from passerelle.dossier.events import RelationChanged
from passerelle.dossier.formats import values
from passerelle.dossier.tables import relation
from passerelle.identities import civil_status
from passerelle.kernel.context import Context
from passerelle.kernel.errors import InvalidInput
from passerelle_policies.vocabulary import BEFORE_THE_PATIENT, ActorKind, Relation

_PLACE = bindparam("access_place", type_=Text())


def held_by_actor(patient_id: ColumnElement[UUID]) -> Select[Any]:
    """The relations that the actor holds by such rows: about him, or about the establishment that he acts from.

    A row that names a place counts for who acts from there.
    """
    return select(relation.c.relation).where(
        relation.c.patient_id == patient_id,
        or_(
            relation.c.subject == access.SUBJECT, relation.c.subject == literal(f"{ActorKind.ESTABLISHMENT}:") + _PLACE
        ),
        or_(*(relation.c.relation == each.value for each in BEFORE_THE_PATIENT)),
        or_(relation.c.place.is_(None), relation.c.place == _PLACE),
        access.in_force(relation.c.valid_from, relation.c.valid_until),
        civil_status.is_alive(patient_id, access.TODAY),
    )


def parameters(context: Context) -> dict[str, Any]:
    """Values for the bind parameters of `held_by_actor`, beside those of `access.facts_row`."""
    return {"access_place": context.actor.establishment}


async def attest(act: Act, patient_id: UUID, what: Relation, *, until: datetime, proof: str) -> datetime:
    """Record, as already decided, that the actor has the patient before him until then; when that ends.

    Presence is the actor's own, at the place that he acts from; care is its establishment's. One that stands is
    prolonged, never cut short. Refused: PROOF_MISSING, PLACE_MISSING, AUTHORIZATIONS_TOO_MANY.
    """
    proof, actor = values.text(proof, "proof") or "", act.context.actor
    if not proof.strip():
        raise InvalidInput("PROOF_MISSING", act=what.value)
    if actor.establishment is None:
        raise InvalidInput("PLACE_MISSING")
    of_place = f"{ActorKind.ESTABLISHMENT}:{actor.establishment}"
    subject = actor.subject if what is Relation.PATIENT_PRESENT else of_place
    same = (
        relation.c.patient_id == patient_id,
        relation.c.relation == what.value,
        relation.c.subject == subject,
        relation.c.place == actor.establishment,
        relation.c.valid_until > act.now,
    )
    held = await act.connection.execute(select(relation.c.valid_until).where(*same).with_for_update())
    stands: datetime | None = max(held.scalars(), default=None)
    if stands is not None:
        if stands < until:
            await act.connection.execute(update(relation).where(*same).values(valid_until=until, proof=proof))
        return max(stands, until)
    await relations.must_have_room(act, patient_id, relation, relations.IS_ATTESTED)
    await act.connection.execute(
        insert(relation).values(
            patient_id=patient_id,
            relation_id=uuid4(),
            relation=what.value,
            subject=subject,
            place=actor.establishment,
            valid_from=act.now,
            valid_until=until,
            recorded_by=actor.subject,
            proof=proof,
        )
    )
    await outbox.publish(act, RelationChanged(patient_id=patient_id, act="grant", relation=what.value))
    return until
