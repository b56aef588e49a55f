"""A patient takes his cases away with his record; a purged record leaves nothing of them, or of what it warned of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import insert, select

from passerelle.audit.outbox import waiting
from passerelle.audit.tables import journal
from passerelle.dossier import lifecycle, remains
from passerelle.dossier.events import DossierChanged
from passerelle.kernel.clock import SetClock
from passerelle.oncology import portability, sheets
from passerelle.oncology.tables import (
    board_case,
    board_sheet,
    care_plan,
    care_plan_reminder,
    case_attachment,
    recourse_referral,
)
from passerelle.pharmacy.tables import check_override
from passerelle_ops.erasing import bind_erasing
from passerelle_ops.relay import Subscribers
from tests.oncology.sheet_life.opinions import Opinion, Opinions

TABLES = (board_case, case_attachment, board_sheet, care_plan, care_plan_reminder, recourse_referral, check_override)
_LATER = datetime(2026, 12, 31, tzinfo=UTC)
_OVERRIDDEN = {"CHECK_ALLERGY": "éruption", "CHECK_PROTOCOL_OVERLAP": "carboplatine", "CHECK_INTERACTION": "surveillé"}


async def _overrides(it: Opinion) -> None:
    """A pharmacist passed over a warning of each code."""
    who = {"products": ["3400933516390"], "pharmacy": "310000001", "by": "professional:essai", "by_name": "Essai"}
    rows = [
        {"patient_id": it.patient_id, "override_id": uuid4(), "finding": "0", "code": code, "reason": reason, **who}
        for code, reason in _OVERRIDDEN.items()
    ]
    async with it.world.act(it.person) as act:
        await act.connection.execute(insert(check_override), [{**each, "at": act.now} for each in rows])


async def _rows(it: Opinion) -> dict[str, list[Any]]:
    async with it.world.tenant.database.transaction() as connection:
        return {
            each.name: [*await connection.execute(select(each).where(each.c.patient_id == it.patient_id))]
            for each in TABLES
        }


async def test_the_patient_takes_his_cases_away_and_nobody_else_does(world: Opinions) -> None:
    it = await world.meeting()
    portion = await world.do(it.person, portability.taken_away, it.patient_id)
    assert portion.rows[0][2:] == ("Traitement adjuvant ?", "Inscrit.")
    assert portion.data["cases"][0]["caseId"] == it.case_id
    async with world.tenant.database.transaction() as connection:
        written = select(journal).where(journal.c.patient_id == it.patient_id).order_by(journal.c.line_id.desc())
        line = (await connection.execute(written.limit(portion.own_lines))).one()
    assert (line.kind, line.rule) == ("board_case", "case-own")
    for who in (it.doctor, it.coordinator):
        assert await world.do(who, portability.taken_away, it.patient_id) is None


async def test_a_purged_record_leaves_nothing_of_its_cases(world: Opinions) -> None:
    it = await world.meeting()
    await it.approved()
    await world.do(it.coordinator, sheets.correct, it.case_id, "Dose à revoir")
    other = await world.meeting()
    await other.begin()
    for each in (it, other):
        await _overrides(each)
    untouched = await _rows(other)
    async with world.act(it.person) as act:
        await lifecycle.close(act, it.patient_id)
        await lifecycle.purge(act, it.patient_id, basis=lifecycle.Basis.REQUEST, proof="lettre")
    async with world.tenant.database.transaction() as connection:
        told = [each for each in await waiting(connection, _LATER, 1_000) if each.patient_id == it.patient_id]
    events = [each for each in told if each.name == DossierChanged.name]
    assert events
    subscribers = Subscribers()
    bind_erasing(subscribers, SetClock(_LATER))
    for _ in range(2):  # at least once, and the same
        for event in events:
            for subscriber in subscribers.of(event.name):
                await subscriber(world.tenant, event)
    rows = await _rows(it)
    said = str([{**row._mapping} for table in rows.values() for row in table])
    words = ("adjuvant", "Dose", "chirurgie", "C50.2", "ALLERGY", "éruption", "carboplatine")
    for word in (*words, it.doctor.id, it.coordinator.id):
        assert word not in said
    assert {row.requester for row in rows["board_case"]} == {remains.ERASED}
    assert [row.content for row in (*rows["board_sheet"], *rows["care_plan"])] == [{}, {}, {}]
    assert sorted((row.code, row.reason) for row in rows["check_override"]) == [
        ("", ""),
        ("", ""),
        ("CHECK_INTERACTION", "surveillé"),
    ]
    assert await _rows(other) == untouched
