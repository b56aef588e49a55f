"""Whoever owns the database changes the sealed journal: `verify` finds it and names the line."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, DateTime, Text, Uuid, select
from sqlalchemy.dialects.postgresql import JSONB

from passerelle.audit.leaves import columns_of_line, leaf_of, mark_of
from passerelle.audit.tables import journal as journal_table
from passerelle.audit.transactions import transaction
from passerelle.audit.verifier import leaf_hash
from passerelle.kernel.clock import SetClock
from tests.audit.sealed import Sealing

SIZES = (3, 4, 20, 1, 9)
COUNT = sum(SIZES)


@pytest.fixture
async def sealed(sealing: Sealing) -> Sealing:
    """37 lines under five heads. The first of each batch is about nobody, the others about one patient."""
    for size in SIZES:
        await sealing.write()
        if size > 1:
            await sealing.write(size - 1, UUID(int=7))
        await sealing.seal()
    assert await sealing.found() == []
    return sealing


async def test_a_line_removed_is_named(sealed: Sealing) -> None:
    lines = sealed.order()
    for line in (lines[0], lines[20], lines[-1]):
        sealed.as_owner("delete from journal where line_id = %s", [line])
    named = [("JOURNAL_LINE_REMOVED", str(line)) for line in (lines[0], lines[20], lines[-1])]
    assert await sealed.found() == named


@pytest.mark.parametrize("place", [0, 2, 7, 16, 33])
async def test_a_line_removed_with_its_leaf_leaves_its_place(sealed: Sealing, place: int) -> None:
    sealed.as_owner("delete from journal where line_id = %s", [sealed.order()[place]])
    sealed.as_owner("delete from journal_leaf where leaf_index = %s", [place])
    assert await sealed.found() == [("JOURNAL_LINE_REMOVED", f"#{place}")]


@pytest.mark.parametrize(("one", "other"), [(8, 9), (2, 3), (0, 36), (7, 30), (27, 28)])
async def test_two_leaves_exchanged_are_named(sealed: Sealing, one: int, other: int) -> None:
    """Within a batch, across the edge of two, and far apart."""
    lines = sealed.order()
    sealed.as_owner("update journal_leaf set leaf_index = -1 where leaf_index = %s", [one])
    sealed.as_owner("update journal_leaf set leaf_index = %s where leaf_index = %s", [one, other])
    sealed.as_owner("update journal_leaf set leaf_index = %s where leaf_index = -1", [other])
    found = await sealed.found()
    named = {("JOURNAL_LINE_REORDERED", str(lines[one])), ("JOURNAL_LINE_REORDERED", str(lines[other]))}
    assert {each for each in found if each[0].startswith("JOURNAL_LINE")} == named
    assert {code for code, _ in found} <= {"JOURNAL_LINE_REORDERED", "JOURNAL_HEAD_BROKEN", "JOURNAL_TREE_ALTERED"}
    assert "JOURNAL_HEAD_BROKEN" in {code for code, _ in found}


async def test_two_lines_that_exchange_their_contents_are_named(sealed: Sealing) -> None:
    one, other = sealed.order()[9:11]
    sealed.as_owner(
        "update journal as this set facts = that.facts from journal as that"
        " where this.line_id in (%(one)s, %(other)s) and that.line_id in (%(one)s, %(other)s)"
        " and this.line_id <> that.line_id",
        {"one": one, "other": other},
    )
    assert await sealed.found() == [("JOURNAL_LINE_ALTERED", str(one)), ("JOURNAL_LINE_ALTERED", str(other))]


async def test_a_line_rewritten_with_its_leaf_is_named(sealed: Sealing) -> None:
    """The leaf fits the false line; the mark and the signed root do not."""
    line = sealed.order()[17]
    sealed.as_owner("update journal set actor_name = 'autre' where line_id = %s", [line])
    async with transaction(sealed.context) as act:
        changed = select(*columns_of_line()).where(journal_table.c.line_id == line)
        leaf = leaf_of((await act.connection.execute(changed)).one())
    sealed.as_owner("update journal_leaf set hash = %s where line_id = %s", [leaf, line])
    assert await sealed.found() == [("JOURNAL_LINE_ALTERED", str(line)), ("JOURNAL_HEAD_BROKEN", "27")]


async def test_whoever_has_the_key_of_the_marks_breaks_the_head(sealed: Sealing) -> None:
    """Even a false mark that fits leaves the signed root."""
    [(patient_id, line_id)] = sealed.as_owner("select patient_id, line_id from journal_leaf where leaf_index = 5")
    false = leaf_hash(b"autre chose")
    mark = mark_of(sealed.context.tenant.keys, patient_id, line_id, false, 5)
    sealed.as_owner("update journal_leaf set hash = %s, mark = %s where leaf_index = 5", [false, mark])
    assert ("JOURNAL_HEAD_BROKEN", "7") in await sealed.found()


@pytest.mark.parametrize("keep", [36, 28, 27, 5, 0])
async def test_an_end_cut_off_the_tree_is_found(sealed: Sealing, keep: int) -> None:
    sealed.as_owner("delete from journal_leaf where leaf_index >= %s", [keep])
    assert await sealed.found() == [("JOURNAL_TREE_TRUNCATED", f"#{keep}–#36")]


async def test_lines_whose_leaves_were_cut_off_are_named_once_they_should_have_some(sealed: Sealing) -> None:
    lines = sealed.order()[30:]
    sealed.as_owner("delete from journal_leaf where leaf_index >= 30")
    assert isinstance(sealed.context.clock, SetClock)
    sealed.context.clock.advance(timedelta(minutes=10))
    found = await sealed.found()
    assert found == [
        ("JOURNAL_TREE_TRUNCATED", "#30–#36"),
        *(("JOURNAL_LINE_UNSEALED", str(line)) for line in lines),
    ]


async def test_a_line_that_waits_too_long_is_named_and_a_young_one_is_not(sealed: Sealing) -> None:
    assert isinstance(sealed.context.clock, SetClock)
    [old] = await sealed.write()
    sealed.context.clock.advance(timedelta(seconds=301))
    await sealed.write()
    assert await sealed.found() == [("JOURNAL_LINE_UNSEALED", str(old))]


async def test_a_line_slipped_in_from_the_future_is_named(sealed: Sealing) -> None:
    line = max(sealed.order()) + 1000
    sealed.as_owner(
        "insert into journal overriding system value select (jsonb_populate_record(journal, jsonb_build_object("
        "'line_id', %s::bigint, 'at', '2126-01-01T00:00:00Z'))).* from journal limit 1",
        [line],
    )
    assert await sealed.found() == [("JOURNAL_LINE_UNSEALED", str(line))]


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("update journal_seal set root = sha256(root) where tree_size = 7", {("JOURNAL_HEAD_SIGNATURE", "7")}),
        (
            "update journal_seal set sealed_at = sealed_at + interval '1 microsecond' where tree_size = 28",
            {("JOURNAL_HEAD_SIGNATURE", "28"), ("JOURNAL_HEAD_BROKEN", "37")},
        ),
        ("update journal_seal set signature = sha256('') where tree_size = 37", {("JOURNAL_HEAD_SIGNATURE", "37")}),
        ("update journal_seal set key_id = 'ed25519:00' where tree_size = 37", {("JOURNAL_HEAD_SIGNATURE", "37")}),
        ("update journal_seal set previous_head = sha256('') where tree_size = 7", {("JOURNAL_HEAD_SIGNATURE", "7")}),
        ("update journal_seal set tree_size = 36 where tree_size = 37", {("JOURNAL_HEAD_SIGNATURE", "36")}),
        ("update journal_seal set frontier = sha256('') where tree_size = 7", {("JOURNAL_HEAD_BROKEN", "7")}),
        ("delete from journal_seal where tree_size = 7", {("JOURNAL_HEAD_BROKEN", "27")}),
        ("delete from journal_seal where tree_size = 37", {("JOURNAL_HEAD_BROKEN", "#28")}),
        ("delete from journal_seal", {("JOURNAL_HEAD_BROKEN", "#0")}),
        ("update journal_leaf set subtrees = sha256('') where leaf_index = 15", {("JOURNAL_TREE_ALTERED", "#15")}),
        ("update journal_leaf set subtrees = null where leaf_index = 31", {("JOURNAL_TREE_ALTERED", "#31")}),
    ],
)
async def test_a_head_or_the_tree_changed_is_found(
    sealed: Sealing, damage: str, expected: set[tuple[str, str]]
) -> None:
    sealed.as_owner(damage)
    found = await sealed.found()
    assert set(found) >= expected
    assert not [each for each in found if each[0].startswith("JOURNAL_LINE")]


async def test_the_fault_of_one_batch_is_not_said_of_the_others(sealed: Sealing) -> None:
    line = sealed.order()[4]
    sealed.as_owner("update journal_leaf set hash = sha256(hash) where leaf_index = 4")
    assert await sealed.found() == [("JOURNAL_LINE_ALTERED", str(line)), ("JOURNAL_HEAD_BROKEN", "7")]


async def test_of_a_journal_that_was_emptied_a_thousand_lines_are_named_and_all_are_counted(sealing: Sealing) -> None:
    from passerelle.audit.verification import verify_journal

    await sealing.write(1)
    sealing.as_owner(
        "insert into journal overriding user value select journal.* from journal, generate_series(1, 1200)"
    )
    assert (await sealing.seal(at_once=500)).lines == 1201
    assert await sealing.found() == []
    sealing.as_owner("truncate journal")
    report = await verify_journal(sealing.context.tenant, sealing.context.clock)
    assert report.counts == {"JOURNAL_LINE_REMOVED": 1201}
    assert (len(report.findings), report.lines, report.sealed) == (1000, 0, 1201)


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False).map(str) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def _values(column: object) -> st.SearchStrategy[object]:
    match column:
        case JSONB():
            return st.dictionaries(TEXTS, JSONS, max_size=3).map(json.dumps)
        case Uuid():
            return st.uuids()
        case DateTime():
            return st.datetimes().map(lambda each: each.isoformat() + "Z")
        case BigInteger():
            return st.integers(-(2**63), 2**63 - 1)
        case Text():
            return TEXTS
    raise TypeError(type(column).__name__)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much])
@given(data=st.data())
async def test_any_change_of_any_column_of_a_line_is_found(sealing: Sealing, data: st.DataObject) -> None:
    if not sealing.order():
        await sealing.write(5, UUID(int=7))
        await sealing.seal()
    line = data.draw(st.sampled_from(sealing.order()))
    name = data.draw(st.sampled_from(list(journal_table.c.keys())))
    column = journal_table.c[name]
    value = data.draw(_values(column.type) if name != "transaction_id" else st.integers(0, 2**40).map(str))
    if column.nullable:
        value = data.draw(st.sampled_from([value, None]))
    cast = {"patient_id": "uuid", "document_id": "uuid", "line_id": "bigint", "at": "timestamptz", "facts": "jsonb"}
    with psycopg.connect(sealing.database.owner_url) as owner:
        shown = owner.execute(f"select {name}::text from journal where line_id = %s".encode(), (line,)).fetchone()
        owner.execute(b"create temporary table before as select * from journal")
        if name == "line_id":
            owner.execute(b"alter table journal alter column line_id drop identity")
        try:
            changed = owner.execute(
                f"update journal set {name} = %s::{cast.get(name, 'text')} where line_id = %s"
                f" returning {name}::text".encode(),
                (value, line),
            ).fetchone()
        except psycopg.Error:  # a value that the column does not take
            assume(False)
        assume(changed != shown)
        owner.commit()
        try:
            found = await sealing.found()
        finally:
            owner.execute(b"delete from journal")
            owner.execute(b"insert into journal overriding system value select * from before")
            if name == "line_id":
                owner.execute(b"alter table journal alter column line_id add generated always as identity")
            owner.execute(b"drop table before")
            owner.commit()
    named = {about for code, about in found if code in ("JOURNAL_LINE_ALTERED", "JOURNAL_LINE_REMOVED")}
    assert named == {str(line)}, (name, value)
    assert await sealing.found() == []


async def test_a_leaf_put_far_beyond_the_end_does_not_make_the_pass_endless(sealed: Sealing) -> None:
    """What the serving role could do, which may add: the pass ends, and says so."""
    far = 10**15
    sealed.as_owner(
        "insert into journal_leaf select %s, gen_random_uuid(), 1000000, hash, mark from journal_leaf limit 1", [far]
    )
    sealed.as_owner(
        "insert into journal_seal select %s, root, sealed_at, previous_head, key_id, signature, frontier, low_water,"
        " in_flight, cluster from journal_seal limit 1",
        [far + 1],
    )
    found = await sealed.found()
    assert ("JOURNAL_HEAD_SIGNATURE", str(far + 1)) in found
    assert len(found) < 2000
