"""What is new in a tenant's outbox or journal, for those who follow a patient while they are connected.

One question a round, whoever follows and however many, and none where nobody does (docs/decisions/0102). A round gives
exactly what was committed since the round before: the snapshot of each is kept, and what it did not see is what is
new. So nothing is lost or told twice, in whatever order transactions end, and after a database was away.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    ColumnElement,
    Table,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from passerelle.audit.journal import Chosen
from passerelle.audit.tables import journal, outbox
from passerelle.kernel.database import Database, Statement
from passerelle.kernel.errors import TryLater

LINE: Final = "journal.line"
#: What may wait for one follower. He who lets more wait does not read.
WAITING_MAX: Final = 10_000
_NEVER: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """Something new: an event of the outbox by its name, or a line of the journal (`LINE`, with its `line_id`)."""

    name: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshLines(Chosen):
    """Those lines of a journal and no others."""

    line_ids: Sequence[int]

    def condition(self) -> ColumnElement[bool]:
        """SQL condition: a line is one of them."""
        return journal.c.line_id.in_(self.line_ids)


def _fresh(table: Table, xid: ColumnElement[int], *columns: ColumnElement[Any]) -> CTE:
    """The rows of transactions that the last snapshot did not see, whatever patient they are about."""
    since, in_flight = bindparam("since", type_=BigInteger()), bindparam("in_flight", type_=ARRAY(BigInteger()))
    ceiling = cast(cast(func.pg_snapshot_xmax(func.pg_current_snapshot()), Text), BigInteger)
    columns = (xid.label("xid"), *columns)
    later = select(*columns).select_from(table).where(xid >= since, xid < ceiling)
    ended = select(*columns).select_from(table).where(xid == any_(in_flight))
    # Kept apart from the question whom they are about, or the planner reads the whole past of a patient each time.
    return union_all(later, ended).cte("fresh").prefix_with("materialized", dialect="postgresql")


def _round(fresh: CTE, about: ColumnElement[bool]) -> Statement:
    told = func.json_build_array(fresh.c.patient_id, fresh.c.other_id, fresh.c.name, fresh.c.payload)
    # In the order in which they were begun: nothing of what a follower is not told of has a part in it.
    found = select(func.json_agg(aggregate_order_by(told, fresh.c.xid, fresh.c.place))).where(about).scalar_subquery()
    return Statement(select(cast(func.pg_current_snapshot(), Text).label("snapshot"), found.label("found")))


def _events() -> Statement:
    other = outbox.c.payload["to_patient_id"].as_string()  # what is moved concerns two patients
    columns = (
        outbox.c.patient_id,
        other.label("other_id"),
        outbox.c.name,
        outbox.c.payload,
        outbox.c.at.label("place"),
    )
    fresh = _fresh(outbox, outbox.c.transaction_id, *columns)
    patients = bindparam("patients", type_=ARRAY(Uuid()))
    return _round(
        fresh, or_(fresh.c.patient_id == any_(patients), fresh.c.other_id == any_(cast(patients, ARRAY(Text()))))
    )


def _lines() -> Statement:
    columns = (journal.c.patient_id, cast(null(), Text).label("other_id"), literal(LINE, Text()).label("name"))
    payload = func.json_build_object("line_id", journal.c.line_id).label("payload")
    place = journal.c.line_id.label("place")
    fresh = _fresh(journal, cast(journal.c.transaction_id, BigInteger), *columns, payload, place)
    return _round(fresh, and_(fresh.c.patient_id == any_(bindparam("patients", type_=ARRAY(Uuid())))))


#: The two sources of a feed.
EVENTS, LINES = _events(), _lines()


class Following:
    """One follower of one patient."""

    def __init__(self, patient_id: UUID) -> None:
        self.patient_id = patient_id
        self.is_listening = asyncio.Event()
        self._waiting: list[Fresh] = []
        self._called = asyncio.Event()
        self._end: TryLater | None = None

    async def next(self) -> list[Fresh]:
        """What came since it was last asked, in no order of instants, once there is something.

        Raises `TryLater` when the feed ends: SUBSCRIPTION_TOO_SLOW, SUBSCRIPTION_RESTARTED, SERVER_STOPPING.
        """
        await self._called.wait()
        if self._end is not None:
            raise self._end
        taken, self._waiting = self._waiting, []
        self._called.clear()
        return taken

    def hear(self, fresh: Fresh) -> None:
        """Put something with what waits."""
        if len(self._waiting) >= WAITING_MAX:
            self.end(TryLater("SUBSCRIPTION_TOO_SLOW", retry_after=5))
            return
        self._waiting.append(fresh)
        self._called.set()

    def end(self, why: TryLater) -> None:
        """Nothing more will come; what waits is dropped."""
        self._end, self._waiting = self._end or why, []
        self._called.set()
        self.is_listening.set()


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What a round saw: all below `ceiling` but the transactions then `in_flight`."""

    ceiling: int
    in_flight: list[int]

    @classmethod
    def read(cls, text: str) -> _Snapshot:
        _, ceiling, in_flight = text.split(":")
        return cls(int(ceiling), [int(each) for each in in_flight.split(",") if each])


class Feed:
    """One source of one database, asked every `seconds` while anybody follows."""

    def __init__(self, database: Database, source: Statement, seconds: float) -> None:
        self._database, self._source, self._seconds = database, source, seconds
        self._followings: list[Following] = []
        self._seen: _Snapshot | None = None
        self._task: asyncio.Task[None] | None = None
        self._asked = asyncio.Event()

    @property
    def followers(self) -> int:
        return len(self._followings)

    @property
    def is_asking(self) -> bool:
        return self._task is not None

    @asynccontextmanager
    async def follow(self, patient_id: UUID) -> AsyncIterator[Following]:
        """Follow a patient: all that is committed once this is entered is heard. Raises `TryLater` as `next`."""
        following = Following(patient_id)
        self._followings.append(following)
        try:
            if self._task is None:
                self._task = asyncio.create_task(self._run())
            self._asked.set()
            await following.is_listening.wait()
            yield following
        finally:
            if following in self._followings:
                self._followings.remove(following)
            self._asked.set()

    async def close(self) -> None:
        """End what follows, and wait for the last round."""
        self._end(TryLater("SERVER_STOPPING", retry_after=2))
        self._followings.clear()
        self._asked.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._followings:
                self._asked.clear()
                with suppress(TryLater):  # away for now: the next round goes on from where the last one was
                    await self._ask()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._seconds):
                        await self._asked.wait()
        finally:
            self._end(TryLater("SUBSCRIPTION_RESTARTED", retry_after=1))
            self._task = self._seen = None

    async def _ask(self) -> None:
        followings, seen = list(self._followings), self._seen
        rows = await self._database.fetch(
            self._source,
            {
                "since": seen.ceiling if seen else _NEVER,
                "in_flight": seen.in_flight if seen else [],
                "patients": sorted({each.patient_id for each in followings}),
            },
        )
        snapshot, found = rows[0]
        self._seen = _Snapshot.read(snapshot)
        if seen is not None and self._seen.ceiling < seen.ceiling:
            # Another server, which counts otherwise: nobody can say what is new.
            self._end(TryLater("SUBSCRIPTION_RESTARTED", retry_after=1))
            return
        for patient_id, other_id, name, payload in found or ():
            fresh = Fresh(name=name, payload=payload)
            for each in followings:
                if each.is_listening.is_set() and str(each.patient_id) in (patient_id, other_id):
                    each.hear(fresh)
        for each in followings:
            each.is_listening.set()

    def _end(self, why: TryLater) -> None:
        for each in self._followings:
            each.end(why)


class Feeds:
    """The feeds of a process: one for each database and source, asked every `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._feeds: dict[tuple[str, Statement], Feed] = {}

    def of(self, database: Database, source: Statement) -> Feed:
        """The feed of one source, EVENTS or LINES."""
        key = (database.url, source)
        if key not in self._feeds:
            self._feeds[key] = Feed(database, source, self._seconds)
        return self._feeds[key]

    @property
    def followers(self) -> int:
        return sum(each.followers for each in self._feeds.values())

    async def close(self) -> None:
        """End all of them."""
        for each in list(self._feeds.values()):
            await each.close()
        self._feeds.clear()
