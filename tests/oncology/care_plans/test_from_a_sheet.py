"""The plan that an approved sheet gives: completed, handed to the patient, filed beside the sheet."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from passerelle.dossier import relations
from passerelle.dossier.tables import document
from passerelle.kernel.clock import SetClock
from passerelle.oncology import care_plans, plan_lines, plan_status
from passerelle.oncology.care_plan import CarePlan
from passerelle.oncology.formats import pps
from passerelle.oncology.plan_items import Kind
from passerelle.oncology.plan_lines import Line
from passerelle.oncology.plan_versions import CarePlanState, of_patient
from passerelle.oncology.sheet_header import subject_of
from tests.builders import network
from tests.conftest import Cloned
from tests.oncology.care_plans.caring import PLACE
from tests.oncology.sheet_life.opinions import Opinions


@pytest.fixture(scope="module")
def boards(tenant_database: Cloned, tmp_path_factory: pytest.TempPathFactory) -> Opinions:
    clock = SetClock(datetime(2026, 11, 16, 9, tzinfo=UTC))
    trusted = {"1.2.250.1.213.1.4.10": "qualified"}
    premises = tmp_path_factory.mktemp("premises")
    return Opinions(
        tenant=network(tenant_database.database, premises, identity_status_when_unsaid=trusted), clock=clock
    )


async def test_the_plan_of_a_board_s_decision_reaches_the_patient(boards: Opinions) -> None:
    it = await boards.meeting()
    approved = await it.approved()
    writer = replace(it.coordinator, establishment=PLACE)
    (draft,) = await of_patient(boards.context(writer), it.patient_id, it.case_id)
    assert (draft.plan_id, draft.state, draft.case_id) == (approved.plan_id, CarePlanState.DRAFT, it.case_id)
    assert await of_patient(boards.context(it.person), it.patient_id) == []

    shown = plan_lines.lines(CarePlan.from_json(draft.content))
    assert [(each.kind, each.words) for each in shown] == [(Kind.TREATMENT, "50 Gy en 25 séances")]
    surgeon = it.members[0]
    await boards.do(it.person, relations.block_professional, it.patient_id, it.doctor.id)
    written = await boards.do(
        writer,
        care_plans.write,
        it.patient_id,
        draft.plan_id,
        draft.revision,
        [*shown, Line(kind=Kind.SUPPORT_CARE, words="Diététicienne")],
    )
    issued = await boards.do(writer, care_plans.issue, it.patient_id, draft.plan_id, written.revision)

    content = CarePlan.from_json(issued.content)
    assert pps.read(pps.written(content)) == content
    assert plan_status.board_day(content) == "20261123"
    named = {subject_of(each) for each in content.header.participants}
    assert it.doctor.subject not in named  # who asked for the case, and is kept out since
    assert surgeon.subject not in named
    async with boards.tenant.database.transaction() as connection:
        asked = select(document.c.type_code).where(document.c.patient_id == it.patient_id)
        assert sorted(await connection.scalars(asked)) == ["18776-5", "34794-8"]
    (read,) = await of_patient(boards.context(it.person), it.patient_id)
    assert read == issued
