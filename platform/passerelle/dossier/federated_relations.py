"""Who is tied to a patient and who is kept out, in every network that has something of his.

The whole set goes at once, from wherever it changed to everywhere else. A row is written once and only ever ends
sooner, so that whatever the order in which networks hear of each other, they end with the same rows; of two attending
physicians the one named last stands. What only holds in one place stays there: attestations of who is before the
patient, boards, emergencies. A representative goes by his INS, and stays where none is known of him. Sources: CSP
L.1111-19, R.1111-46.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    JSON,
    ColumnElement,
    Select,
    Table,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    column,
    func,
    literal_column,
    or_,
    select,
    true,
    tuple_,
    union,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit import outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import emergencies
from passerelle.dossier import federated_bundles as bundles
from passerelle.dossier.events import RelationChanged
from passerelle.dossier.federated_bundles import APPLIED, LATER
from passerelle.dossier.tables import (
    block,
    care_team,
    care_team_member,
    dossier,
    emergency_objection,
    relation,
    team_consent,
    team_exclusion,
)
from passerelle.identities import patients
from passerelle.kernel.database import Statement
from passerelle.kernel.prepared import run
from passerelle_policies.vocabulary import ActorKind, DossierState, Relation

_TRAVELS: Final = (Relation.ATTENDING_PHYSICIAN, Relation.AUTHORIZED, Relation.REPRESENTATIVE)
_BY: Final = frozenset({"recorded_by", "withdrawn_by", "asked_by", "added_by", "removed_by"})
_ENDED_BY: Final = frozenset({"withdrawn_by", "removed_by"})
_PERSON: Final = f"{ActorKind.PERSON}:"
_NEVER: Final[ColumnElement[Any]] = literal_column("'infinity'::timestamptz")


@dataclass(frozen=True, slots=True)
class _Rows:
    """One table of the set, as `said` names it in a bundle."""

    said: str
    table: Table

    @property
    def names(self) -> list[str]:
        return [each.name for each in self.table.c if each.name != "patient_id"]

    @property
    def key(self) -> list[str]:
        return [each.name for each in self.table.primary_key]


_SET: Final = (
    _Rows("relations", relation),
    _Rows("blocks", block),
    _Rows("objections", emergency_objection),
    _Rows("teams", care_team),
    _Rows("members", care_team_member),
    _Rows("consents", team_consent),
    _Rows("exclusions", team_exclusion),
)


async def gather(connection: AsyncConnection, patient_ids: Sequence[UUID], versions: Sequence[int]) -> str:
    """JSON text: of each patient, every row of the set, those that ended too; `gone` once his record is purged."""
    return await bundles.gather(connection, _GATHERED, bundles.owed_values(patient_ids, versions))


async def apply(act: Act, from_tenant: str, items: str) -> Mapping[UUID, str]:
    """Add the rows that are new here and end those that ended; by patient (of the other network) what became of it.

    `later` while the patient is not known here. Whoever is in by break-glass is out once the patient objects.
    """
    rows = await run(act.connection, _APPLIED, bundles.values(act, from_tenant, items))
    changed = sorted({each.patient_id for each in rows if each.is_changed})
    if changed:
        await run(act.connection, _ONE_ATTENDING, {"patients": changed})
    events = [RelationChanged(patient_id=each, act="carry", relation="every") for each in changed]
    await outbox.publish_all(act, events, is_addressed=True)
    for each in rows:
        if each.is_objecting:
            await emergencies.take_turn(act, each.patient_id)
            await emergencies.end_live(act, each.patient_id)
    return {each.id: each.answer for each in rows}


def _of(table: Table, patient_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """SQL condition: a row of the set is this patient's."""
    if table is relation:
        return and_(table.c.patient_id == patient_id, table.c.relation.in_([each.value for each in _TRAVELS]))
    if "patient_id" in table.c:
        return table.c.patient_id == patient_id
    consented = select(team_consent.c.team_id).where(team_consent.c.patient_id == patient_id)
    return table.c.team_id.in_(consented)


def _said(rows: _Rows, patient_id: ColumnElement[Any], person_key: ColumnElement[Any]) -> ColumnElement[Any]:
    table, whose = rows.table, patients.identity().alias("whose")
    sent = {name: bundles.sent(table.c[name], person_key) if name in _BY else table.c[name] for name in rows.names}
    if table is relation:
        is_person = relation.c.subject.startswith(_PERSON)
        sent["subject"] = case((is_person, _PERSON), else_=relation.c.subject)
        sent |= {"ins_oid": whose.c.ins_oid, "ins_value": whose.c.ins_value}
        each = (
            select(*(value.label(name) for name, value in sent.items()))
            .select_from(relation.outerjoin(whose, relation.c.subject == _PERSON + whose.c.person_key))
            .where(_of(relation, patient_id), or_(~is_person, whose.c.ins_value.is_not(None)))
        )
    else:
        each = select(*(value.label(name) for name, value in sent.items())).where(_of(table, patient_id))
    part = each.correlate_except(table, whose, team_consent).subquery(f"each_{rows.said}")
    return select(func.json_agg(func.row_to_json(part.table_valued()))).scalar_subquery()


def _gathered() -> Select[Any]:
    owed, person = bundles.owed(), patients.identity()
    is_gone = or_(dossier.c.state == DossierState.PURGED.value, person.c.person_key.is_(None))
    return bundles.gathered(
        select(
            owed.c.id,
            owed.c.version,
            case((func.coalesce(is_gone, True), True)).label("gone"),
            person.c.ins_oid,
            person.c.ins_value,
            *(_said(each, person.c.patient_id, person.c.person_key).label(each.said) for each in _SET),
        )
        .select_from(owed)
        .outerjoin(person, person.c.patient_id == owed.c.id)
        .outerjoin(dossier, dossier.c.patient_id == owed.c.id)
    )


def _placed() -> CTE:
    given, people = bundles.given({each.said: JSON() for each in _SET}), bundles.people()
    is_purged = func.coalesce(dossier.c.state == DossierState.PURGED.value, False)
    return (
        select(
            *given.c,
            people.c.patient_id,
            people.c.person_key,
            case((or_(given.c.gone, people.c.patient_id.is_not(None)), APPLIED), else_=LATER).label("answer"),
            and_(people.c.patient_id.is_not(None), func.coalesce(~given.c.gone, True), ~is_purged).label("is_taken"),
        )
        .select_from(given)
        .outerjoin(people, bundles.is_said_of(given, people))
        .outerjoin(dossier, dossier.c.patient_id == people.c.patient_id)
        .cte("placed")
        .prefix_with("materialized", dialect="postgresql")
    )


def _written(rows: _Rows, placed: CTE) -> CTE:
    """Add what is new of one table, and end what ends sooner: a CTE with what it changed."""
    table, named = rows.table, bundles.meant()
    types = {name: table.c[name].type for name in rows.names}
    if table is relation:
        types |= {"ins_oid": Text(), "ins_value": Text()}
    each = (
        func.json_to_recordset(placed.c[rows.said])
        .table_valued(*(column(name, of_type) for name, of_type in types.items()))
        .render_derived(name=f"each_{rows.said}", with_types=True)
        .lateral()
    )
    read: dict[str, Any] = {
        name: bundles.received(each.c[name], placed.c.person_key) if name in _BY else each.c[name]
        for name in rows.names
    }
    taken = placed.join(each, true())
    if table is relation:
        taken = taken.outerjoin(named, and_(named.c.ins_oid == each.c.ins_oid, named.c.ins_value == each.c.ins_value))
        read["subject"] = case((named.c.key.is_not(None), _PERSON + named.c.key), else_=each.c.subject)
    if "patient_id" in table.c:
        read = {"patient_id": placed.c.patient_id, **read}
    chosen = select(*(value.label(name) for name, value in read.items())).select_from(taken).where(placed.c.is_taken)
    said = upsert(table).from_select(list(read), chosen.distinct())
    if table is care_team:
        return said.on_conflict_do_nothing().cte(rows.said)
    ended_by = {name: func.coalesce(table.c[name], said.excluded[name]) for name in rows.names if name in _ENDED_BY}
    return (
        said.on_conflict_do_update(
            index_elements=rows.key,
            set_={"valid_until": said.excluded.valid_until, **ended_by},
            where=said.excluded.valid_until < func.coalesce(table.c.valid_until, _NEVER),
        )
        .returning(*(table.c[name] for name in ("patient_id", "valid_until") if name in table.c))
        .cte(rows.said)
    )


def _applied() -> Select[Any]:
    placed = _placed()
    written = {each.said: _written(each, placed) for each in _SET}
    patients_of = [select(each.c.patient_id) for each in written.values() if "patient_id" in each.c]
    changed = union(*patients_of).cte("changed")
    objecting = select(written["objections"].c.patient_id).where(written["objections"].c.valid_until.is_(None))
    return select(
        placed.c.id,
        placed.c.patient_id,
        placed.c.answer,
        placed.c.patient_id.in_(select(changed.c.patient_id)).label("is_changed"),
        placed.c.patient_id.in_(objecting).label("is_objecting"),
    ).add_cte(written["teams"], written["members"])


def _one_attending() -> Any:
    """End who was the attending physician before another one was named, wherever that was."""
    later = relation.alias("later")
    is_attending = Relation.ATTENDING_PHYSICIAN.value
    follows = (
        select(func.min(later.c.valid_from))
        .where(
            later.c.patient_id == relation.c.patient_id,
            later.c.relation == is_attending,
            tuple_(later.c.valid_from, later.c.relation_id) > tuple_(relation.c.valid_from, relation.c.relation_id),
        )
        .scalar_subquery()
    )
    return (
        update(relation)
        .values(valid_until=follows)
        .where(
            relation.c.patient_id == any_(bindparam("patients", type_=ARRAY(Uuid()))),
            relation.c.relation == is_attending,
            follows < func.coalesce(relation.c.valid_until, _NEVER),
        )
    )


_GATHERED: Final = Statement(_gathered())
_APPLIED: Final = Statement(_applied())
_ONE_ATTENDING: Final = Statement(_one_attending())
