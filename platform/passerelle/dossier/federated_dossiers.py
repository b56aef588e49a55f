"""The life of a record, as its patient's home has it, in the other networks that hold something of his.

Suspended, resumed, closed, reopened and purged there, it is so here; every other act is a network's own. What home
suspended or closed, home gives back: what was stopped here for another reason stays so. Sources: CSP R.1111-36,
L.1111-14.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, Text, and_, case, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit import journal, outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import federated_bundles as bundles
from passerelle.dossier import house_rules, lifecycle
from passerelle.dossier.events import DossierChanged
from passerelle.dossier.federated_bundles import APPLIED, LATER, DecidedBy
from passerelle.dossier.tables import dossier, dossier_act
from passerelle.identities import patients
from passerelle.kernel.database import Statement
from passerelle.kernel.prepared import run
from passerelle_policies.vocabulary import Action, DossierState, Kind

_OPEN, _SUSPENDED = DossierState.OPEN.value, DossierState.SUSPENDED.value
_CLOSED, _PURGED = DossierState.CLOSED.value, DossierState.PURGED.value
#: Who acts here for another network is called so (`passerelle_tenants.federation.office`).
FEDERATION: Final = "federation:"


async def gather(connection: AsyncConnection, patient_ids: Sequence[UUID], versions: Sequence[int]) -> str:
    """JSON text: of each patient, the state of his record here and what it rests on."""
    return await bundles.gather(connection, _GATHERED, bundles.owed_values(patient_ids, versions))


async def apply(act: Act, from_tenant: str, items: str, decided_by: DecidedBy) -> Mapping[UUID, str]:
    """Suspend, resume, close, reopen or purge as home did; by patient (of the other network) what became of it.

    `later` while the patient is not known here, or the sender is not known to be his home. Where there was no record
    there is none to open any more.
    """
    people = bundles.values(act, from_tenant, items)
    await run(act.connection, _LOCKED, people)
    rows = await run(act.connection, _FOUND, people)
    his = await decided_by(act.connection, {row.patient_id for row in rows if row.patient_id is not None})
    for row in rows:
        if row.becomes is not None and row.becomes != row.state and row.patient_id in his:
            await _to(act, row)
    return {row.id: row.answer if row.patient_id is None or row.patient_id in his else LATER for row in rows}


def _gathered() -> Select[Any]:
    owed, person, last = bundles.owed(), patients.identity(), dossier_act.alias("last")
    newest = (
        select(last.c.basis)
        .where(last.c.patient_id == owed.c.id)
        .order_by(last.c.at.desc(), last.c.act_id)
        .limit(1)
        .correlate(owed)
        .scalar_subquery()
    )
    return bundles.gathered(
        select(
            owed.c.id,
            owed.c.version,
            case((or_(dossier.c.state.is_(None), person.c.person_key.is_(None)), True)).label("gone"),
            person.c.ins_oid,
            person.c.ins_value,
            dossier.c.state,
            dossier.c.closed_at,
            dossier.c.purge_after,
            newest.label("basis"),
        )
        .select_from(owed)
        .outerjoin(dossier, dossier.c.patient_id == owed.c.id)
        .outerjoin(person, person.c.patient_id == owed.c.id)
    )


def _found() -> Select[Any]:
    """Each record of a bundle beside the one that is here, locked, and what it becomes."""
    types = {name: dossier.c[name].type for name in ("state", "closed_at", "purge_after")}
    given, people = bundles.given({**types, "basis": Text()}), bundles.people()
    here, last = dossier.alias("here"), dossier_act.alias("last")
    is_homes = and_(last.c.actor_kind == bundles.ACTOR_KIND, last.c.actor_id.startswith(FEDERATION))

    def before(state: str) -> ColumnElement[str | None]:
        """What the record was before home brought it to this state last; null where home did not."""
        return (
            select(case((is_homes, last.c.from_state)))
            .where(last.c.patient_id == here.c.patient_id, last.c.to_state == state)
            .order_by(last.c.at.desc(), last.c.act_id)
            .limit(1)
            .scalar_subquery()
        )

    is_open_there = given.c.state == _OPEN
    resumed = case((and_(is_open_there, before(_SUSPENDED).is_not(None)), _OPEN), else_=_SUSPENDED)
    reopened = case((before(_CLOSED) == _SUSPENDED, resumed), else_=before(_CLOSED))
    becomes = case(
        (or_(given.c.gone, people.c.patient_id.is_(None), here.c.state == _PURGED), None),
        (given.c.state.in_([_CLOSED, _PURGED]), given.c.state),
        (
            and_(
                given.c.state == _SUSPENDED,
                or_(here.c.state == _OPEN, and_(here.c.state == _CLOSED, before(_CLOSED).in_([_OPEN, _SUSPENDED]))),
            ),
            _SUSPENDED,
        ),
        (here.c.state == _CLOSED, reopened),
        (here.c.state == _SUSPENDED, resumed),
    )
    answer = case((or_(given.c.gone, people.c.patient_id.is_not(None)), APPLIED), else_=LATER)
    return (
        select(
            given.c.id,
            given.c.closed_at,
            given.c.purge_after,
            given.c.basis,
            people.c.patient_id,
            here.c.state,
            becomes.label("becomes"),
            answer.label("answer"),
        )
        .select_from(given)
        .outerjoin(people, bundles.is_said_of(given, people))
        .outerjoin(here, here.c.patient_id == people.c.patient_id)
        .order_by(people.c.patient_id)
    )


async def _to(act: Act, row: Row[Any]) -> None:
    patient_id = row.patient_id
    action = {_CLOSED: Action.CLOSE, _PURGED: Action.PURGE, _SUSPENDED: Action.SUSPEND}.get(row.becomes)
    if action is None:
        action = Action.RESUME if row.state == _SUSPENDED else Action.REOPEN
    changes: dict[str, Any] = {"closed_at": None, "purge_after": None}
    if action is Action.CLOSE:
        changes = {"closed_at": row.closed_at, "purge_after": row.purge_after}
    elif action is Action.PURGE:
        changes = {}
    await lifecycle.write(act, patient_id, action, row.state, row.becomes, basis=row.basis, **changes)
    changed = DossierChanged(patient_id=patient_id, act=action.value, to_state=row.becomes)
    await outbox.publish_all(act, [changed], is_addressed=True)
    said = house_rules.line(act, Kind.DOSSIER, action, "decided-at-home", patient_id=patient_id)
    await journal.append(act.connection, act.context, said)


def _locked() -> Select[Any]:
    people = bundles.people()
    of_people = dossier.c.patient_id.in_(select(people.c.patient_id))
    return select(dossier.c.patient_id).where(of_people).order_by(dossier.c.patient_id).with_for_update()


_LOCKED: Final = Statement(_locked())
_GATHERED: Final = Statement(_gathered())
_FOUND: Final = Statement(_found())
