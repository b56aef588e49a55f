"""A bundle of states as another network gathered it (JSON text): what every kind of them is read by.

Who is meant is said by INS, within what is sealed: a pseudonym is a network's own (`Keys.person_key`).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    JSON,
    BigInteger,
    Boolean,
    ColumnElement,
    DateTime,
    Select,
    TableValuedAlias,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    column,
    func,
    select,
    true,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import LateralFromClause, NamedFromClause
from sqlalchemy.types import TypeEngine

from passerelle.audit.transactions import Act
from passerelle.identities import patients
from passerelle.kernel.database import Statement
from passerelle.kernel.prepared import run
from passerelle_policies.vocabulary import ActorKind

APPLIED, LATER = "applied", "later"
#: Stands for the patient himself, whose pseudonym is each network's own.
SELF: Final = "self"
FROM_TENANT: Final = bindparam("from_tenant", type_=Text())
NOW: Final = bindparam("at", type_=DateTime(timezone=True))
ACTOR_KIND: Final = bindparam("actor_kind", type_=Text())
ACTOR_ID: Final = bindparam("actor_id", type_=Text())
_PERSON: Final = f"{ActorKind.PERSON}:"
_TEXTS: Final = ARRAY(Text())
# In what a network gathers, a quote within a text is escaped: no title can look like one of these.
_IDS = re.compile(r'"(?:id|held_as)"\s*:\s*"([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})"')
_INS = re.compile(r'"ins_oid"\s*:\s*"([^"\\]*)"\s*,\s*"ins_value"\s*:\s*"([^"\\]*)"')


def ids_in(items: str) -> list[str]:
    """The objects that a bundle is about, and perhaps more: only to lock them."""
    return list(set(_IDS.findall(items)))


def values(act: Act, from_tenant: str, items: str) -> dict[str, Any]:
    """The bind values of whatever takes a bundle in."""
    return {"items": items, **values_for(act, from_tenant, set(_INS.findall(items)))}


def values_for(act: Act, from_tenant: str, identities: Collection[tuple[str, str]]) -> dict[str, Any]:
    """The same but for what it says: who sent it, and whom it names (OID and value of each INS)."""
    keys, actor = act.context.tenant.keys, act.context.actor
    return {
        "from_tenant": from_tenant,
        "oids": [oid for oid, _ in identities],
        "values": [value for _, value in identities],
        "keys": [keys.person_key(oid, value) for oid, value in identities],
        "at": act.now,
        "actor_kind": actor.kind.value,
        "actor_id": actor.id,
    }


#: Of patients, those of whom the network that sent a bundle decides.
DecidedBy: TypeAlias = Callable[[AsyncConnection, Collection[UUID]], Awaitable[set[UUID]]]


#: What is said of every object: `gone` when it is no more, and the INS of the patient.
SAID: Final[dict[str, TypeEngine[Any]]] = {
    "id": Uuid(),
    "version": BigInteger(),
    "gone": Boolean(),
    "ins_oid": Text(),
    "ins_value": Text(),
}


def given(columns: Mapping[str, TypeEngine[Any]]) -> CTE:
    """What a bundle says, a row for each object: `SAID` and `columns`."""
    said = (
        func.json_to_recordset(cast(bindparam("items", type_=Text()), JSON))
        .table_valued(*(column(name, of_type) for name, of_type in (SAID | dict(columns)).items()))
        .render_derived(name="said", with_types=True)
    )
    return select(said).cte("given").prefix_with("materialized", dialect="postgresql")


def meant() -> TableValuedAlias:
    """Whom a bundle names: `ins_oid`, `ins_value`, and `key`, his pseudonym here, whether or not he is known."""
    texts = [bindparam(name, type_=_TEXTS) for name in ("oids", "values", "keys")]
    return (
        func.unnest(*texts)
        .table_valued(column("ins_oid", Text()), column("ins_value", Text()), column("key", Text()))
        .render_derived(name="meant")
    )


def people() -> CTE:
    """Those whom a bundle names and who are known here: `ins_oid`, `ins_value`, `patient_id`, `person_key`."""
    named, person = meant(), patients.identity()
    person_row = its(person, person.c.person_key == named.c.key)
    return (
        select(named.c.ins_oid, named.c.ins_value, person_row.c.patient_id, person_row.c.person_key)
        .join_from(named, person_row, true())
        .cte("people")
    )


def its(row: NamedFromClause[Any], condition: ColumnElement[bool]) -> LateralFromClause:
    """SQL: the one row of a table that belongs to what stands before it in a join.

    Looked up for each, by index, whatever PostgreSQL believed of the table when it made the plan that it keeps.
    """
    return select(row).where(condition).limit(1).lateral(f"its_{row.name}")


def is_said_of(given: CTE, people: CTE) -> ColumnElement[bool]:
    """SQL condition: a row of a bundle is about one of these people."""
    return (people.c.ins_oid == given.c.ins_oid) & (people.c.ins_value == given.c.ins_value)


def owed() -> TableValuedAlias:
    """The objects to gather: `id`, `version`."""
    ids, versions = bindparam("ids", type_=ARRAY(Uuid())), bindparam("versions", type_=ARRAY(BigInteger()))
    return (
        func.unnest(ids, versions)
        .table_valued(column("id", Uuid()), column("version", BigInteger()))
        .render_derived(name="owed")
    )


async def gather(connection: AsyncConnection, statement: Statement, values: Mapping[str, Any]) -> str:
    """What a statement over `gathered` gives."""
    [(items,)] = await run(connection, statement, values)
    return str(items)


def owed_values(ids: Sequence[UUID], versions: Sequence[int]) -> dict[str, Any]:
    """The bind values of whatever gathers."""
    return {"ids": list(ids), "versions": list(versions)}


def gathered(rows: Select[Any]) -> Select[Any]:
    """The JSON text of a bundle: each row of `rows` is an object."""
    each = rows.subquery("each")
    text = cast(func.json_agg(func.row_to_json(each.table_valued())), Text())
    return select(func.coalesce(text, "[]"))


def sent(subject: ColumnElement[Any], person_key: ColumnElement[Any]) -> ColumnElement[Any]:
    """SQL value: a subject (`kind:id`) to send: the patient is himself, other persons have no pseudonym."""
    return case(
        (subject == _PERSON + person_key, f"{_PERSON}{SELF}"), (subject.startswith(_PERSON), _PERSON), else_=subject
    )


def received(subject: ColumnElement[Any], person_key: ColumnElement[Any]) -> ColumnElement[Any]:
    """SQL value: a subject that was `sent`, with the patient's pseudonym here."""
    return case((subject == f"{_PERSON}{SELF}", _PERSON + person_key), else_=subject)
