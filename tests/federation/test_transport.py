"""What is owed arrives, once, whatever happens to it on its way."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from passerelle.audit.transactions import transaction
from passerelle.kernel.clock import SetClock
from passerelle_ops.federating import Federation
from passerelle_ops.stack.broker_users import FEDERATION, key_prefix
from passerelle_ops.stack.valkey import Valkey
from passerelle_tenants.federation.dead_letters import Which, dead, drop, retry
from passerelle_tenants.federation.status import PairStatus, status
from passerelle_tenants.federation.tables import federation_out
from passerelle_tenants.federation.taking_in import take_in
from passerelle_tenants.federation.travellers import Kinds
from tests.conftest import Template
from tests.federation.exchange import BROKEN, POISON, UNREADY, Exchange, exchange

NANTES, TOULOUSE = "nantes", "toulouse"
START = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
async def two_networks(
    tenant_template: Template, directory_template: Template, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Exchange]:
    clock = SetClock(START)
    folder = tmp_path_factory.mktemp("networks")
    async with exchange(tenant_template, directory_template, folder, clock, NANTES, TOULOUSE) as made:
        yield made


@pytest.fixture
async def two(two_networks: Exchange) -> AsyncIterator[Exchange]:
    """The two networks, at peace: each hears the other, nothing is owed."""
    two_networks.post.is_closed = False
    two_networks.clock.advance(timedelta(hours=1))
    await two_networks.settle()
    yield two_networks
    two_networks.post.bag.clear()
    two_networks.note.before_commit = None


async def pair(two: Exchange, tenant_id: str = TOULOUSE) -> PairStatus:
    [found] = await status(two.offices[tenant_id].tenant, two.clock)
    return found


async def test_a_change_is_told_once(two: Exchange) -> None:
    note, before = uuid4(), (await pair(two)).acked
    await two.write(TOULOUSE, (note, "un"))
    await two.turn(TOULOUSE)
    on_its_way = await pair(two)
    await two.settle()

    assert (on_its_way.waiting, on_its_way.in_flight, on_its_way.oldest) == (0, 1, two.clock.now())
    assert (await two.notes(NANTES))[note] == ("un", 1)
    after = await pair(two)
    assert (after.to_tenant, after.acked, after.waiting, after.in_flight, after.dead) == (NANTES, before + 1, 0, 0, 0)
    assert after.oldest is None


async def test_what_has_just_happened_goes_between_two_turns(two: Exchange, valkey: Valkey) -> None:
    office, queue, note = two.offices[TOULOUSE], f"{key_prefix(NANTES)}{FEDERATION}", uuid4()
    federation = Federation(
        lambda: office.directory, pytest.fail, lambda _: valkey.url(7), two.clock, Kinds((two.note,))
    )
    with redis.Redis.from_url(valkey.url(7), decode_responses=True) as broker:
        await federation.glance(office.tenant)
        assert (broker.llen(queue), await two.owed(TOULOUSE)) == (0, 0)
        await two.write(TOULOUSE, (note, "aussitôt"))
        for _ in range(2):
            await federation.glance(office.tenant)
            (message,) = broker.lrange(queue, 0, -1)
        broker.delete(queue)
    federation.close()
    (_, envelope), *_ = json.loads(json.loads(message)["body"])
    await take_in(two.offices[NANTES], envelope.encode())
    assert (await two.notes(NANTES))[note] == ("aussitôt", 1)


async def test_a_patient_of_this_network_alone_is_told_of_to_nobody(two: Exchange) -> None:
    await two.write(TOULOUSE, (uuid4(), "à part"), patient_id=uuid4())
    await two.turn(TOULOUSE)

    assert await two.owed(TOULOUSE) == 0


async def test_what_changed_twice_is_told_as_it_stands(two: Exchange) -> None:
    note = uuid4()
    await two.write(TOULOUSE, (note, "un"))
    await two.turn(TOULOUSE)
    await two.write(TOULOUSE, (note, "deux"))
    await two.turn(TOULOUSE)
    older, newer = two.post.bag
    two.post.bag = [newer, older, newer, older]
    await two.deliver()

    assert (await two.notes(NANTES))[note] == ("deux", 1)
    assert await two.owed(TOULOUSE) == 0


async def test_what_was_lost_is_sent_again_when_it_falls_due(two: Exchange) -> None:
    note = uuid4()
    await two.write(TOULOUSE, (note, "perdu"))
    await two.turn(TOULOUSE)
    two.post.bag.clear()
    await two.turn(TOULOUSE)
    assert two.post.bag == []

    two.clock.advance(timedelta(seconds=7))
    await two.settle(1)
    assert (await two.notes(NANTES))[note] == ("perdu", 1)
    assert await two.owed(TOULOUSE) == 0


async def test_a_lost_acknowledgement_makes_it_come_again_and_change_nothing(two: Exchange) -> None:
    note = uuid4()
    await two.write(TOULOUSE, (note, "un"))
    await two.turn(TOULOUSE)
    [(_, envelope)] = two.post.bag
    two.post.bag.clear()
    first = await take_in(two.offices[NANTES], envelope)
    two.post.bag.clear()
    assert (first.applied, first.stale, await two.owed(TOULOUSE)) == (1, 0, 1)

    again = await take_in(two.offices[NANTES], envelope)
    await two.deliver()
    assert (again.applied, again.stale, await two.owed(TOULOUSE)) == (0, 1, 0)
    assert (await two.notes(NANTES))[note] == ("un", 1)


async def test_killed_before_the_commit_nothing_is_kept_nor_acknowledged(two: Exchange) -> None:
    class Killed(BaseException):
        """What no handler catches, as SIGKILL."""

    async def die() -> None:
        raise Killed

    note = uuid4()
    await two.write(TOULOUSE, (note, "un"))
    await two.turn(TOULOUSE)
    two.note.before_commit = die
    with pytest.raises(Killed):
        await two.deliver()
    two.note.before_commit = None

    assert note not in await two.notes(NANTES)
    assert await two.rows(NANTES, "select 1 from federation_in where object_id = :id", id=note) == []
    assert two.post.bag == []
    assert await two.owed(TOULOUSE) == 1
    two.clock.advance(timedelta(seconds=7))
    await two.settle(1)
    assert (await two.notes(NANTES))[note] == ("un", 1)


async def test_who_was_away_is_told_everything_as_soon_as_it_is_heard(two: Exchange) -> None:
    two.clock.advance(timedelta(seconds=11))
    await two.turn(TOULOUSE)
    [(to_tenant, probe)] = two.post.bag
    assert (to_tenant, (await pair(two)).away_since) == (NANTES, two.clock.now())
    two.post.bag.clear()

    notes = [(uuid4(), f"note {n}") for n in range(250)]
    await two.write(TOULOUSE, *notes)
    await two.turn(TOULOUSE)
    assert two.post.bag == [], "while it is away, it is given signs of life and nothing else"
    two.clock.advance(timedelta(seconds=2))
    await two.turn(TOULOUSE)
    assert len(two.post.bag) == 1

    await two.deliver()
    found = await two.notes(NANTES)
    assert all(found[note] == (said, 1) for note, said in notes)
    assert ((await pair(two)).away_since, await two.owed(TOULOUSE)) == (None, 0)
    assert (await take_in(two.offices[NANTES], probe)).kind == "heartbeat"


async def test_a_broker_that_is_gone_loses_nothing(two: Exchange) -> None:
    note = uuid4()
    await two.write(TOULOUSE, (note, "un"))
    two.post.is_closed = True
    await two.turn(TOULOUSE)
    two.post.is_closed = False
    two.clock.advance(timedelta(seconds=7))
    await two.settle(1)

    assert (await two.notes(NANTES))[note] == ("un", 1)


async def test_what_is_refused_or_fails_holds_up_none_of_its_neighbours(two: Exchange) -> None:
    good = [(uuid4(), f"bon {n}") for n in range(20)]
    poison, broken, unready = uuid4(), uuid4(), uuid4()
    await two.write(TOULOUSE, *good[:10], (poison, POISON), (broken, BROKEN), (unready, UNREADY), *good[10:])
    await two.turn(TOULOUSE)
    [taken, *_] = await two.deliver()

    assert (taken.applied, taken.later, taken.refused) == (20, 2, 1)
    found = await two.notes(NANTES)
    assert all(found[note] == (said, 1) for note, said in good)
    assert not found.keys() & {poison, broken, unready}
    [letter] = await dead(two.offices[TOULOUSE].tenant, Which())
    assert (letter.object_id, letter.code, letter.to_tenant) == (poison, "NOTE_REFUSED", NANTES)
    now = await pair(two)
    assert (now.dead, now.waiting, now.in_flight) == (1, 2, 0)

    await two.write(TOULOUSE, (broken, "réparé"), (unready, "prêt"))
    await two.settle(1)
    assert (await two.notes(NANTES))[unready] == ("prêt", 1)
    assert (await pair(two)).as_of is not None
    async with transaction(two.offices[TOULOUSE].context("essai", "essai")) as act:
        assert await retry(act, Which(object_id=poison)) == 1
    await two.settle(1)
    [letter] = await dead(two.offices[TOULOUSE].tenant, Which(to_tenant=NANTES, kind="note"))
    async with transaction(two.offices[TOULOUSE].context("essai", "essai")) as act:
        assert await drop(act, Which(to_tenant=TOULOUSE)) == 0
        assert await drop(act, Which(object_id=letter.object_id)) == 1
    assert (await two.owed(TOULOUSE), await dead(two.offices[TOULOUSE].tenant, Which())) == (0, [])


async def test_what_is_never_ready_is_dead_after_so_many_times(two: Exchange) -> None:
    note = uuid4()
    await two.write(TOULOUSE, (note, UNREADY))
    await two.settle(1)
    tries = two.offices[TOULOUSE].number("federation.later_tries")
    async with two.offices[TOULOUSE].tenant.database.transaction() as connection:
        await connection.execute(
            update(federation_out).where(federation_out.c.object_id == note).values(deferred=tries - 1)
        )
    two.clock.advance(timedelta(seconds=31))
    await two.settle(1)

    [letter] = await dead(two.offices[TOULOUSE].tenant, Which(object_id=note))
    assert letter.code == "FEDERATION_NEVER_READY"
    await two.write(TOULOUSE, (note, "prêt"))
    await two.settle(1)
    assert (await two.notes(NANTES))[note] == ("prêt", 1)
    assert await dead(two.offices[TOULOUSE].tenant, Which()) == []


async def test_the_time_until_which_all_was_told_goes_on_unless_something_is_owed(two: Exchange) -> None:
    at_peace = two.clock.now()
    assert (await pair(two, NANTES)).as_of == at_peace
    two.clock.advance(timedelta(seconds=3))
    written = two.clock.now()
    await two.write(TOULOUSE, (uuid4(), UNREADY))
    two.clock.advance(timedelta(seconds=3))
    await two.settle(1)
    assert (await pair(two, NANTES)).as_of == written
    async with two.offices[TOULOUSE].tenant.database.transaction() as connection:
        await connection.execute(update(federation_out).values(acked_version=federation_out.c.version))


_FATES = st.lists(st.sampled_from(["write", "turn", "deliver", "lose", "repeat", "shuffle", "wait"]), max_size=25)


@settings(max_examples=15)
@given(fates=_FATES, luck=st.randoms(use_true_random=False))
async def test_any_order_of_losses_and_repetitions_ends_with_the_newest(
    two_networks: Exchange, fates: list[str], luck: random.Random
) -> None:
    two, notes = two_networks, [uuid4() for _ in range(3)]
    newest: dict[UUID, str] = {}
    two.post.bag.clear()
    for fate in fates:
        if fate == "write":
            note = luck.choice(notes)
            newest[note] = f"{len(newest)} {luck.random()}"
            await two.write(TOULOUSE, (note, newest[note]))
        elif fate == "turn":
            await two.turn(TOULOUSE)
        elif fate == "deliver" and two.post.bag:
            to_tenant, envelope = two.post.bag.pop(luck.randrange(len(two.post.bag)))
            await take_in(two.offices[to_tenant], envelope)
        elif fate == "lose" and two.post.bag:
            two.post.bag.pop(luck.randrange(len(two.post.bag)))
        elif fate == "repeat" and two.post.bag:
            two.post.bag.append(luck.choice(two.post.bag))
        elif fate == "shuffle":
            luck.shuffle(two.post.bag)
        else:
            two.clock.advance(timedelta(seconds=luck.randrange(1, 20)))
    two.clock.advance(timedelta(minutes=6))
    await two.settle(2)

    found = await two.notes(NANTES)
    assert {note: found[note][0] for note in newest} == newest
    assert await two.owed(TOULOUSE) == 0
