"""Coming of age: when a minor's representatives stop, and what he is told that day (Code civil, art. 388, 414).

The day is legal, in Paris. Somebody born on 29 February comes of age on 1 March; whose birth date is incomplete, on
the earliest day that it may stand for: nobody represents him a day too long.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, func, literal, not_, update

from passerelle.audit import journal, outbox
from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import access, house_rules
from passerelle.dossier.events import RelationChanged
from passerelle.dossier.tables import relation
from passerelle.identities import civil_status, patients
from passerelle.kernel.clock import PARIS
from passerelle.kernel.context import Context
from passerelle.notices.kinds import NoticeKind
from passerelle.notices.posting import is_posted, post
from passerelle_policies.vocabulary import Action, ActorKind, Kind, Relation

_AT_ONCE: Final = 100
_KEY: Final = NoticeKind.MAJORITY.value


def comes_of_age_at(context: Context, birth_date: str) -> datetime | None:
    """The instant at which somebody born then comes of age; nothing when the birth date says nothing."""
    born = civil_status.first_day(birth_date)
    if born is None:
        return None
    year = born.year + access.number(context, "majority.years")
    try:
        day = born.replace(year=year)
    except ValueError:
        day = date(year, 3, 1)
    return datetime.combine(day, time(), PARIS).astimezone(UTC)


async def of_age_at(act: Act, patient_id: UUID) -> datetime | None:
    """The instant at which a patient comes or came of age; nothing when his birth date is not known."""
    known = await patients.by_id(act, patient_id)
    return comes_of_age_at(act.context, known.traits.birth_date) if known else None


async def come_of_age(context: Context) -> int:
    """Tell those who have come of age, each once and however late; how many there were. For a task of ours.

    Their representatives' powers ended that day; the rows that a birth date put right since leaves open end too. What
    was hidden from the representatives stays so, and what they authorised stays until he decides: the notice says it.
    """
    told, after = 0, None
    while batch := await _next(context, after):
        told, after = told + len(batch), batch[-1]
    return told


async def _next(context: Context, after: UUID | None) -> list[UUID]:
    """Tell the next ones in the order of their ids; who they are. The patients are gone through once in all."""
    years = access.number(context, "majority.years")
    wanted = civil_status.grown_up(access.of_age_born_by(context), years)
    patient_id = wanted.selected_columns.patient_id
    if after is not None:
        wanted = wanted.where(patient_id > after)
    async with transaction(context) as act:
        found = await act.connection.execute(
            wanted.where(not_(is_posted(patient_id, literal(_KEY))))
            .order_by(patient_id)
            .limit(_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        rows = found.all()
        for row in rows:
            await _come_of_age(act, row)
    return [row.patient_id for row in rows]


async def _come_of_age(act: Act, row: Row[Any]) -> None:
    await _end_representation(act, row.patient_id, comes_of_age_at(act.context, row.birth_date) or act.now)
    await post(
        act,
        recipient=f"{ActorKind.PERSON}:{row.person_key}",
        key=_KEY,
        kind=NoticeKind.MAJORITY,
        patient_id=row.patient_id,
        about={},
    )


async def _end_representation(act: Act, patient_id: UUID, at: datetime) -> None:
    """End on the day of majority what was recorded as ending later."""
    done = await act.connection.execute(
        update(relation)
        .where(
            relation.c.patient_id == patient_id,
            relation.c.relation == Relation.REPRESENTATIVE.value,
            relation.c.basis == access.OF_A_MINOR,
            relation.c.valid_until > at,
        )
        .values(valid_until=func.greatest(at, relation.c.valid_from), withdrawn_by=act.context.actor.subject)
    )
    if not done.rowcount:
        return
    line = house_rules.line(act, Kind.AUTHORIZATIONS, Action.REPRESENT, "majority", patient_id=patient_id)
    await journal.append(act.connection, act.context, line)
    await outbox.publish(act, RelationChanged(patient_id=patient_id, act="withdraw", relation="representative"))
