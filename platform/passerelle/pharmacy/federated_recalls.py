"""Recalls and alerts that another network announced, and how far those of this one have come elsewhere.

Each network finds its own pharmacies, tells them and escalates by its own rules (`recall_delivery`); only the one that
announced a recall closes it. No patient is in any of this. Sources: CSP R.1111-20-1 ff., R.5124-55; decision 0135.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Select, Text, and_, bindparam, case, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit import outbox
from passerelle.audit.journal import NOBODY
from passerelle.audit.transactions import Act
from passerelle.dossier import access
from passerelle.dossier import federated_bundles as bundles
from passerelle.dossier.federated_bundles import APPLIED, LATER
from passerelle.kernel.database import Statement
from passerelle.kernel.prepared import run
from passerelle.pharmacy import recalls
from passerelle.pharmacy.recall_events import RecallIssued
from passerelle.pharmacy.tables import recall, recall_elsewhere
from passerelle_policies.vocabulary import Action, Kind

#: Another announcement has that reference of its authority here.
REFERENCE_TAKEN: Final = "RECALL_REFERENCE_TAKEN"
#: It is another network's than the one that speaks of it.
ANOTHERS: Final = "FEDERATION_RECALL_OF_ANOTHER"
_NEW, _CHANGED = "new", "changed"
_END: Final = ("closed_at", "closed_by")
_SAID: Final = ("kind", "level", "cip13", "batches", "message", "source", "reference", "issued_at", "issued_by", *_END)
_COUNTS: Final = (*recalls.COUNTED.values(), "escalated_pharmacies")
_TO: Final = bindparam("to_tenant", type_=Text())


async def gather(connection: AsyncConnection, recall_ids: Sequence[UUID], versions: Sequence[int]) -> str:
    """JSON text: of each recall that was announced here, what was announced and whether it is closed."""
    return await bundles.gather(connection, _GATHERED, bundles.owed_values(recall_ids, versions))


async def apply(act: Act, from_tenant: str, items: str) -> Mapping[UUID, str]:
    """Enter what another network announced, for the pharmacies of here to be found, and close what it closed.

    REFERENCE_TAKEN; ANOTHERS. The same announcement under the same reference is one: the one of here goes on, and that
    is `applied`.
    """
    rows = await run(act.connection, _APPLIED, bundles.values(act, from_tenant, items))
    for each in rows:
        if each.is_entered:
            await access.require(act, NOBODY, Kind.RECALL, Action.PUBLISH, reason=f"{from_tenant}/{each.id}")
        if each.is_closed:
            await access.require(act, NOBODY, Kind.RECALL, Action.CLOSE, reason=f"{from_tenant}/{each.id}")
    entered = [each.id for each in rows if each.is_entered]
    await outbox.publish_all(act, [RecallIssued(recall_id=each) for each in entered], is_addressed=True)
    await recalls.tell_origin(act, entered)
    return {each.id: each.answer for each in rows}


async def gather_follow_up(
    connection: AsyncConnection, to_tenant: str, recall_ids: Sequence[UUID], versions: Sequence[int]
) -> str:
    """JSON text: of each recall that this network announced, how many pharmacies of here have come how far."""
    given = bundles.owed_values(recall_ids, versions) | {"to_tenant": to_tenant}
    return await bundles.gather(connection, _FOLLOWED, given)


async def apply_follow_up(act: Act, from_tenant: str, items: str) -> Mapping[UUID, str]:
    """Keep how far recalls of this network have come in another. ANOTHERS."""
    rows = await run(act.connection, _FOLLOW_UP, bundles.values(act, from_tenant, items))
    return {each.id: each.answer for each in rows}


def _gathered() -> Select[Any]:
    owed = bundles.owed()
    return bundles.gathered(
        select(
            owed.c.id,
            owed.c.version,
            case((recall.c.recall_id.is_(None), True)).label("gone"),
            *(recall.c[name] for name in _SAID),
        ).select_from(owed.outerjoin(recall, and_(recall.c.recall_id == owed.c.id, recall.c.origin.is_(None))))
    )


def _followed() -> Select[Any]:
    owed, here = bundles.owed(), recalls.how_far().subquery("here")
    announced = and_(recall.c.recall_id == owed.c.id, recall.c.origin == _TO)
    return bundles.gathered(
        select(
            owed.c.id,
            owed.c.version,
            case((recall.c.recall_id.is_(None), True)).label("gone"),
            *(here.c[name] for name in _COUNTS),
        )
        .select_from(owed)
        .outerjoin(recall, announced)
        .outerjoin(here, here.c.recall_id == recall.c.recall_id)
    )


def _is_same(given: CTE, named: Any) -> ColumnElement[bool]:
    said = ("level", "message", "cip13", "batches")
    return and_(*(named.c[name].is_not_distinct_from(given.c[name]) for name in said))


def _applied() -> Select[Any]:
    given = bundles.given({name: recall.c[name].type for name in _SAID})
    held, named = recall.alias("held"), recall.alias("named")
    placed = (
        select(
            *given.c,
            case(
                (given.c.gone, APPLIED),
                (
                    held.c.recall_id.is_not(None),
                    case((held.c.origin.is_distinct_from(bundles.FROM_TENANT), ANOTHERS), else_=_CHANGED),
                ),
                (named.c.recall_id.is_not(None), case((_is_same(given, named), APPLIED), else_=REFERENCE_TAKEN)),
                else_=_NEW,
            ).label("answer"),
            held.c.closed_at.label("was_closed_at"),
        )
        .select_from(given)
        .outerjoin(held, held.c.recall_id == given.c.id)
        .outerjoin(named, and_(named.c.source == given.c.source, named.c.reference == given.c.reference))
        .cte("placed")
        .prefix_with("materialized", dialect="postgresql")
    )
    row = {"recall_id": placed.c.id, **{name: placed.c[name] for name in _SAID}, "origin": bundles.FROM_TENANT}
    # Of one that is announced here under the same reference in the same instant, this one comes later.
    entered = (
        upsert(recall)
        .from_select(list(row), select(*row.values()).where(placed.c.answer == _NEW))
        .on_conflict_do_nothing()
        .returning(recall.c.recall_id)
        .cte("entered")
    )
    changed = (
        update(recall)
        .values(**{name: placed.c[name] for name in _END})
        .where(recall.c.recall_id == placed.c.id, placed.c.answer == _CHANGED)
    )
    is_entered = placed.c.id.in_(select(entered.c.recall_id))
    is_closed = and_(placed.c.answer == _CHANGED, placed.c.closed_at.is_not(None), placed.c.was_closed_at.is_(None))
    return select(
        placed.c.id,
        case(
            (or_(placed.c.answer == _CHANGED, is_entered), APPLIED),
            (placed.c.answer == _NEW, LATER),
            else_=placed.c.answer,
        ).label("answer"),
        is_entered.label("is_entered"),
        is_closed.label("is_closed"),
    ).add_cte(changed.cte("changed"))


def _follow_up() -> Select[Any]:
    given = bundles.given({name: recall_elsewhere.c[name].type for name in _COUNTS})
    announced = select(recall.c.recall_id).where(recall.c.recall_id == given.c.id, recall.c.origin.is_(None)).exists()
    row = {
        "recall_id": given.c.id,
        "network": bundles.FROM_TENANT,
        **{name: given.c[name] for name in _COUNTS},
        "told_at": bundles.NOW,
    }
    is_told = and_(given.c.gone.is_(None), announced)
    new = upsert(recall_elsewhere).from_select(list(row), select(*row.values()).where(is_told))
    kept = new.on_conflict_do_update(
        index_elements=["recall_id", "network"],
        set_={name: new.excluded[name] for name in (*_COUNTS, "told_at")},
    )
    answer = case((or_(given.c.gone, announced), APPLIED), else_=literal(ANOTHERS))
    return select(given.c.id, answer.label("answer")).add_cte(kept.cte("kept"))


_GATHERED: Final = Statement(_gathered())
_APPLIED: Final = Statement(_applied())
_FOLLOWED: Final = Statement(_followed())
_FOLLOW_UP: Final = Statement(_follow_up())
