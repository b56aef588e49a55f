"""Lines go when their time is over, under a signed statement; whatever else is missing is named."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from passerelle.audit.verification import verify_journal
from passerelle.dossier import journal_pruning
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import BrokenIntegrity, Conflict, Refused
from passerelle_policies.vocabulary import ActorKind
from tests.audit.pruned import NOW, OLD, PATIENT, SIZES, YOUNG, Pruning
from tests.audit.sealed import Sealing

ELEVENTH = "(select line_id from journal_leaf where leaf_index = 11)"
FORGED = "update journal set facts = jsonb_set(facts, '{pruning,%s}', %%s::jsonb) where action = 'purge'"


@pytest.fixture
async def pruning(sealing: Sealing) -> Pruning:
    pruning = Pruning(sealing)
    await pruning.begin()
    return pruning


async def test_lines_past_their_time_go_and_the_tree_stays(pruning: Pruning) -> None:
    found, (_, leaves, seals, _) = await pruning.due(), pruning.kept()
    assert (found.past, found.lines, found.begins, found.below) == (OLD, OLD, 0, OLD)
    young = pruning.sealing.ids()[OLD:]
    assert await pruning.prune() == journal_pruning.Pruned(lines=OLD, below=OLD)
    assert pruning.sealing.ids()[:-1] == young
    assert pruning.kept()[1:3] == (leaves, seals)
    assert await pruning.sealing.found() == []
    await pruning.sealing.seal()
    assert await pruning.sealing.found() == []
    report = await verify_journal(pruning.sealing.context.tenant, pruning.clock)
    assert (report.lines, report.sealed, report.pruned) == (YOUNG + 1, YOUNG + 1, OLD)
    again = await pruning.due()
    assert (again.past, again.lines, again.below) == (0, 0, OLD)
    assert (await pruning.prune()).lines == 0
    assert len(pruning.statements()) == 1


async def test_the_statement_says_who_by_which_rule_and_how_much(pruning: Pruning) -> None:
    await pruning.prune()
    [said] = pruning.statements()
    [(root,)] = pruning.sealing.as_owner("select encode(root, 'hex') from journal_seal where tree_size = %s", [OLD])
    told = {name: said[name] for name in ("tenant", "from", "below", "lines", "root", "by", "rule", "pack", "years")}
    assert told == {
        "tenant": "essai",
        "from": 0,
        "below": OLD,
        "lines": OLD,
        "root": root,
        "by": "essai",
        "rule": "journal-prune-operator",
        "pack": "2025-10-15-team-consent",
        "years": 10,
    }
    assert said["parameter"] == "journal.retention_years"
    assert "R.1111-36" in said["source"]
    assert datetime.fromisoformat(said["until"]) == datetime(2016, 11, 16, 9, tzinfo=UTC)
    asked = "select actor_id, outcome, rule, purpose from journal where action = 'purge'"
    assert pruning.sealing.as_owner(asked) == [("essai", "allowed", "journal-prune-operator", "administration")]


async def test_only_the_operator_prunes(pruning: Pruning) -> None:
    before = pruning.kept()
    for kind in (ActorKind.OFFICER, ActorKind.PERSON, ActorKind.PROFESSIONAL, ActorKind.ESTABLISHMENT):
        async with pruning.operator() as context:
            with pytest.raises(Refused, match="ACCESS_REFUSED"):
                await journal_pruning.prune(replace(context, actor=Actor(kind=kind, id="essai", name="Essai")))
    assert pruning.kept()[1:] == before[1:]
    assert pruning.sealing.ids()[: OLD + YOUNG] == [*pruning.sealing.order()]
    asked = "select count(*) from journal where kind = 'journal' and action = 'purge' and outcome = 'refused'"
    assert pruning.sealing.as_owner(asked) == [(4,)]


async def test_the_serving_role_cannot(pruning: Pruning) -> None:
    before = pruning.kept()
    async with pruning.operator() as context:
        served = replace(context, tenant=replace(context.tenant, database=pruning.sealing.context.tenant.database))
        with pytest.raises(Conflict, match="JOURNAL_NOT_OWNED"):
            await journal_pruning.prune(served)
        assert (await journal_pruning.due(served)).lines == OLD
    assert pruning.kept() == before


async def test_it_goes_by_signed_heads_and_on_from_where_it_was_cut_off(pruning: Pruning) -> None:
    seen: list[tuple[int, int]] = []

    def cut_off(done: int, total: int) -> None:
        seen.append((done, total))
        if done > 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await pruning.prune(at_once=5, on_progress=cut_off)
    assert seen == [(3, 37), (7, 37), (27, 37)]
    assert [each["below"] for each in pruning.statements()] == [3, 7, 27]
    assert await pruning.sealing.found() == []
    assert (await pruning.prune(at_once=5)).lines == SIZES[3] + SIZES[4]
    assert [(each["from"], each["below"]) for each in pruning.statements()] == [
        (0, 3), (3, 7), (7, 27), (27, 28), (28, 37),
    ]  # fmt: skip
    assert await pruning.sealing.found() == []


async def test_a_deletion_beyond_the_statement_is_named(pruning: Pruning) -> None:
    await pruning.prune()
    await pruning.sealing.seal()
    line = pruning.sealing.order()[OLD]
    pruning.sealing.as_owner("delete from journal where line_id = %s", [line])
    assert await pruning.sealing.found() == [("JOURNAL_LINE_REMOVED", str(line))]


async def test_a_leaf_changed_below_it_is_named_too(pruning: Pruning) -> None:
    await pruning.prune()
    line = pruning.sealing.order()[5]
    pruning.sealing.as_owner("update journal_leaf set hash = sha256(hash) where leaf_index = 5")
    assert await pruning.sealing.found() == [("JOURNAL_LINE_ALTERED", str(line)), ("JOURNAL_HEAD_BROKEN", "7")]


@pytest.mark.parametrize(("name", "value"), [("below", str(OLD + YOUNG)), ("lines", "3"), ("years", '"11"')])
async def test_a_statement_stretched_covers_nothing(pruning: Pruning, name: str, value: str) -> None:
    await pruning.prune()
    statement = max(pruning.sealing.ids())
    lines = pruning.sealing.order()
    pruning.sealing.as_owner("delete from journal where action <> 'purge'")
    pruning.sealing.as_owner(FORGED % name, [value])
    found = await pruning.sealing.found()
    assert ("JOURNAL_PRUNING_FALSE", str(statement)) in found
    assert {("JOURNAL_LINE_REMOVED", str(line)) for line in lines} <= set(found)


async def test_a_pruning_that_the_key_did_not_sign_covers_nothing(pruning: Pruning) -> None:
    """Whoever owns the database removes lines, and writes a line that says they were pruned: the worker seals it."""
    await pruning.prune(at_once=7)
    lines = pruning.sealing.order()
    copied = (
        "insert into journal overriding user value select (jsonb_populate_record(journal, jsonb_build_object('facts',"
        " jsonb_set(jsonb_set(facts, '{pruning,from}', '37'), '{pruning,below}', '43')))).*"
        " from journal where action = 'purge' order by line_id desc limit 1"
    )
    pruning.sealing.as_owner("delete from journal where action <> 'purge'")
    pruning.sealing.as_owner(copied)
    await pruning.sealing.seal()
    found = await pruning.sealing.found()
    false = max(pruning.sealing.ids())
    assert found == [
        ("JOURNAL_PRUNING_FALSE", str(false)),
        *(("JOURNAL_LINE_REMOVED", str(line)) for line in sorted(lines[OLD : OLD + YOUNG])),
    ]
    before = pruning.kept()
    with pytest.raises(BrokenIntegrity, match="JOURNAL_PRUNING_FALSE"):
        await pruning.prune()
    assert pruning.kept() == before


async def test_a_true_statement_told_twice_is_named(pruning: Pruning) -> None:
    await pruning.prune()
    pruning.sealing.as_owner(
        "insert into journal overriding user value select journal.* from journal where action = 'purge'"
    )
    assert await pruning.sealing.found() == [("JOURNAL_PRUNING_FALSE", str(max(pruning.sealing.ids())))]


async def test_a_statement_that_is_gone_is_missed(pruning: Pruning) -> None:
    await pruning.prune(at_once=7)
    statements = [row[0] for row in pruning.sealing.as_owner("select line_id from journal where action = 'purge'")]
    assert len(statements) > 2
    pruning.sealing.as_owner("delete from journal where line_id = %s", [statements[1]])
    assert await pruning.sealing.found() == [("JOURNAL_PRUNING_REMOVED", "#7–#26")]
    pruning.sealing.as_owner("delete from journal where action = 'purge'")
    assert len(await pruning.sealing.found()) == OLD  # each line that only the statements covered


async def test_a_line_put_back_is_named(pruning: Pruning) -> None:
    line = pruning.sealing.order()[4]
    pruning.sealing.as_owner("drop table if exists taken")
    pruning.sealing.as_owner("create table taken as select * from journal where line_id = %s", [line])
    await pruning.prune()
    pruning.sealing.as_owner("insert into journal overriding system value select * from taken")
    pruning.sealing.as_owner("drop table taken")
    assert await pruning.sealing.found() == [("JOURNAL_LINE_RETURNED", str(line))]


@pytest.mark.parametrize(
    "damage",
    [
        f"delete from journal where line_id = {ELEVENTH}",
        f"update journal set actor_name = 'autre' where line_id = {ELEVENTH}",
        "update journal_leaf set mark = sha256(mark) where leaf_index = 11",
        "update journal_leaf set hash = sha256(hash) where leaf_index = 11",
        "delete from journal_leaf where leaf_index = 11",
    ],
)
async def test_what_was_tampered_with_is_not_pruned_away(pruning: Pruning, damage: str) -> None:
    pruning.sealing.as_owner(damage)
    before, found = pruning.kept(), await pruning.sealing.found()
    with pytest.raises(BrokenIntegrity, match="JOURNAL_NOT_AS_SEALED") as refused:
        await pruning.prune()
    assert refused.value.fields == {"place": 11}
    assert pruning.kept() == before
    assert await pruning.sealing.found() == found != []


@pytest.mark.parametrize(
    "damage",
    [
        "update journal_seal set root = sha256(root) where tree_size = 37",
        "update journal_seal set frontier = sha256(frontier) where tree_size = 37",
    ],
)
async def test_a_head_that_is_not_ours_prunes_nothing(pruning: Pruning, damage: str) -> None:
    pruning.sealing.as_owner(damage)
    before = pruning.kept()
    with pytest.raises(BrokenIntegrity, match="JOURNAL_HEAD_BROKEN"):
        await pruning.prune()
    assert pruning.kept() == before


async def test_what_is_still_looked_at_waits(pruning: Pruning) -> None:
    pruning.sealing.as_owner("update notice_watermark set position = 9")
    found = await pruning.due()
    assert (found.past, found.lines, found.below) == (OLD, 7, 7)
    pruning.sealing.as_owner("truncate notice_watermark")  # the readers' task never ran
    assert (await pruning.due()).below == 0
    assert (await pruning.prune()).lines == 0
    pruning.follow()
    short = await pruning.due(**{"journal.retention_years": 0, "notices.newcomer_days": 4000})
    assert short.until == NOW - timedelta(days=4000)
    assert (await pruning.due(**{"journal.retention_years": 13})).lines == 0


async def test_a_network_may_keep_them_longer_or_less(pruning: Pruning) -> None:
    pruning.clock.advance(timedelta(days=500))
    assert (await pruning.prune(parameters={"journal.retention_years": 1})).lines == OLD + YOUNG
    assert pruning.statements()[0]["source"].startswith("Choix du réseau (")


async def test_a_young_line_holds_its_batch_and_those_after(pruning: Pruning) -> None:
    """A line written by a clock that was ahead: its own retention counts."""
    sealing = pruning.sealing
    sealing.empty()
    for at in (NOW - timedelta(days=5000), NOW - timedelta(days=10), NOW - timedelta(days=4990)):
        pruning.clock.set(at)
        await sealing.write(2, PATIENT)
        pruning.clock.set(NOW - timedelta(days=4980))
        await sealing.seal()
    pruning.clock.set(NOW)
    pruning.follow()
    found = await pruning.due()
    assert (found.past, found.lines, found.below) == (4, 2, 2)
    assert (await pruning.prune()).below == 2


async def test_lines_sealed_late_wait_for_their_head(pruning: Pruning) -> None:
    pruning.sealing.empty()
    pruning.clock.set(NOW - timedelta(days=5000))
    await pruning.sealing.write(2)
    pruning.clock.set(NOW)
    await pruning.sealing.seal()
    pruning.follow()
    found = await pruning.due()
    assert (found.past, found.lines) == (2, 0)


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 4)),
        st.tuples(st.just("seal"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 3000)),
        st.tuples(st.just("prune"), st.integers(1, 6)),
    ),
    max_size=12,
)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
async def test_whatever_happens_young_lines_stay_and_nothing_is_amiss(
    sealing: Sealing, acts: list[tuple[str, int]]
) -> None:
    pruning = Pruning(sealing)
    sealing.empty()
    sealing.as_owner("truncate journal_pruned_fact")
    pruning.clock.set(datetime(2013, 1, 1, tzinfo=UTC))
    for what, number in [*acts, ("seal", 0), ("prune", 3)]:
        if what == "write":
            await sealing.write(number, PATIENT)
        elif what == "seal":
            await sealing.seal()
        elif what == "wait":
            pruning.clock.advance(timedelta(days=number))
        else:
            await sealing.seal()
            pruning.follow()
            before, found = set(sealing.ids()), await pruning.due()
            old = {row[0] for row in sealing.as_owner("select line_id from journal where at < %s", [found.until])}
            assert (await pruning.prune(at_once=number)).lines == found.lines
            gone = before - set(sealing.ids())
            assert len(gone) == found.lines
            assert gone <= old
    await sealing.seal()
    assert await sealing.found() == []
