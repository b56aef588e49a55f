"""Recalls of batches and alerts to pharmacies: issued by an authority, acknowledged by each pharmacy, followed.

A recall reaches the pharmacies that dispensed the product, an alert reaches all of them (`recall_delivery`). Until a
pharmacy has acknowledged an urgent one that it received, it records no dispensing (`must_have_acknowledged`).
Sources: CSP R.1111-20-1 ff. (the pharmacy record serves recalls and alerts too), R.5124-55 (recall of batches);
decision 0113.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    RowMapping,
    Select,
    Text,
    and_,
    any_,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.audit import journal, outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import access
from passerelle.dossier.formats import values
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict, InvalidInput, LimitExceeded
from passerelle.pharmacy import windows
from passerelle.pharmacy.recall_events import RecallAcknowledged, RecallClosed, RecallIssued, RecallMoved
from passerelle.pharmacy.reference.cip import is_cip13
from passerelle.pharmacy.tables import recall, recall_delivery, recall_elsewhere
from passerelle_policies.vocabulary import Action, Kind

_MESSAGE: Final = 4000
_BATCHES: Final = 200


class RecallKind(StrEnum):
    RECALL = "recall"  # of a product that was dispensed (DP-Rappels)
    ALERT = "alert"  # to every pharmacy (DP-Alertes)


class RecallLevel(StrEnum):
    URGENT = "urgent"
    STANDARD = "standard"


class RecallState(StrEnum):
    """How far it has come in one pharmacy. One that is escalated may still be acknowledged."""

    ISSUED = "issued"
    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"
    ESCALATED = "escalated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """What an authority announces. A recall names its product, and its batches unless it is of all of them.

    `source` and `reference` are the authority and its own number, under which nothing is announced twice.
    """

    level: RecallLevel
    message: str
    source: str
    reference: str
    cip13: str | None = None
    batches: tuple[str, ...] = ()

    @property
    def kind(self) -> RecallKind:
        return RecallKind.RECALL if self.cip13 else RecallKind.ALERT


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall(Announced):
    recall_id: UUID
    issued_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp(Recall):
    """How many pharmacies have come how far, and which are to be reached in another way (FINESS numbers); those of
    other networks are counted once their network told of them (`told_by`)."""

    waiting: int
    delivered: int
    acknowledged: int
    escalated: int
    escalated_pharmacies: tuple[str, ...]
    told_by: tuple[str, ...]


def batch_of(said: str) -> str:
    """A batch number as it is compared: capitals, no blanks."""
    return "".join(said.split()).upper()


async def issue(act: Act, said: Announced) -> Recall:
    """Announce a recall or an alert; the one that is there already when the same is announced again.

    The pharmacies are found after the commit. Refused: ACCESS_REFUSED but to an authority and the network itself;
    RECALL_REFERENCE_TAKEN for another announcement of that reference; CIP_INVALID,
    RECALL_WITHOUT_PRODUCT for batches of none, RECALL_INCOMPLETE, VALUE_TOO_LONG, VALUE_MALFORMED.
    """
    await access.require(act, journal.NOBODY, Kind.RECALL, Action.PUBLISH)
    said = _checked(said)
    row = {
        "recall_id": uuid4(),
        "kind": said.kind.value,
        "level": said.level.value,
        "cip13": said.cip13,
        "batches": list(said.batches),
        "message": said.message,
        "source": said.source,
        "reference": said.reference,
        "issued_at": act.now,
        "issued_by": act.context.actor.subject,
    }
    new = upsert(recall).values(row).on_conflict_do_nothing(index_elements=["source", "reference"]).returning(recall)
    written = (await act.connection.execute(new)).mappings().one_or_none()
    if written is not None:
        await outbox.publish(act, RecallIssued(recall_id=written["recall_id"]))
        return _recall(written)
    known = select(recall).where(recall.c.source == said.source, recall.c.reference == said.reference)
    there = _recall((await act.connection.execute(known)).mappings().one())
    if any(getattr(there, name) != getattr(said, name) for name in ("level", "message", "cip13", "batches")):
        raise Conflict("RECALL_REFERENCE_TAKEN")
    return there


async def close(act: Act, recall_id: UUID) -> Recall:
    """End a recall: it reaches no pharmacy more, escalates no more and stops no dispensing. A second time is none.

    Refused: ACCESS_REFUSED but to an authority and the network itself, RECALL_UNKNOWN, RECALL_OF_ANOTHER_NETWORK.
    """
    await access.require(act, journal.NOBODY, Kind.RECALL, Action.CLOSE)
    held = select(recall).where(recall.c.recall_id == recall_id).with_for_update()
    row = (await act.connection.execute(held)).mappings().one_or_none()
    if row is None:
        raise Conflict("RECALL_UNKNOWN")
    if row["origin"] is not None:
        raise Conflict("RECALL_OF_ANOTHER_NETWORK")
    if row["closed_at"] is not None:
        return _recall(row)
    ended = await act.connection.execute(
        update(recall)
        .where(recall.c.recall_id == recall_id)
        .values(closed_at=act.now, closed_by=act.context.actor.subject)
        .returning(recall)
    )
    await outbox.publish(act, RecallClosed(recall_id=recall_id))
    return _recall(ended.mappings().one())


async def acknowledge(act: Act, recall_id: UUID) -> datetime:
    """Say for the actor's pharmacy that its people know of it; the instant at which that was first said.

    Refused: PLACE_MISSING, ACCESS_REFUSED but to a pharmacist; RECALL_UNKNOWN alike for none of that number and
    one that this pharmacy has not received.
    """
    pharmacy = pharmacy_of(act.context)
    await access.require(act, journal.NOBODY, Kind.RECALL, Action.ACKNOWLEDGE)
    own = and_(recall_delivery.c.recall_id == recall_id, recall_delivery.c.pharmacy == pharmacy)
    there = select(recall_delivery.c.acknowledged_at).where(own, recall_delivery.c.delivered_at.is_not(None))
    row = (await act.connection.execute(there.with_for_update())).one_or_none()
    if row is None:
        raise Conflict("RECALL_UNKNOWN")
    if row.acknowledged_at is not None:
        said: datetime = row.acknowledged_at
        return said
    await act.connection.execute(
        update(recall_delivery).where(own).values(acknowledged_at=act.now, acknowledged_by=act.context.actor.subject)
    )
    await outbox.publish(act, RecallAcknowledged(recall_id=recall_id, pharmacy=pharmacy))
    await tell_origin(act, [recall_id])
    return act.now


async def tell_origin(act: Act, recall_ids: Iterable[UUID]) -> None:
    """Have the networks that announced these recalls hear how far they have come here; of our own, nobody."""
    announced = select(recall.c.recall_id, recall.c.origin).where(
        recall.c.recall_id.in_(sorted(set(recall_ids))), recall.c.origin.is_not(None)
    )
    rows = (await act.connection.execute(announced)).all()
    await outbox.publish_all(act, [RecallMoved(recall_id=each.recall_id, origin=each.origin) for each in rows])


async def must_have_acknowledged(act: Act, pharmacy: str) -> None:
    """Refuse (`Conflict`, RECALL_NOT_ACKNOWLEDGED) while an urgent recall that this pharmacy received waits for its
    acknowledgement, where the rules say so (`recall.urgent_blocks_dispensing`)."""
    if not access.pack_in(act.context).holds("recall.urgent_blocks_dispensing", act.context.tenant.parameters):
        return
    waits = (
        select(literal(1))
        .select_from(recall_delivery.join(recall))
        .where(
            recall_delivery.c.pharmacy == pharmacy,
            recall_delivery.c.acknowledged_at.is_(None),
            recall_delivery.c.delivered_at.is_not(None),
            recall.c.level == RecallLevel.URGENT.value,
            recall.c.closed_at.is_(None),
        )
        .limit(1)
    )
    if (await act.connection.execute(waits)).first() is not None:
        raise Conflict("RECALL_NOT_ACKNOWLEDGED")


def received(
    pharmacy: ColumnElement[str], *, limit: ColumnElement[int], waiting_only: ColumnElement[bool]
) -> Select[Any]:
    """What a pharmacy received, with the columns of `RECEIVED`: first what it has not acknowledged and is not closed,
    then the newest."""
    is_waiting = and_(recall_delivery.c.acknowledged_at.is_(None), recall.c.closed_at.is_(None))
    return (
        select(*(recall.c[name] for name in _SHOWN), *(recall_delivery.c[name] for name in _OF_DELIVERY))
        .select_from(recall_delivery.join(recall))
        .where(
            recall_delivery.c.pharmacy == pharmacy,
            recall_delivery.c.delivered_at.is_not(None),
            or_(is_waiting, ~waiting_only),
        )
        .order_by(is_waiting.desc(), recall_delivery.c.delivered_at.desc(), recall_delivery.c.recall_id)
        .limit(limit)
    )


async def inbox(act: Act, *, first: int, waiting_only: bool = False) -> list[dict[str, Any]]:
    """What the actor's pharmacy received (`received`). Refused: PLACE_MISSING, ACCESS_REFUSED but to a pharmacy."""
    pharmacy = pharmacy_of(act.context)
    await access.require(act, journal.NOBODY, Kind.RECALL, Action.READ)
    asked = received(literal(pharmacy), limit=literal(first), waiting_only=literal(waiting_only))
    return [row._asdict() for row in await act.connection.execute(asked)]


async def follow_up(act: Act, recall_id: UUID) -> FollowUp:
    """How far a recall has come. Refused: ACCESS_REFUSED but to an authority and the network itself, RECALL_UNKNOWN.

    Counts are of pharmacies, never of patients: a small one tells nothing of anybody.
    """
    await access.require(act, journal.NOBODY, Kind.RECALL, Action.REVIEW)
    row = (await act.connection.execute(followed(literal(recall_id)))).mappings().one_or_none()
    if row is None:
        raise Conflict("RECALL_UNKNOWN")
    return FollowUp(
        **asdict(_recall(row)),
        **{name: row[name] for name in COUNTED.values()},
        escalated_pharmacies=tuple(row["escalated_pharmacies"]),
        told_by=tuple(row["told_by"]),
    )


def followed(recall_id: ColumnElement[UUID]) -> Select[Any]:
    """How far a recall has come, with the columns of `FOLLOWED`; no row for none of that number."""
    here = how_far().subquery("here")
    there = select(recall_elsewhere).where(recall_elsewhere.c.recall_id == recall_id).subquery("there")
    late = func.unnest(there.c.escalated_pharmacies).table_valued("pharmacy").render_derived("late").lateral()
    late_there = select(late.c.pharmacy).select_from(there.join(late, true())).order_by(late.c.pharmacy)
    told_by = select(there.c.network).order_by(there.c.network)
    counted = {name: select(func.coalesce(func.sum(there.c[name]), 0)).scalar_subquery() for name in COUNTED.values()}
    return (
        select(
            *(recall.c[name] for name in ISSUED),
            *(cast(here.c[name] + there_too, Integer).label(name) for name, there_too in counted.items()),
            here.c.escalated_pharmacies.op("||")(_array(late_there)).label("escalated_pharmacies"),
            _array(told_by).label("told_by"),
        )
        .select_from(recall.join(here, here.c.recall_id == recall.c.recall_id))
        .where(recall.c.recall_id == recall_id)
    )


def _array(texts: Select[Any]) -> ColumnElement[Any]:
    return cast(func.array(texts.scalar_subquery()), ARRAY(Text()))


def how_far() -> Select[Any]:
    """Of each recall, how many pharmacies of this network have come how far, and which are late."""
    state, pharmacy = recall_delivery.c.state, recall_delivery.c.pharmacy
    late = state == RecallState.ESCALATED.value
    return (
        select(
            recall.c.recall_id,
            *(func.count().filter(state == each.value).label(name) for each, name in COUNTED.items()),
            func.coalesce(
                func.array_agg(aggregate_order_by(pharmacy, pharmacy)).filter(late), cast(literal("{}"), ARRAY(Text()))
            ).label("escalated_pharmacies"),
        )
        .select_from(recall.outerjoin(recall_delivery))
        .group_by(recall.c.recall_id)
    )


async def issued(act: Act, *, first: int) -> list[Recall]:
    """What was announced, the newest first. Refused: ACCESS_REFUSED but to an authority and the network itself."""
    await access.require(act, journal.NOBODY, Kind.RECALL, Action.REVIEW)
    newest = select(recall).order_by(recall.c.issued_at.desc(), recall.c.recall_id).limit(first)
    return [_recall(row) for row in (await act.connection.execute(newest)).mappings()]


def concerns(line: Any) -> ColumnElement[bool]:
    """SQL condition: a row of `recall` concerns a row of `dispensation_line`; bind values of `windows.parameters`.

    A batch is found however long ago it was dispensed: that alone comes to what has left its window. What was
    dispensed without its batch being noted may be of any, as long as it is within its window.
    """
    # As the index has it, and as `batch_of` writes what is recalled.
    batch = func.upper(func.replace(line.c.batch, literal_column("' '"), literal_column("''")))
    of_batch = batch == any_(recall.c.batches)
    of_any = or_(func.cardinality(recall.c.batches) == 0, batch.is_(None))
    return and_(line.c.cip13 == recall.c.cip13, or_(of_batch, and_(of_any, windows.is_within(line))))


def escalates_after(context: Context, level: RecallLevel) -> timedelta:
    """How long a pharmacy has to acknowledge."""
    return timedelta(hours=access.number(context, f"recall.{level}_hours"))


def pharmacy_of(context: Context) -> str:
    """The FINESS number of the pharmacy from which the actor acts. Refused: PLACE_MISSING."""
    if not context.actor.establishment:
        raise InvalidInput("PLACE_MISSING")
    return context.actor.establishment


COUNTED: Final = {
    RecallState.ISSUED: "waiting",
    RecallState.DELIVERED: "delivered",
    RecallState.ACKNOWLEDGED: "acknowledged",
    RecallState.ESCALATED: "escalated",
}
ISSUED = (
    *("recall_id", "kind", "level", "cip13", "batches", "message", "source", "reference"),
    *("issued_at", "closed_at"),
)
FOLLOWED = (*ISSUED, *COUNTED.values(), "escalated_pharmacies", "told_by")
_SHOWN = ("recall_id", "kind", "level", "cip13", "batches", "message", "source", "reference", "closed_at")
_OF_DELIVERY = ("state", "delivered_at", "escalates_at", "acknowledged_at")
RECEIVED = (*_SHOWN, *_OF_DELIVERY)


def _checked(said: Announced) -> Announced:
    message = values.text(said.message, "message", limit=_MESSAGE)
    source, reference = values.key(said.source, "source"), values.key(said.reference, "reference")
    if not (message and source and reference):
        raise InvalidInput("RECALL_INCOMPLETE")
    if said.cip13 is not None and not is_cip13(said.cip13):
        raise InvalidInput("CIP_INVALID")
    if said.batches and said.cip13 is None:
        raise InvalidInput("RECALL_WITHOUT_PRODUCT")
    if len(said.batches) > _BATCHES:
        raise LimitExceeded("BATCHES_TOO_MANY", limit=_BATCHES)
    batches = {batch_of(values.key(each, "batch") or "") for each in said.batches}
    if "" in batches:
        raise InvalidInput("RECALL_INCOMPLETE")
    return Announced(
        level=said.level,
        message=message,
        source=source,
        reference=reference,
        cip13=said.cip13,
        batches=tuple(sorted(batches)),
    )


def _recall(row: RowMapping) -> Recall:
    return Recall(
        recall_id=row["recall_id"],
        level=RecallLevel(row["level"]),
        message=row["message"],
        source=row["source"],
        reference=row["reference"],
        cip13=row["cip13"],
        batches=tuple(row["batches"]),
        issued_at=row["issued_at"],
        closed_at=row["closed_at"],
    )
