"""Whatever the session, the reader and the papers: the statement shows what the rules let through one by one, and what
it does not show leaves no mark."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, update
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.audit.transactions import transaction
from passerelle.dossier import named, relations, withholding
from passerelle.dossier.tables import document, dossier
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import SetClock
from passerelle.kernel.errors import Conflict, Refused
from passerelle.oncology import access, attachments
from passerelle.oncology.tables import board_session, case_attachment
from passerelle_policies.decision import decide
from passerelle_policies.vocabulary import Action, Kind
from tests import builders
from tests.builders import network
from tests.conftest import Cloned
from tests.oncology.cases.meetings import Board, Heard, Meetings

STATES = ("planned", "open", "held", "held_without_quorum", "cancelled")
INSTANTS = st.sampled_from([None, -1, 0, 1])


@dataclass(frozen=True, slots=True)
class Table:
    """A session of three cases, two papers each, and those who might come."""

    world: Meetings
    board: Board
    cases: list[Heard]
    papers: Mapping[UUID, list[UUID]]
    readers: Mapping[str, Actor]


@pytest.fixture(scope="module")
async def table(tenant_database: Cloned, tmp_path_factory: pytest.TempPathFactory) -> Table:
    premises = tmp_path_factory.mktemp("premises")
    trusted = {"1.2.250.1.213.1.4.10": "qualified"}
    world = Meetings(
        tenant=network(tenant_database.database, premises, identity_status_when_unsaid=trusted),
        clock=SetClock(datetime(2026, 11, 16, 9, tzinfo=UTC)),
    )
    board = await world.board()
    cases = [await board.case() for _ in range(3)]
    papers = {
        it.id: [
            await world.publish(it.patient_id, builders.document(type_code=each)) for each in ("11526-1", "11502-2")
        ]
        for it in cases
    }
    member = await board.member()
    treating = await board.member(specialty="radiotherapist")
    await world.authorize(cases[0].patient_id, cases[0].person, treating)
    nurse = await board.member("60", "nurse")
    readers = {
        "member": member,
        "treating": treating,
        "nurse": nurse,
        "coordinator": board.coordinator,
        "secretary": board.secretary,
        "requester": cases[0].doctor,
        "stranger": builders.professional(),
    }
    return Table(world, board, cases, papers, readers)


@dataclass(frozen=True, slots=True)
class Drawn:
    """How things stand: of each case, whether its record is open and its patient blocks the reader; of each paper,
    whether it is attached, masked, kept from the reader, or deleted."""

    state: str
    opened: int | None
    closed: int | None
    reader: str
    blocked: tuple[bool, ...]
    closed_records: tuple[bool, ...]
    papers: tuple[str, ...]


PAPERS = st.sampled_from(["loose", "attached", "attached", "masked", "deleted", "detached"])
DRAWN = st.builds(
    Drawn,
    state=st.sampled_from(STATES),
    opened=INSTANTS,
    closed=INSTANTS,
    reader=st.sampled_from(["member", "treating", "nurse", "coordinator", "secretary", "requester", "stranger"]),
    blocked=st.tuples(*[st.booleans()] * 3),
    closed_records=st.tuples(*[st.sampled_from([False, False, True])] * 3),
    papers=st.tuples(*[PAPERS] * 6),
)


async def _set(table: Table, drawn: Drawn) -> None:
    world, now = table.world, table.world.clock.now()

    def instant(hours: int | None) -> datetime | None:
        return None if hours is None else now + timedelta(hours=hours)

    which = board_session.c.session_id == table.board.session_id
    await world.run(
        update(board_session)
        .where(which)
        .values(state=drawn.state, opened_at=instant(drawn.opened), closed_at=instant(drawn.closed))
    )
    reader = table.readers[drawn.reader]
    papers = iter(drawn.papers)
    for it, blocked, is_closed in zip(table.cases, drawn.blocked, drawn.closed_records, strict=True):
        await world.run(update(dossier).where(dossier.c.patient_id == it.patient_id).values(state="open"))
        if blocked:
            await world.do(it.person, relations.block_professional, it.patient_id, reader.id)
        for paper in table.papers[it.id]:
            await _lay(world, it, paper, next(papers))
        if is_closed:
            await world.run(update(dossier).where(dossier.c.patient_id == it.patient_id).values(state="closed"))


async def _lay(world: Meetings, it: Heard, paper: UUID, how: str) -> None:
    now = world.clock.now()
    status = "deleted" if how == "deleted" else "current"
    await world.run(
        update(document).where(document.c.document_id == paper).values(masked=how == "masked", status=status)
    )
    detached = None if how not in {"loose", "detached"} else now
    said = {"attached_by": it.doctor.subject, "attached_at": now, "detached_at": detached}
    await world.run(
        upsert(case_attachment)
        .values(patient_id=it.patient_id, case_id=it.id, document_id=paper, **said)
        .on_conflict_do_update(index_elements=["patient_id", "case_id", "document_id"], set_=said)
    )


async def _unset(table: Table, drawn: Drawn) -> None:
    reader = table.readers[drawn.reader]
    for it, blocked in zip(table.cases, drawn.blocked, strict=True):
        await table.world.run(update(dossier).where(dossier.c.patient_id == it.patient_id).values(state="open"))
        if blocked:
            await table.world.do(it.person, relations.unblock_professional, it.patient_id, reader.id)


@settings(max_examples=15)
@given(drawn=DRAWN)
async def test_the_statement_shows_what_the_rules_let_through_one_by_one(table: Table, drawn: Drawn) -> None:
    world, reader = table.world, table.readers[drawn.reader]
    await _set(table, drawn)
    try:
        before = len(await world.lines())
        opened = await table.board.agenda(reader)
        lines = (await world.lines())[before:]
        shown = {UUID(each["case_id"]): each for each in opened.cases}
        for it in table.cases:
            async with transaction(world.context(reader)) as act:
                standing = await access.standing_on_case(act, it.patient_id, it.id)
                papers = await named.decided(act, it.patient_id, table.papers[it.id], standing)
                attached = {row.document_id for row in await attachments.attached_to(act, it.case)}
            may = decide(standing.facts, Kind.BOARD_CASE, Action.READ).allowed
            reads = may and decide(standing.facts, Kind.BOARD_SHEET, Action.READ).allowed
            assert (it.id in shown) == may
            if may:
                assert (shown[it.id]["question"] is not None) == reads
            expected = {key for key, each in papers.items() if reads and each.decision.allowed and key in attached}
            assert {UUID(each["document_id"]) for each in opened.attached.get(str(it.id), [])} == expected
            for paper in table.papers[it.id]:
                assert await _opens(world, reader, it.id, paper) == (
                    may and paper in attached and paper in papers and papers[paper].decision.allowed
                )
        assert [each.patient_id for each in lines[1:]] == [UUID(each["patient_id"]) for each in opened.cases]
        _in_its_span(drawn, opened)
    finally:
        await _unset(table, drawn)


def _in_its_span(drawn: Drawn, opened: Any) -> None:
    """What holds whatever the rules: nobody but who asked for a case or organises is let in before the opening, or
    where it waits."""
    is_over = drawn.closed is not None and drawn.closed <= 0
    is_early = drawn.opened is None or drawn.opened > 0 or drawn.state == "cancelled"
    if is_over or drawn.reader == "stranger" or (is_early and drawn.reader in {"member", "treating", "nurse"}):
        assert opened.cases == []
        assert opened.attached == {}


async def _opens(world: Meetings, reader: Actor, case_id: UUID, paper: UUID) -> bool:
    with suppress(Refused):
        await attachments.open_attached(world.context(reader), case_id, paper)
        return True
    return False


@settings(max_examples=8)
@given(drawn=DRAWN, which=st.integers(0, 2), how=st.sampled_from(["masked", "withheld"]))
async def test_a_paper_that_he_may_not_read_leaves_no_mark(table: Table, drawn: Drawn, which: int, how: str) -> None:
    world, reader, it = table.world, table.readers[drawn.reader], table.cases[which]
    await _set(table, drawn)
    try:
        await world.run(update(dossier).where(dossier.c.patient_id == it.patient_id).values(state="open"))
        paper = await world.publish(it.patient_id, builders.document(type_code="11526-1", masked=how == "masked"))
        if how == "withheld":
            await world.do(it.person, withholding.withhold, paper, reader.id)
        before = await _everything(table, reader, it, paper)
        now = world.clock.now()
        await world.run(
            insert(case_attachment).values(
                patient_id=it.patient_id, case_id=it.id, document_id=paper, attached_by="x", attached_at=now
            )
        )
        assert await _everything(table, reader, it, paper) == before
    finally:
        await _unset(table, drawn)


async def _everything(table: Table, reader: Actor, it: Heard, paper: UUID) -> list[object]:
    """All that a reader is answered, and how many lines he writes."""
    world = table.world
    said: list[object] = []
    before = len(await world.lines())
    said.append(await table.board.agenda(reader))
    said.append(await _opens(world, reader, it.id, paper))
    for asked in ((attachments.attachable, it.patient_id, it.id), (attachments.detach, it.id, paper)):
        try:
            said.append(await world.do(reader, *asked))
        except (Conflict, Refused) as refusal:
            said.append((refusal.code, str(refusal.fields)))
    return [*said, len(await world.lines()) - before]


async def test_a_case_whose_patient_keeps_him_out_leaves_no_mark(table: Table) -> None:
    world, board = table.world, await table.world.board()
    for _ in range(2):
        await board.case()
    reader = await board.member()
    before = len(await world.lines())
    said = await board.agenda(reader)
    written = len(await world.lines()) - before
    it = await board.case()
    await world.do(it.person, relations.block_professional, it.patient_id, reader.id)
    before = len(await world.lines())
    assert await board.agenda(reader) == said
    assert len(await world.lines()) - before == written
    assert len((await board.agenda(board.coordinator)).cases) == 3
