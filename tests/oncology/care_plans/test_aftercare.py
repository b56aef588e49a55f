"""An aftercare plan is filed as a readable document, and reminds of its days, each once."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from lxml import etree
from sqlalchemy import select

from passerelle.dossier import death, documents, lifecycle
from passerelle.kernel.errors import Conflict, InvalidInput, LimitExceeded
from passerelle.notices.tables import notice
from passerelle.oncology import aftercare
from passerelle.oncology.aftercare_plan import AftercarePlan, Contact, Step, days_of
from passerelle.oncology.formats import ppac
from passerelle.oncology.plan_versions import Plan
from passerelle.oncology.reminders import remind
from passerelle.oncology.tables import care_plan_reminder
from passerelle_ops.schedule import beat_context
from tests.builders import operator
from tests.formats.samples import needs_shared
from tests.oncology.care_plans.caring import FOLLOW_UP, Caring, Treated
from tests.oncology.formats.test_frcp import schema, tree
from tests.oncology.sheets import a_header

NS = {"cda": "urn:hl7-org:v3"}


def test_the_days_of_a_step() -> None:
    step = Step(what="x", first_on="2027-01-31", every_months=1, until="2027-05-30")
    assert days_of(step, 5) == (
        date(2027, 1, 31),
        date(2027, 2, 28),
        date(2027, 3, 31),
        date(2027, 4, 30),
    )
    assert days_of(replace(step, every_months=None, until=None), 5) == (date(2027, 1, 31),)
    assert len(days_of(replace(step, every_months=12, until=None), 5)) == 6


def test_the_document_holds_it_all_for_people_to_read() -> None:
    octets = ppac.written(a_header(), FOLLOW_UP, 15)
    assert octets == ppac.written(a_header(), FOLLOW_UP, 15)
    (body,) = etree.fromstring(octets).iterfind("cda:component/cda:nonXMLBody/cda:text", NS)
    pdf = b64decode(body.text or "").decode("latin-1")
    for words in ("Mammographie", "31/03/2027", "30/09/2027", "tous les 6 mois", "05 00 00 00 00", "Une fi\\350vre"):
        assert words in pdf


@needs_shared
def test_the_document_is_cda() -> None:
    schema().assertValid(tree(ppac.written(a_header(), FOLLOW_UP, 15)))


async def test_it_is_handed_to_the_patient_and_filed(world: Caring) -> None:
    it = await world.treated()
    plan = await it.followed()
    (filed,) = await it.documents()
    assert (filed.document_id, filed.type_code, filed.format_code, filed.title) == (
        plan.document_id,
        "18776-5",
        "urn:ihe:iti:xds-sd:pdf:2008",
        "Plan personnalisé de l'après-cancer",
    )
    assert AftercarePlan.from_json(plan.content) == FOLLOW_UP
    assert "aftercare_plan_issued" in await world.notices(it.person)
    opened = await documents.open_content(world.context(it.person), filed.document_id)
    assert opened.size == filed.size


STEP = FOLLOW_UP.steps[1]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (replace(FOLLOW_UP, steps=(replace(STEP, what=" "),)), "AFTERCARE_STEP_EMPTY"),
        (replace(FOLLOW_UP, steps=(replace(STEP, first_on="demain"),)), "PLAN_DAY_MALFORMED"),
        (replace(FOLLOW_UP, steps=(replace(STEP, until="2027-12-01"),)), "AFTERCARE_STEP_ONCE"),
        (replace(FOLLOW_UP, steps=(replace(STEP, every_months=0),)), "AFTERCARE_STEP_RHYTHM"),
        (replace(FOLLOW_UP, steps=(replace(STEP, every_months=1, until="2026-01-01"),)), "AFTERCARE_STEP_REVERSED"),
        (replace(FOLLOW_UP, steps=(replace(STEP, first_on="2060-01-01"),)), "AFTERCARE_TOO_FAR"),
        (replace(FOLLOW_UP, steps=(replace(STEP, every_months=10**12),)), "AFTERCARE_TOO_FAR"),
        (replace(FOLLOW_UP, steps=(replace(STEP, every_months=1),) * 2), "AFTERCARE_DAYS_TOO_MANY"),
        (replace(FOLLOW_UP, steps=(STEP,) * 61), "AFTERCARE_STEPS_TOO_MANY"),
        (replace(FOLLOW_UP, warning_signs=("x",) * 61), "AFTERCARE_LISTS_TOO_LONG"),
        (replace(FOLLOW_UP, contacts=(Contact(name="x", reach=" "),)), "AFTERCARE_CONTACT_EMPTY"),
    ],
)
async def test_what_cannot_be_followed_is_refused(world: Caring, said: AftercarePlan, code: str) -> None:
    it = await world.treated()
    begun: Plan = await world.do(it.doctor, aftercare.begin, it.patient_id)
    before = await world.kept_of_plans()
    with pytest.raises((InvalidInput, LimitExceeded)) as refused:
        await world.do(it.doctor, aftercare.write, it.patient_id, begun.plan_id, 1, said)
    assert refused.value.code == code
    with pytest.raises(Conflict, match="PLAN_EMPTY"):
        await world.do(it.doctor, aftercare.issue, it.patient_id, begun.plan_id, 1)
    assert await world.kept_of_plans() == before


async def _days_told(it: Treated) -> list[str]:
    async with it.world.tenant.database.transaction() as connection:
        his = (notice.c.recipient == it.person.subject, notice.c.kind == "follow_up_due")
        told = [each["day"] for each in await connection.scalars(select(notice.c.about).where(*his))]
    return sorted(told, key=lambda day: day.split("/")[::-1])


async def _turn(world: Caring) -> None:
    await remind(beat_context(world.tenant, world.clock))


async def test_each_day_is_told_once_whatever_the_clock_does(world: Caring) -> None:
    it = await world.treated()
    await it.followed()
    told: list[list[str]] = []
    for day in (
        datetime(2026, 12, 31, 12, tzinfo=UTC),
        datetime(2027, 1, 1, 12, tzinfo=UTC),  # the 15th is 14 days ahead
        datetime(2027, 1, 1, 12, tzinfo=UTC),
        datetime(2026, 12, 1, 12, tzinfo=UTC),  # the clock was set back
        datetime(2027, 3, 18, 12, tzinfo=UTC),
        datetime(2027, 3, 16, 12, tzinfo=UTC),
        datetime(2028, 1, 1, 12, tzinfo=UTC),  # a worker that was away for months
        datetime(2035, 1, 1, 12, tzinfo=UTC),
    ):
        world.clock.set(day)
        await _turn(world)
        told.append(await _days_told(it))
    first, second = ["15/01/2027"], ["15/01/2027", "31/03/2027"]
    assert told[:6] == [[], first, first, first, second, second]
    assert told[6] == [*second, "30/09/2027"]
    assert told[7] == [*second, "30/09/2027", "31/03/2028"]
    world.clock.set(datetime(2026, 11, 16, 9, tzinfo=UTC))


async def test_a_version_takes_the_reminders_of_the_one_before(world: Caring) -> None:
    it = await world.treated()
    plan = await it.followed()
    world.clock.set(datetime(2027, 1, 2, 12, tzinfo=UTC))
    await _turn(world)
    assert await _days_told(it) == ["15/01/2027"]
    moved = Step(what="Mammographie", first_on="2027-04-02")
    await it.followed_anew(plan, replace(FOLLOW_UP, steps=(STEP, moved)))
    world.clock.set(datetime(2030, 1, 1, 12, tzinfo=UTC))
    await _turn(world)
    assert await _days_told(it) == ["15/01/2027", "02/04/2027"]
    world.clock.set(datetime(2026, 11, 16, 9, tzinfo=UTC))


async def _reminders(it: Treated) -> list[Any]:
    async with it.world.tenant.database.transaction() as connection:
        asked = select(care_plan_reminder).where(care_plan_reminder.c.patient_id == it.patient_id)
        return [*await connection.execute(asked.order_by(care_plan_reminder.c.due_on))]


@pytest.mark.parametrize("how", ["died", "closed", "suspended"])
async def test_nobody_is_reminded_who_is_not_followed_any_more(world: Caring, how: str) -> None:
    it = await world.treated()
    await it.followed()
    if how == "died":
        await world.do(operator(), death.declare, it.patient_id, on=date(2026, 11, 16), proof="acte")
    elif how == "closed":
        await world.do(it.person, lifecycle.close, it.patient_id, reason="choix")
    else:
        await world.do(operator(), lifecycle.suspend, it.patient_id, reason="doute")
    world.clock.set(datetime(2027, 1, 2, 12, tzinfo=UTC))
    await _turn(world)
    (first, *others) = await _reminders(it)
    assert (first.told_at, first.ended_at is not None) == (None, how != "suspended")
    assert {(each.told_at, each.ended_at) for each in others} == {(None, None)}
    world.clock.set(datetime(2026, 11, 16, 9, tzinfo=UTC))
