"""Who is told of what happens in a record: the patient, and whoever lawfully acts for him."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import literal, not_, or_, select

from passerelle.audit.transactions import Act
from passerelle.dossier import access
from passerelle.dossier.relations import not_ended
from passerelle.dossier.tables import relation
from passerelle.identities import civil_status, patients
from passerelle_policies.vocabulary import ActorKind, Relation


async def people_of(act: Act, patient_id: UUID, *, representatives: bool) -> list[str]:
    """The patient and, when asked for, his representatives of the day, as `kind:id`; no one who cannot sign in."""
    person = (await act.connection.execute(select(patients.key_of(patient_id)))).scalar_one()
    told = [f"{ActorKind.PERSON}:{person}"] if person else []
    if representatives:
        of_the_day = (
            select(relation.c.subject)
            .where(
                relation.c.patient_id == patient_id,
                relation.c.relation == Relation.REPRESENTATIVE.value,
                not_ended(relation, act.now),
                # As `access.facts_row`: of a minor, whatever the row says, until the day he comes of age.
                or_(
                    relation.c.basis.is_distinct_from(access.OF_A_MINOR),
                    not_(civil_status.was_born_by(literal(patient_id), literal(access.of_age_born_by(act.context)))),
                ),
            )
            .order_by(relation.c.subject)
        )
        told += (await act.connection.execute(of_the_day)).scalars()
    return list(dict.fromkeys(told))
