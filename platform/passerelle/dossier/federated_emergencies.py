"""Break-glass away from home, which home decides upon, tells of and reviews as if it had been done there.

While it lasts where the glass was broken and home's rules allow it, whoever broke it may read the record at home too;
where they do not (an objection that had not arrived there, a block), it is over at home at once, and told of all the
same. Each network reviews it by itself. Sources: CSP L.1111-17 I, R.1111-48; decision 0135.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, case, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit import journal, outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import access, emergencies
from passerelle.dossier import federated_bundles as bundles
from passerelle.dossier.emergency_reviews import Finding
from passerelle.dossier.events import EmergencyChanged
from passerelle.dossier.federated_bundles import APPLIED, LATER
from passerelle.dossier.tables import dossier, emergency_access
from passerelle.identities import patients
from passerelle.kernel.actors import Actor
from passerelle.kernel.database import Statement
from passerelle.kernel.prepared import run
from passerelle.notices.posting import NoticeKind
from passerelle_policies.decision import decide
from passerelle_policies.vocabulary import Action, ActorKind, DossierState, Kind, Mode, Purpose

#: It is another network's than the one that speaks of it, or another patient's.
ANOTHERS: Final = "FEDERATION_EMERGENCY_OF_ANOTHER"
_CARRIED: Final = ("subject", "name", "profession", "establishment", "reason", "valid_from", "valid_until")
_PROFESSIONAL: Final = f"{ActorKind.PROFESSIONAL}:"


async def gather(connection: AsyncConnection, access_ids: Sequence[UUID], versions: Sequence[int]) -> str:
    """JSON text: of each opening by break-glass here, who opened it, why and until when; nothing of its review."""
    return await bundles.gather(connection, _GATHERED, bundles.owed_values(access_ids, versions))


async def apply(act: Act, from_tenant: str, items: str) -> Mapping[UUID, str]:
    """Enter openings that are new here, journalled and told of, and end sooner those that ended; by opening what became
    of it. `later` while the patient is not known here; ANOTHERS. Of a record that is purged here, nothing is kept."""
    rows = await run(act.connection, _PLACED, bundles.values(act, from_tenant, items))
    answers = {}
    for each in sorted(rows, key=lambda row: (str(row.patient_id), row.id)):
        if each.gone or each.is_purged:
            answers[each.id] = APPLIED
        elif each.patient_id is None:
            answers[each.id] = LATER
        elif not each.is_known:
            await _enter(act, from_tenant, each)
            answers[each.id] = APPLIED
        elif each.is_anothers:
            answers[each.id] = ANOTHERS
        else:
            await _shorten(act, each)
            answers[each.id] = APPLIED
    return answers


def unsettled(patient_id: ColumnElement[UUID]) -> Select[Any]:
    """The openings of a patient's record by break-glass here that no review has settled (`object_id`)."""
    return select(emergency_access.c.access_id.label("object_id")).where(
        emergency_access.c.patient_id == patient_id,
        emergency_access.c.origin.is_(None),
        or_(emergency_access.c.reviewed_at.is_(None), emergency_access.c.finding == Finding.TO_BE_FOLLOWED_UP.value),
    )


async def _enter(act: Act, from_tenant: str, said: Row[Any]) -> None:
    await emergencies.take_turn(act, said.patient_id)
    is_allowed = await _decided(act, from_tenant, said)
    until = said.valid_until if is_allowed else min(said.valid_until, act.now)
    await act.connection.execute(
        insert(emergency_access).values(
            patient_id=said.patient_id,
            access_id=said.id,
            **{name: getattr(said, name) for name in _CARRIED if name != "valid_until"},
            valid_until=until,
            review_due_at=act.now + timedelta(days=access.number(act.context, "break_glass.review_days")),
            origin=from_tenant,
        )
    )
    event = EmergencyChanged(patient_id=said.patient_id, access_id=said.id, act="break_glass")
    await outbox.publish_all(act, [event], is_addressed=True)
    await emergencies.tell(
        act,
        said.patient_id,
        key=f"break-glass:{said.id}",
        kind=NoticeKind.BREAK_GLASS,
        about=emergencies.came(said.name, said.profession, said.establishment),
        but=said.subject,
    )


async def _decided(act: Act, from_tenant: str, said: Row[Any]) -> bool:
    """Whether he would have been let in here, journalled in his name: the patient reads of it either way."""
    actor = Actor(
        kind=ActorKind.PROFESSIONAL,
        id=said.subject.removeprefix(_PROFESSIONAL),
        name=said.name,
        profession=said.profession,
        establishment=said.establishment,
    )
    context = replace(act.context, actor=actor, mode=Mode.BREAK_GLASS, purpose=Purpose.CARE)
    facts = await access.facts_of(context, act.connection, said.patient_id)
    decision = decide(facts, Kind.DOSSIER, Action.BREAK_GLASS, overrides=context.tenant.parameters)
    line = access.line(decision, Kind.DOSSIER, Action.BREAK_GLASS, said.patient_id, facts)
    about = {"reason": said.reason, "network": from_tenant, "opened_at": said.valid_from.isoformat()}
    await journal.append(act.connection, context, replace(line, facts={**line.facts, **about}))
    return decision.allowed


async def _shorten(act: Act, said: Row[Any]) -> None:
    ended = await act.connection.execute(
        update(emergency_access)
        .where(
            emergency_access.c.patient_id == said.patient_id,
            emergency_access.c.access_id == said.id,
            emergency_access.c.valid_until > said.valid_until,
        )
        .values(valid_until=said.valid_until)
    )
    if ended.rowcount:
        event = EmergencyChanged(patient_id=said.patient_id, access_id=said.id, act="end")
        await outbox.publish_all(act, [event], is_addressed=True)


def _gathered() -> Select[Any]:
    owed, person = bundles.owed(), patients.identity()
    is_gone = or_(emergency_access.c.access_id.is_(None), person.c.person_key.is_(None))
    return bundles.gathered(
        select(
            owed.c.id,
            owed.c.version,
            case((is_gone, True)).label("gone"),
            person.c.ins_oid,
            person.c.ins_value,
            *(emergency_access.c[name] for name in _CARRIED),
        )
        .select_from(owed)
        .outerjoin(emergency_access, (emergency_access.c.access_id == owed.c.id) & emergency_access.c.origin.is_(None))
        .outerjoin(person, person.c.patient_id == emergency_access.c.patient_id)
    )


def _placed() -> Select[Any]:
    given = bundles.given({name: emergency_access.c[name].type for name in _CARRIED})
    people, held = bundles.people(), emergency_access.alias("held")
    is_another = or_(
        held.c.origin.is_distinct_from(bundles.FROM_TENANT), held.c.patient_id.is_distinct_from(people.c.patient_id)
    )
    return (
        select(
            given.c.id,
            func.coalesce(given.c.gone, False).label("gone"),
            *(given.c[name] for name in _CARRIED),
            people.c.patient_id,
            func.coalesce(dossier.c.state == DossierState.PURGED.value, False).label("is_purged"),
            held.c.access_id.is_not(None).label("is_known"),
            is_another.label("is_anothers"),
        )
        .select_from(given)
        .outerjoin(people, bundles.is_said_of(given, people))
        .outerjoin(dossier, dossier.c.patient_id == people.c.patient_id)
        .outerjoin(held, held.c.access_id == given.c.id)
    )


_GATHERED: Final = Statement(_gathered())
_PLACED: Final = Statement(_placed())
