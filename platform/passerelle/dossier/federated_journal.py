"""Who came to a patient's record away from home, line by line, for his journal at home.

A line about a document waits until home has its entry, so that what hides the document hides the line; what keeps a
visit from a representative does so by the same documents. Source: CSP L.1111-19; decision 0135.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    Select,
    Uuid,
    and_,
    bindparam,
    case,
    column,
    func,
    not_,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from passerelle.audit import journal, lines_elsewhere
from passerelle.audit.transactions import Act
from passerelle.dossier import federated_bundles as bundles
from passerelle.dossier.federated_bundles import APPLIED, LATER, SELF
from passerelle.dossier.tables import document, document_twin
from passerelle.identities import patients
from passerelle.kernel.database import Statement
from passerelle.kernel.prepared import run
from passerelle_policies.vocabulary import ActorKind

#: In the place of the pseudonym of whoever is not the patient himself.
SOMEBODY: Final = "person"
_WRITTEN: Final = ("patient_id", *lines_elsewhere.CARRIED)


async def gather(
    connection: AsyncConnection, ids: Sequence[UUID], patient_ids: Sequence[UUID], versions: Sequence[int]
) -> str:
    """JSON text: the lines of the journal here, with the INS of whom they are about; `gone` for one that was pruned.

    The patient is `self`; of other persons, who have a pseudonym in each network, the name alone goes over.
    """
    values = bundles.owed_values(ids, versions)
    values |= {"patients": list(patient_ids), "lines": [lines_elsewhere.line_of(each) for each in ids]}
    return await bundles.gather(connection, _GATHERED, values)


async def apply(act: Act, from_tenant: str, items: str) -> Mapping[UUID, str]:
    """Enter the lines in the journals of their patients; by line what became of it. `later` while the patient, or the
    document that it is about, is not known here."""
    rows = await run(act.connection, _ENTERED, bundles.values(act, from_tenant, items))
    return {row.id: row.answer for row in rows}


def _gathered() -> Select[Any]:
    types: dict[str, TypeEngine[Any]] = {
        "ids": Uuid(),
        "versions": BigInteger(),
        "patients": Uuid(),
        "lines": BigInteger(),
    }
    names = ("id", "version", "patient_id", "line")
    owed = (
        func.unnest(*(bindparam(name, type_=ARRAY(type_)) for name, type_ in types.items()))
        .table_valued(*(column(name, type_) for name, type_ in zip(names, types.values(), strict=True)))
        .render_derived(name="owed")
    )
    lines, person = journal.lines(), patients.identity()
    is_person = lines.c.actor_kind == ActorKind.PERSON.value
    actor_id = case(
        (and_(is_person, lines.c.actor_id == person.c.person_key), SELF), (is_person, SOMEBODY), else_=lines.c.actor_id
    )
    kept = select(document.c.document_id).where(
        document.c.patient_id == lines.c.patient_id, document.c.document_id == lines.c.document_id
    )
    carried = (lines.c[name] for name in lines_elsewhere.CARRIED if name != "actor_id")
    return bundles.gathered(
        select(
            owed.c.id,
            owed.c.version,
            case((or_(lines.c.line_id.is_(None), person.c.person_key.is_(None)), True)).label("gone"),
            person.c.ins_oid,
            person.c.ins_value,
            owed.c.line,
            kept.exists().label("is_kept"),
            actor_id.label("actor_id"),
            *carried,
        )
        .select_from(owed)
        .outerjoin(lines, and_(lines.c.patient_id == owed.c.patient_id, lines.c.line_id == owed.c.line))
        .outerjoin(person, person.c.patient_id == owed.c.patient_id)
        .order_by(owed.c.line)
    )


def _entered() -> Select[Any]:
    columns = {name: journal.lines().c[name].type for name in lines_elsewhere.CARRIED}
    given = bundles.given({**columns, "line": BigInteger(), "is_kept": Boolean()})
    people, network = bundles.people(), bundles.FROM_TENANT
    twin = (
        select(document_twin.c.document_id)
        .where(
            document_twin.c.patient_id == people.c.patient_id,
            document_twin.c.network == network,
            document_twin.c.held_as == given.c.document_id,
        )
        .limit(1)
        .scalar_subquery()
    )
    entry = (
        select(document.c.document_id)
        .where(document.c.patient_id == people.c.patient_id, document.c.document_id == given.c.document_id)
        .scalar_subquery()
    )
    here = case((given.c.is_kept, func.coalesce(entry, twin)), else_=given.c.document_id)
    said: dict[str, ColumnElement[Any]] = {name: given.c[name] for name in lines_elsewhere.CARRIED}
    said["actor_id"] = case((given.c.actor_id == SELF, people.c.person_key), else_=given.c.actor_id)
    said["facts"] = lines_elsewhere.facts_of(given.c.facts, network, given.c.line)
    said["document_id"] = here
    is_ready = and_(people.c.patient_id.is_not(None), or_(not_(given.c.is_kept), here.is_not(None)))
    item = (
        select(
            given.c.id,
            given.c.line,
            people.c.patient_id,
            *(each.label(name) for name, each in said.items()),
            func.coalesce(given.c.gone, False).label("is_gone"),
            is_ready.label("is_ready"),
        )
        .select_from(given.outerjoin(people, bundles.is_said_of(given, people)))
        .cte("item")
        .prefix_with("materialized", dialect="postgresql")
    )
    fresh = (
        select(*(item.c[name] for name in _WRITTEN))
        .where(
            not_(item.c.is_gone),
            item.c.is_ready,
            not_(lines_elsewhere.is_entered(item.c.patient_id, network, item.c.line, item.c.at)),
        )
        .order_by(item.c.line)
        .subquery("fresh")
    )
    written = lines_elsewhere.entered(fresh, _WRITTEN).returning(journal.lines().c.line_id).cte("written")
    answer = case((or_(item.c.is_gone, item.c.is_ready), APPLIED), else_=LATER)
    return select(item.c.id, answer.label("answer")).add_cte(written)


_GATHERED: Final = Statement(_gathered())
_ENTERED: Final = Statement(_entered())
