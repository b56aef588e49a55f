"""Whatever is done, an issued version stays as it was handed out, and a day of follow-up is told once."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from passerelle.kernel.errors import Conflict
from passerelle.notices.tables import notice
from passerelle.oncology import aftercare, care_plans
from passerelle.oncology.aftercare_plan import AftercarePlan, Step
from passerelle.oncology.plan_items import Kind
from passerelle.oncology.plan_lines import Line
from passerelle.oncology.plan_versions import Plan
from passerelle.oncology.reminders import remind
from passerelle_ops.schedule import beat_context
from tests.oncology.care_plans.caring import BEGINNING, Caring, Treated

_ACTS = st.sampled_from(["write", "write", "issue", "issue", "revise", "revise", "stale", "later", "turn"])
_DAYS = st.sampled_from(["2026-12-01", "2027-01-31", "2027-02-28", "2027-06-15"])


async def _told(it: Treated) -> list[str]:
    async with it.world.tenant.database.transaction() as connection:
        his = (notice.c.recipient == it.person.subject, notice.c.kind == "follow_up_due")
        return [each["day"] for each in await connection.scalars(select(notice.c.about).where(*his))]


@settings(max_examples=6)
@given(
    acts=st.lists(_ACTS, min_size=4, max_size=12), days=st.lists(_DAYS, min_size=12, max_size=12), is_care=st.booleans()
)
async def test_what_was_handed_out_stays(world: Caring, acts: list[str], days: list[str], is_care: bool) -> None:
    it, began = await world.treated(), world.clock.now()
    case: Any = care_plans if is_care else aftercare
    begun: Plan = (
        await world.do(it.doctor, care_plans.begin, it.patient_id, BEGINNING)
        if is_care
        else await world.do(it.doctor, aftercare.begin, it.patient_id)
    )
    handed_out: dict[int, Any] = {}
    for act, day in zip(["write", *acts], days, strict=False):
        newest = (await it.versions())[-1]
        key = (it.patient_id, begun.plan_id)
        said: Any = [Line(kind=Kind.TREATMENT, words="Traitement", planned_from=day)]
        if not is_care:
            said = AftercarePlan(steps=(Step(what="Examen", first_on=day, every_months=3, until="2027-12-31"),))
        with suppress(Conflict):
            if act in {"write", "stale"}:
                await world.do(it.doctor, case.write, *key, newest.revision - (act == "stale"), said)
            elif act == "issue":
                await world.do(it.doctor, case.issue, *key, newest.revision)
            elif act == "revise":
                await world.do(it.doctor, case.revise, *key)
        if act == "later":
            world.clock.advance(timedelta(days=40))
        if act in {"later", "turn"}:
            await remind(beat_context(world.tenant, world.clock))
        rows = await it.versions()
        assert [row.version for row in rows] == list(range(1, len(rows) + 1))
        assert handed_out == {row.version: row for row in rows if row.version in handed_out}
        handed_out = {row.version: row for row in rows if row.state == "issued"}
        assert all(row.state == "issued" for row in rows[:-1])
        filed = {each.document_id: each.replaces for each in await it.documents()}
        documents = [row.document_id for row in rows if row.state == "issued"]
        assert filed == dict(zip(documents, [None, *documents], strict=False))
        told = await _told(it)
        assert len(told) == len(set(told))
    world.clock.set(began)
