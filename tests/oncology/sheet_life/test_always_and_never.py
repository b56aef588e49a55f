"""Whatever is done in whatever order: no sheet is approved without quorum, signature or compulsory answers, none that
is approved changes, and what is refused leaves everything as it was."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from passerelle.dossier import relations
from passerelle.dossier.blocking import blocked_subjects
from passerelle.kernel.errors import Conflict, InvalidInput, Refused
from passerelle.oncology import approval, cases, sheet_fields, sheets
from passerelle.oncology.sheet import BoardSheet
from passerelle.oncology.tables import board_seat, board_session
from tests.oncology.sheet_life.opinions import WRITTEN, Opinion, Opinions

STAGES: Final = ("registered", "begun", "met", "ready", "approved", "closed")


async def _at(world: Opinions, stage: str, present: int) -> Opinion:
    """A case so far on its way; of its session, so many signed when it was held."""
    it = await world.meeting()
    await it.board.deputy(it.members[1], "radiotherapist")
    if stage != "registered":
        await it.begin()
    if stage in {"met", "ready", "approved", "closed"}:
        await it.starts()
        await it.sign(*(it.coordinator, *it.members)[: present if stage in {"met", "ready"} else 3])
        await it.hold()
    if stage in {"ready", "approved", "closed"}:
        await it.done((await it.write(it.coordinator, 1, **WRITTEN)).revision)
    if stage in {"approved", "closed"}:
        await it.approve(3)
    if stage == "closed":
        await it.close()
        await ACTS["deputy corrects"](it, 1)
        await ACTS["deputy is done"](it, 1)
    else:
        await it.starts()
    return it


_Act = Callable[[Opinion, int], Awaitable[Any]]
ACTS: Final[dict[str, _Act]] = {
    "begin": lambda it, _: it.begin(),
    "write": lambda it, revision: it.write(it.coordinator, revision, **WRITTEN),
    "empty": lambda it, revision: it.write(it.coordinator, revision, proposals=None, phase=None),
    "stale": lambda it, revision: it.write(it.coordinator, revision - 1, trial=True),
    "requester writes": lambda it, revision: it.write(it.doctor, revision, trial=True),
    "done": lambda it, revision: it.done(revision),
    "approve": lambda it, revision: it.approve(revision),
    "correct": lambda it, _: it.world.do(it.coordinator, sheets.correct, it.case_id, "essai"),
    "deputy corrects": lambda it, _: it.world.do(it.members[1], sheets.correct, it.case_id, "essai"),
    "deputy writes": lambda it, revision: it.write(it.members[1], revision, **WRITTEN),
    "deputy is done": lambda it, revision: it.world.do(it.members[1], sheets.done, it.case_id, revision),
    "deputy approves": lambda it, revision: it.world.do(it.members[1], approval.approve, it.case_id, revision),
    "close session": lambda it, _: it.close(),
    "close": lambda it, _: it.world.do(it.coordinator, sheets.close, it.case_id),
    "withdraw": lambda it, _: it.world.do(it.person, cases.withdraw, it.case_id),
    "block": lambda it, _: it.world.do(it.person, relations.block_professional, it.patient_id, it.members[0].id),
    "coordinator signs": lambda it, _: it.sign(it.coordinator),
    "member signs": lambda it, _: it.sign(it.members[0]),
    "hold": lambda it, _: it.hold(),
}
WORDS: Final = st.sampled_from([*ACTS, "approve", "approve", "done", "deputy approves"])


async def _has_all_it_needs(it: Opinion, row: Any) -> bool:
    """By the tables alone, and by the rule as the text says it: three physicians of the specialties it names."""
    async with it.world.act(it.coordinator) as act:
        session = (
            await act.connection.execute(select(board_session).where(board_session.c.session_id == it.board.session_id))
        ).one()
        out = await blocked_subjects(act, it.patient_id, session.held_at)
        asked = select(board_seat).where(
            board_seat.c.session_id == it.board.session_id, board_seat.c.signed_at <= session.held_at
        )
        signed = [*await act.connection.execute(asked)]
    counted = {each.specialty for each in signed if each.subject not in out}
    return (
        session.state == "held"
        and {"surgeon", "medical_oncologist", "radiotherapist"} <= counted
        and row.approved_by in {each.subject for each in signed}
        and not sheet_fields.missing(BoardSheet.from_json(row.content))
    )


async def _is_over(it: Opinion) -> bool:
    async with it.world.act(it.coordinator) as act:
        closed_at = select(board_session.c.closed_at).where(board_session.c.session_id == it.board.session_id)
        return await act.connection.scalar(closed_at) is not None


@settings(max_examples=14)
@given(st.sampled_from(STAGES), st.integers(1, 3), st.lists(WORDS, min_size=1, max_size=6))
async def test_no_sequence_of_acts_approves_too_soon_or_changes_what_was_approved(
    world: Opinions, stage: str, present: int, acts: list[str]
) -> None:
    it = await _at(world, stage, present)
    for act in acts:
        before, all_before = {row.version: row for row in await it.versions()}, await world.kept_of_all()
        try:
            revision = before[max(before)].revision if before else 1
            await ACTS[act](it, revision)
        except (Conflict, Refused, InvalidInput):
            assert await world.kept_of_all() == all_before
            continue
        after = {row.version: row for row in await it.versions()}
        for version, row in before.items():
            if row.state in {"approved", "closed"}:
                kept = {**after[version]._mapping, "state": row.state}
                assert kept == dict(row._mapping)
                assert (row.state, after[version].state) != ("closed", "approved")
                assert after[version].state in {"approved", "closed"}
        for version, row in after.items():
            if row.approved_at is not None and (version not in before or before[version].approved_at is None):
                assert act in {"approve", "deputy approves"}
                assert await _has_all_it_needs(it, row)
        assert not (await _is_over(it) and any(row.state == "approved" for row in after.values()))
