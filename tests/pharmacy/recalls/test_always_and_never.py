"""Whatever happens in whatever order, and whatever fails on the way: no pharmacy is lost, and none is told twice."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from itertools import count
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from passerelle.identities.directory import Directory
from passerelle.kernel.database import Database
from passerelle.kernel.errors import Conflict
from passerelle.pharmacy.recall_events import RecallEscalated
from passerelle.pharmacy.tables import recall_delivery
from passerelle_ops.recalling import bind_recalls
from passerelle_ops.relay import Subscribers, relay
from tests.pharmacy.recalls.counter import Counter, cip13, events

DELAY = timedelta(hours=24)
_numbers = count(1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["dispense", "acknowledge"]), st.integers(0, 2)),
        st.tuples(st.sampled_from(["issue", "relay", "relay_one", "outage", "escalate"]), st.just(0)),
        st.tuples(st.just("wait"), st.sampled_from([1, 12, 30])),
    ),
    min_size=4,
    max_size=14,
)


@pytest.fixture(scope="module")
async def nowhere() -> AsyncIterator[Directory]:
    """A directory whose database is away."""
    database = Database("postgresql://nobody:nobody@127.0.0.1:1/nothing")
    yield Directory(database)
    await database.close()


@pytest.fixture(scope="module")
async def places(counter: Counter) -> list[str]:
    return [await counter.pharmacy() for _ in range(3)]


@settings(max_examples=25)
@given(steps=STEPS)
async def test_each_pharmacy_once_and_none_lost(
    counter: Counter, places: list[str], nowhere: Directory, steps: list[tuple[str, int]]
) -> None:
    product, patient_id = cip13(next(_numbers)), await counter.patient()
    recall_id: UUID | None = None
    dispensed: set[str] = set()
    failing = Subscribers()
    bind_recalls(failing, lambda: nowhere, counter.world.clock)
    for what, which in steps:
        match what:
            case "dispense":
                await counter.dispense(places[which], patient_id, product, "A")
                dispensed.add(places[which])
            case "issue":
                recall_id = (await counter.issue(product, "A", reference=product)).recall_id
            case "relay":
                await counter.relay()
            case "relay_one":
                await relay(counter.world.tenant, counter.subscribers, counter.world.clock, limit=1)
            case "outage":
                await relay(counter.world.tenant, failing, counter.world.clock)
            case "escalate":
                await counter.escalate()
            case "wait":
                counter.world.clock.advance(timedelta(hours=which))
            case "acknowledge" if recall_id is not None:
                with suppress(Conflict):
                    await counter.acknowledge(places[which], recall_id)
        await _holds(counter, recall_id, dispensed)
    recall_id = recall_id or (await counter.issue(product, "A", reference=product)).recall_id
    counter.world.clock.advance(timedelta(hours=2))  # past what an outage put off
    await counter.relay()
    states = await counter.states(recall_id)
    assert states.keys() == dispensed
    assert set(states.values()) <= {"delivered", "acknowledged", "escalated"}
    counter.world.clock.advance(DELAY)
    await counter.escalate()
    await counter.relay()
    await _holds(counter, recall_id, dispensed)
    assert set((await counter.states(recall_id)).values()) <= {"acknowledged", "escalated"}
    await counter.close(recall_id)


async def _holds(counter: Counter, recall_id: UUID | None, dispensed: set[str]) -> None:
    if recall_id is None:
        return
    async with counter.world.tenant.database.transaction() as connection:
        asked = select(recall_delivery).where(recall_delivery.c.recall_id == recall_id)
        rows = (await connection.execute(asked)).all()
        told = await events(connection, RecallEscalated.name, recall_id)
    assert {row.pharmacy for row in rows} <= dispensed
    for row in rows:
        assert row.acknowledged_at is None or row.delivered_at is not None
        assert row.escalated_at is None or row.escalated_at >= row.issued_at + DELAY
        if row.escalated_at is not None and row.acknowledged_at is not None:
            assert row.escalated_at <= row.acknowledged_at
    assert Tally(told) == Tally(row.pharmacy for row in rows if row.escalated_at is not None)
    for row in rows:
        notices = await counter.notices_of(row.pharmacy, recall_id)
        assert notices.count("recall") == (row.delivered_at is not None)
        assert notices.count("recall_overdue") <= (row.escalated_at is not None)
