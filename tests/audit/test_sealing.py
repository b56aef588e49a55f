"""Sealing: every committed line once, in the batch after its commit, whoever writes, waits, or seals beside."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from passerelle.audit.heads import head_of, newest_head, select_heads
from passerelle.audit.sealing import seal
from passerelle.audit.successions import signers
from passerelle.audit.transactions import transaction
from passerelle.kernel.clock import Clock
from passerelle.kernel.errors import BrokenIntegrity
from passerelle.kernel.keys import KEY_BYTES, Keys
from passerelle_ops.sealing import Sealer
from tests.audit.sealed import Sealing


async def test_lines_are_sealed_once_and_heads_follow_one_another(sealing: Sealing) -> None:
    assert (await sealing.seal()).tree_size == 0
    first = await sealing.write(3)
    assert (await sealing.seal()).lines == 3
    assert (await sealing.seal()).lines == 0
    second = await sealing.write(2)
    done = await sealing.seal()
    assert (done.lines, done.tree_size) == (2, 5)
    assert sealing.order() == first + second
    async with transaction(sealing.context) as act:
        heads = [head_of("essai", row) for row in await act.connection.execute(select_heads())]
        ours = await signers(act.connection, sealing.context.tenant)
    assert [head.tree_size for head in heads] == [3, 5]
    assert heads[0].previous_head == bytes(32)
    assert heads[1].previous_head == heads[0].hash()
    assert all(head.is_signed_by(ours) for head in heads)
    assert not heads[0].is_signed_by(replace(ours, public_key=Keys(bytes(KEY_BYTES)).public_key))
    assert not replace(heads[0], tree_size=4).is_signed_by(ours)
    assert await sealing.found() == []


async def test_a_long_transaction_holds_up_no_other_and_is_sealed_after_its_commit(sealing: Sealing) -> None:
    with sealing.served() as long, sealing.served() as lost:
        begun = sealing.put(long)
        sealing.put(lost)
        others = await sealing.write(2)
        assert (await sealing.seal()).lines == 2
        later = await sealing.write(2)
        assert (await sealing.seal()).lines == 2
        ended = sealing.put(long)
        long.commit()
        lost.rollback()
    assert (await sealing.seal()).lines == 2
    last = await sealing.write()
    await sealing.seal()
    assert sealing.order() == [*others, *later, begun, ended, *last]
    assert await sealing.found() == []


async def test_a_transaction_begun_after_the_newest_commit_is_not_passed_over(sealing: Sealing) -> None:
    """Its number is the first that the snapshot does not know."""
    [first] = await sealing.write()
    with sealing.served() as begun:
        second = sealing.put(begun)
        assert (await sealing.seal()).lines == 1
        begun.commit()
    assert (await sealing.seal()).lines == 1
    assert sealing.order() == [first, second]


class CommittingClock:
    """A clock that is asked at each batch, and commits a transaction when it is asked for the third time."""

    def __init__(self, clock: Clock, waiting: psycopg.Connection[tuple[Any, ...]]) -> None:
        self.clock, self.waiting, self.asked = clock, waiting, 0

    def now(self) -> datetime:
        self.asked += 1
        if self.asked == 3:
            self.waiting.commit()
        return self.clock.now()


async def test_a_transaction_that_ends_between_two_batches_is_sealed(sealing: Sealing) -> None:
    first = await sealing.write()
    await sealing.seal()
    with sealing.served() as waiting:
        line = sealing.put(waiting)
        written = [line for _ in range(10) for line in await sealing.write()]
        clock = CommittingClock(sealing.context.clock, waiting)
        assert (await seal(sealing.context.tenant, clock, at_once=2)).lines == 11
    assert sealing.order() == [*first, *written[:4], line, *written[4:]]
    assert await sealing.found() == []


async def test_the_worker_looks_at_every_line_once_and_logs_the_head(
    sealing: Sealing, capsys: pytest.CaptureFixture[str]
) -> None:
    with sealing.served() as served:
        line = sealing.put(served)
    await sealing.seal()
    sealing.as_owner("insert into journal overriding user value select * from journal where line_id = %s", [line])
    sealing.as_owner("update journal set transaction_id = '1' where line_id <> %s", [line])
    assert (await sealing.seal()).lines == 0
    sealer = Sealer()
    assert await sealer.seal(sealing.context.tenant, sealing.context.clock) == 1
    async with transaction(sealing.context) as act:
        head = await newest_head(act.connection, "essai")
    assert head is not None
    assert head.hash().hex() in "".join(capsys.readouterr())  # wherever this process logs
    await sealing.write()
    assert await sealer.seal(sealing.context.tenant, sealing.context.clock) == 1


@pytest.mark.parametrize("is_sealed_again", [False, True])
async def test_a_worker_signs_no_end_anew_that_it_had_seen(sealing: Sealing, *, is_sealed_again: bool) -> None:
    """Whoever owns the database cuts the end of the tree off and changes a line: what seals would sign it."""
    tenant, clock = sealing.context.tenant, sealing.context.clock
    sealer = Sealer()
    await sealing.write(3)
    assert await sealer.seal(tenant, clock) == 3
    await sealing.write(2)
    assert await sealer.seal(tenant, clock) == 2
    sealing.as_owner("delete from journal_seal where tree_size > 3")
    sealing.as_owner("delete from journal_leaf where leaf_index >= 3")
    sealing.as_owner("update journal set actor_name = 'autre' where line_id = (select max(line_id) from journal)")
    if is_sealed_again:  # by another, who knew nothing
        await sealing.seal(sweep=True)
    with pytest.raises(BrokenIntegrity, match="JOURNAL_TREE_TRUNCATED"):
        await sealer.seal(tenant, clock)
    sizes = [row[0] for row in sealing.as_owner("select tree_size from journal_seal order by 1")]
    assert sizes == ([3, 5] if is_sealed_again else [3])


@pytest.mark.parametrize("at_once", [1, 2, 3, 7, 50])
async def test_batches_are_bounded_and_leave_nothing_behind(sealing: Sealing, at_once: int) -> None:
    with sealing.served() as long:
        begun = sealing.put(long)
        written = [line for size in (1, 5, 2, 4) for line in await sealing.write(size)]
        assert (await sealing.seal(at_once=at_once)).lines == 12
        long.commit()
    written += [begun, *await sealing.write(3)]
    assert (await sealing.seal(at_once=at_once)).lines == 4
    assert sorted(sealing.order()) == sorted(written)
    sizes = [row[0] for row in sealing.as_owner("select tree_size from journal_seal order by 1")]
    assert all(after - before <= at_once for before, after in pairwise([0, *sizes]))
    assert await sealing.found() == []


async def test_sealers_at_once_take_turns(sealing: Sealing) -> None:
    written = [line for _ in range(10) for line in await sealing.write(4)]
    done = await asyncio.gather(*(sealing.seal(at_once=3) for _ in range(5)))
    assert sum(each.lines for each in done) == 40
    assert sealing.order() == written
    assert await sealing.found() == []


@pytest.mark.parametrize("at_once", [2, 100])
@pytest.mark.parametrize(
    "moved",
    [
        "update journal_seal set cluster = 'another'",
        "update journal_seal set cluster = 'another', low_water = 1",
        "update journal_seal set low_water = 1000000000000",
    ],
)
async def test_a_journal_restored_elsewhere_is_sealed_on(sealing: Sealing, moved: str, at_once: int) -> None:
    """Transaction numbers begin anew in another cluster: old ones lie above, below or among the new."""
    before = await sealing.write(3)
    with sealing.served() as old:  # a line of the other cluster that was not sealed there
        old.execute(b"insert into journal overriding user value select * from journal limit 1")
    await sealing.seal()
    with sealing.served() as old:
        waiting = sealing.put(old)
    sealing.as_owner(moved)
    sealing.as_owner("update journal set transaction_id = '900000000000' where line_id = %s", [waiting])
    after = [line for _ in range(5) for line in await sealing.write(2)]
    await sealing.seal(at_once=at_once)
    last = await sealing.write(2)
    await sealing.seal(at_once=at_once)
    assert sorted(sealing.order()) == sealing.ids()
    assert set(sealing.order()) >= {*before, waiting, *after, *last}
    assert sealing.order()[-2:] == last
    [(cluster,)] = sealing.as_owner("select cluster from journal_seal order by tree_size desc limit 1")
    assert cluster not in ("", "another")
    assert await sealing.found() == []


@pytest.mark.parametrize("number", ["1", "-4", "900000000000"])
async def test_a_line_under_a_false_number_is_sealed_by_a_sweep(sealing: Sealing, number: str) -> None:
    await sealing.write(2)
    await sealing.seal()
    with sealing.served() as served:
        line = sealing.put(served)
        served.execute(
            b"insert into journal overriding user value select (jsonb_populate_record(journal, jsonb_build_object("
            b"'transaction_id', %s::text))).* from journal where line_id = %s",
            (number, line),
        )
    assert (await sealing.seal()).lines == 1
    assert (await sealing.seal(sweep=True)).lines == 1
    assert await sealing.found() == []


@pytest.mark.parametrize(
    "damage",
    [
        "update journal_seal set root = sha256(root)",
        "update journal_seal set frontier = sha256(frontier)",
        "update journal_seal set frontier = ''",
        "update journal_seal set tree_size = tree_size + 1",
        "update journal_seal set sealed_at = sealed_at - interval '1 second'",
        "update journal_seal set signature = ''",
        "update journal_seal set key_id = 'ed25519:0'",
    ],
)
async def test_nothing_is_sealed_onto_a_head_that_is_not_ours(sealing: Sealing, damage: str) -> None:
    await sealing.write(3)
    await sealing.seal()
    sealing.as_owner(damage)
    await sealing.write(1)
    with pytest.raises(BrokenIntegrity, match="JOURNAL_HEAD_BROKEN"):
        await sealing.seal()
    assert len(sealing.order()) == 3


WRITERS = 3
STEPS = st.lists(
    st.tuples(st.sampled_from(["write", "commit", "roll back", "seal"]), st.integers(0, WRITERS - 1)), max_size=40
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
async def test_whatever_is_interleaved_a_line_is_sealed_in_the_batch_after_its_commit(
    sealing: Sealing, steps: list[tuple[str, int]]
) -> None:
    sealing.empty()
    committed: set[int] = set()

    async def seal_and_compare() -> None:
        before = len(sealing.order())
        await sealing.seal(at_once=2)
        assert set(sealing.order()[before:]) == committed
        committed.clear()

    with sealing.served() as one, sealing.served() as two, sealing.served() as three:
        writers = (one, two, three)
        pending: list[list[int]] = [[] for _ in writers]
        for what, number in steps:
            if what == "write":
                pending[number].append(sealing.put(writers[number]))
            elif what == "seal":
                await seal_and_compare()
            elif what == "commit":
                writers[number].commit()
                committed.update(pending[number])
                pending[number].clear()
            else:
                writers[number].rollback()
                pending[number].clear()
        for each in writers:
            each.rollback()
        await seal_and_compare()
        assert sorted(sealing.order()) == sealing.ids()
