"""Documents that a domain above names one by one: which of them an actor may read, by facts of that domain.

What is attached to a case is such: the record stays closed but for these. The filter is the one of every list.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    Boolean,
    ColumnElement,
    FromClause,
    Row,
    Text,
    and_,
    any_,
    cast,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
)

from passerelle.audit import journal
from passerelle.audit.transactions import Act
from passerelle.dossier import access, reach
from passerelle.dossier.contents import content_binding
from passerelle.dossier.tables import document, dossier
from passerelle_policies.decision import Decision, DocumentFacts, decide
from passerelle_policies.vocabulary import Action, DocumentStatus, DossierState, Kind, Relation

_TEXTS: Final = ARRAY(Text())


def entries(name: str) -> FromClause:
    """Documents under a name of their own, for a statement that joins them."""
    return document.alias(name)


def lines(prefix: str = "reach") -> CTE:
    """The lines of the matrix of `reach.reach_parameters(prefix)`, read once for a whole statement."""
    given = reach.given_lines(prefix)
    return (
        select(
            cast(given.c.relations, _TEXTS).label("relations"),
            cast(given.c.types, _TEXTS).label("types"),
            given.c.sees_masked,
            given.c.sees_hidden_from_patient,
            given.c.sees_hidden_from_representatives,
            given.c.under_objection,
        )
        .cte(f"{prefix}_read")
        .prefix_with("materialized", dialect="postgresql")
    )


def visible_to_each(entry: Any, facts: Any, given: CTE) -> ColumnElement[bool]:
    """`reach.visible` where each row of a statement has facts of its own (`access.facts_row`); `given` are `lines`."""
    author = literal(Relation.AUTHOR.value, Text())
    by_him = any_(entry.c.author_ids) == access.ACTOR_ID
    held = func.array_remove(facts.c.relations, author, type_=_TEXTS).op("||", return_type=_TEXTS)(reach.EVERYONE)
    by_relation = given.c.relations.op("&&", return_type=Boolean())(held)
    reaches = and_(
        given.c.under_objection == facts.c.objection,
        or_(by_relation, and_(author == any_(given.c.relations), by_him)),
        entry.c.type_code == any_(given.c.types),
        or_(not_(entry.c.masked), given.c.sees_masked),
        or_(not_(access.is_hidden_from_patient(entry)), given.c.sees_hidden_from_patient),
        or_(not_(entry.c.hidden_from_representatives), given.c.sees_hidden_from_representatives),
    )
    return and_(
        facts.c.state == DossierState.OPEN.value,
        reach.is_let_through(facts),
        entry.c.status != DocumentStatus.DELETED.value,
        or_(not_(entry.c.document_id == any_(facts.c.withheld)), by_him),
        select(literal_column("1")).select_from(given).where(reaches).exists(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A document that was asked for by its id, and what was decided about reading it."""

    row: Row[Any]
    about: DocumentFacts
    decision: Decision


async def decided(
    act: Act, patient_id: UUID, document_ids: Collection[UUID], standing: access.Standing
) -> dict[UUID, Named]:
    """What is decided, by `standing`, about reading these documents of one patient; those of nobody or of another are
    left out. Nothing is journalled."""
    found = await act.connection.execute(
        select(document).where(document.c.patient_id == patient_id, document.c.document_id.in_(list(document_ids)))
    )
    overrides = act.context.tenant.parameters
    named = {}
    for row in found:
        about = access.document_facts(act.context, row, standing.withheld)
        decision = decide(standing.facts, Kind.DOCUMENT, Action.READ, about, overrides=overrides)
        named[row.document_id] = Named(row=row, about=about, decision=decision)
    return named


async def of_types(act: Act, patient_id: UUID, types: Collection[str], standing: access.Standing) -> list[Row[Any]]:
    """The documents of these types that `standing` lets read, newest first, without the versions that a later one
    stands for. Nothing is journalled."""
    found = await act.connection.execute(
        select(document)
        .where(document.c.patient_id == patient_id, document.c.type_code.in_(list(types)))
        .order_by(document.c.act_at.desc(), document.c.document_id.desc())
    )
    overrides = act.context.tenant.parameters

    def is_read(row: Row[Any]) -> bool:
        about = access.document_facts(act.context, row, standing.withheld)
        return decide(standing.facts, Kind.DOCUMENT, Action.READ, about, overrides=overrides).allowed

    seen = [row for row in found if is_read(row)]
    latest: dict[UUID, int] = {}
    for row in seen:
        latest[row.chain_id] = max(row.chain_position, latest.get(row.chain_id, 0))
    return [
        row for row in seen if row.chain_position == latest[row.chain_id] and row.status == DocumentStatus.CURRENT.value
    ]


async def contents(
    act: Act, patient_id: UUID, document_ids: Collection[UUID], standing: access.Standing
) -> dict[UUID, tuple[Named, bytes]]:
    """The octets of those of these documents that `standing` lets read and that are kept here, each reading journalled.
    Raises what reading a content raises: TryLater, BrokenIntegrity."""
    readable = {
        key: each
        for key, each in (await decided(act, patient_id, document_ids, standing)).items()
        if each.decision.allowed and each.row.content_name
    }
    if not readable:
        return {}
    tenant = act.context.tenant
    wrapped = await act.connection.scalar(select(dossier.c.wrapped_key).where(dossier.c.patient_id == patient_id))
    key = tenant.keys.dossier_key(tenant.id, patient_id, bytes(wrapped or b""))
    read = {}
    for document_id, each in readable.items():
        binding = content_binding(tenant.id, document_id)
        pieces = [piece async for piece in tenant.contents.read(each.row.content_name, key, binding)]
        read[document_id] = (each, b"".join(pieces))
    await journal.append_all(
        act.connection,
        act.context,
        [
            access.line(each.decision, Kind.DOCUMENT, Action.READ, patient_id, standing.facts, document_id, each.about)
            for document_id, each in readable.items()
        ],
    )
    return read
