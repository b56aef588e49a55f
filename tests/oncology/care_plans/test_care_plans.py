"""A care plan is begun, written, handed to the patient, revised; every refusal leaves all as it was."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from passerelle.audit.tables import outbox
from passerelle.dossier import attending, lifecycle, relations, withholding
from passerelle.kernel.errors import Conflict, InvalidInput, LimitExceeded, PasserelleError, Refused
from passerelle.oncology import care_plans, plan_lines, plan_status
from passerelle.oncology.care_plan import CarePlan
from passerelle.oncology.formats import pps
from passerelle.oncology.plan_items import Kind
from passerelle.oncology.plan_lines import Line, Performer
from passerelle.oncology.plan_versions import CarePlanKind, CarePlanState, Plan, of_patient
from passerelle.oncology.tables import care_plan as care_plan_table
from tests.builders import PHARMACIST, professional
from tests.oncology.care_plans.caring import BEGINNING, LINES, PLACE, Caring, Treated
from tests.oncology.plans import handed_on


async def test_a_plan_is_handed_to_the_patient_and_filed(world: Caring) -> None:
    it = await world.treated()
    plan = await it.issue(await it.written())

    assert (plan.state, plan.version, plan.issued_by) == (CarePlanState.ISSUED, 1, it.doctor.subject)
    (filed,) = await it.documents()
    assert (filed.document_id, filed.type_code) == (plan.document_id, "18776-5")
    assert filed.author_ids == sorted([it.doctor.id, PLACE])
    assert "care_plan_issued" in await world.notices(it.person)
    async with world.tenant.database.transaction() as connection:
        asked = select(outbox.c.payload).where(outbox.c.name == "oncology.care_plan_issued")
        told = [each for each in await connection.scalars(asked) if each["plan_id"] == str(plan.plan_id)]
    assert [(each["version"], each["document_id"]) for each in told] == [(1, str(plan.document_id))]
    content = CarePlan.from_json(plan.content)
    state = plan_status.state(content)
    assert state is not None
    assert (state.code, handed_on(content), plan_status.board_day(content)) == (
        care_plans.APPROVED,
        "20261116",
        None,
    )
    assert pps.read(pps.written(content)) == content
    journal = await world.journal(it.person, it.patient_id)
    assert {("care_plan", "write"), ("care_plan", "publish"), ("document", "publish")} <= {
        (each.kind, each.action) for each in journal
    }


async def test_lines_come_back_as_they_were_written(world: Caring) -> None:
    it = await world.treated()
    plan = await it.written()
    shown = plan_lines.lines(CarePlan.from_json(plan.content))
    assert shown == tuple(replace(each, number=number) for number, each in enumerate(LINES, 1))

    colleague = professional(name="Dr Voisin")
    treatment = replace(shown[0], is_done=True, starts="2026-12-01", performers=(Performer(rpps=colleague.id),))
    changed = await it.write(plan, shown[1], treatment, Line(kind=Kind.FOLLOW_UP, words="IRM"))
    again = plan_lines.lines(CarePlan.from_json(changed.content))
    # The two sections of a plan keep their order.
    assert [(each.number, each.kind, each.words) for each in again] == [
        (1, Kind.TREATMENT, "50 Gy en 25 séances"),
        (2, Kind.FOLLOW_UP, "IRM"),
        (3, Kind.SUPPORT_CARE, "Diététicienne"),
    ]
    assert again[0].performers == (Performer(name="Dr Voisin", rpps=colleague.id),)
    assert (again[0].is_done, again[0].starts, again[0].planned_to) == (True, "2026-12-01", "2027-01")
    assert changed.revision == plan.revision + 1


async def test_the_next_version_takes_the_place_of_the_one_before(world: Caring) -> None:
    it = await world.treated()
    first = await it.issue(await it.written())
    draft = await it.revise(first)
    assert (draft.version, draft.state, draft.revision) == (2, CarePlanState.DRAFT, 1)
    assert handed_on(CarePlan.from_json(draft.content)) is None
    shown = plan_lines.lines(CarePlan.from_json(draft.content))
    world.clock.advance(timedelta(days=3))
    second = await it.issue(await it.write(draft, *shown, Line(kind=Kind.FOLLOW_UP, words="Scanner")))

    old, new = await it.documents()
    assert (old.document_id, old.superseded_by) == (first.document_id, second.document_id)
    assert (new.document_id, new.replaces, new.chain_position) == (second.document_id, first.document_id, 2)
    kept, _ = await it.versions()
    assert (kept.content, kept.revision, kept.document_id) == (first.content, first.revision, first.document_id)
    assert (await world.notices(it.person)).count("care_plan_issued") == 2


async def test_who_reads_what(world: Caring) -> None:
    it = await world.treated()
    other = await it.begun()
    issued = await it.issue(await it.written())
    draft = await it.revise(issued)
    pharmacist = professional(PHARMACIST)
    await world.authorize(it.patient_id, it.person, pharmacist)

    async def seen(reader: object) -> set[tuple[UUID, int]]:
        plans = await of_patient(world.context(reader), it.patient_id)  # type: ignore[arg-type]
        return {(each.plan_id, each.version) for each in plans}

    in_hand = (issued.plan_id, 1)
    assert await seen(it.doctor) == {in_hand, (draft.plan_id, 2), (other.plan_id, 1)}
    assert await seen(it.person) == await seen(pharmacist) == {in_hand}
    with pytest.raises(Refused):
        await seen(professional())
    await world.do(it.person, relations.block_professional, it.patient_id, it.doctor.id)
    with pytest.raises(Refused):
        await seen(it.doctor)


async def test_who_asked_for_a_case_writes_the_plan_of_that_case_and_of_no_other(world: Caring) -> None:
    board = await world.board()
    it = await board.case()
    treated = Treated(world, it.patient_id, it.person, it.doctor)
    with pytest.raises(InvalidInput, match="PLACE_MISSING"):
        await treated.begun(case_id=it.id)
    plan = await treated.begun(case_id=it.id, by=replace(it.doctor, establishment=PLACE))
    assert plan.case_id == it.id
    reader = world.context(board.coordinator)
    # A coordinator of the board is let in by the case, and by nothing else.
    assert [each.plan_id for each in await of_patient(reader, it.patient_id, it.id)] == [plan.plan_id]
    with pytest.raises(Refused):
        await of_patient(reader, it.patient_id)
    with pytest.raises(Refused):
        await of_patient(world.context(board.secretary), it.patient_id, it.id)
    with pytest.raises(Conflict, match="PLAN_BEGUN"):
        await treated.begun(case_id=it.id, by=replace(it.doctor, establishment=PLACE))


Act = Callable[[Treated, Plan], Awaitable[object]]
REFUSALS: list[tuple[str, type[PasserelleError], Act]] = [
    ("PLAN_CHANGED", Conflict, lambda it, plan: it.write(replace(plan, revision=1), *LINES)),
    ("PLAN_UNKNOWN", Conflict, lambda it, plan: it.write(replace(plan, plan_id=uuid4()), *LINES)),
    ("PLAN_NOT_ISSUED", Conflict, lambda it, plan: it.revise(plan)),
    ("PLAN_LINE_UNKNOWN", InvalidInput, lambda it, plan: it.write(plan, replace(LINES[0], number=3))),
    ("PLAN_LINE_TWICE", InvalidInput, lambda it, plan: it.write(plan, *[replace(LINES[0], number=1)] * 2)),
    ("PLAN_LINE_EMPTY", InvalidInput, lambda it, plan: it.write(plan, Line(kind=Kind.MEASURE, words=" "))),
    ("PLAN_DAY_MALFORMED", InvalidInput, lambda it, plan: it.write(plan, replace(LINES[0], starts="2026-02-30"))),
    ("PLAN_DAYS_REVERSED", InvalidInput, lambda it, plan: it.write(plan, replace(LINES[0], planned_to="2026-11"))),
    (
        "PLAN_PERFORMER_EMPTY",
        InvalidInput,
        lambda it, plan: it.write(plan, replace(LINES[0], performers=(Performer(),))),
    ),
    (
        "RPPS_UNKNOWN",
        InvalidInput,
        lambda it, plan: it.write(plan, replace(LINES[0], performers=(Performer(rpps="99999999999"),))),
    ),
    ("PLAN_LINES_TOO_MANY", LimitExceeded, lambda it, plan: it.write(plan, *[LINES[1]] * 101)),
    ("VALUE_MALFORMED", InvalidInput, lambda it, plan: it.write(plan, replace(LINES[1], words="a\x00b"))),
    ("ACCESS_REFUSED", Refused, lambda it, plan: it.write(plan, *LINES, by=professional())),
    ("ACCESS_REFUSED", Refused, lambda it, plan: it.issue(plan, by=it.person)),
    ("CASE_UNKNOWN", Conflict, lambda it, _plan: it.begun(case_id=uuid4())),
]


@pytest.mark.parametrize(("code", "error", "act"), REFUSALS, ids=[f"{n}-{each[0]}" for n, each in enumerate(REFUSALS)])
async def test_a_refusal_changes_nothing_but_the_journal(
    world: Caring, code: str, error: type[PasserelleError], act: Act
) -> None:
    it = await world.treated()
    plan = await it.written()
    before, lines = await world.kept_of_plans(), len(await world.lines())
    with pytest.raises(error) as refused:
        await act(it, plan)
    assert refused.value.code == code
    assert await world.kept_of_plans() == before
    assert len(await world.lines()) == lines + (1 if error is Refused else 0)


async def test_nothing_is_issued_that_is_empty_or_twice_and_a_colleague_takes_over(world: Caring) -> None:
    it = await world.treated()
    empty = await it.begun()
    with pytest.raises(Conflict, match="PLAN_EMPTY"):
        await it.issue(empty)
    issued = await it.issue(await it.written())
    for act in (it.issue, it.write):
        with pytest.raises(Conflict, match="PLAN_ISSUED"):
            await act(issued)
    draft = await it.revise(issued)
    with pytest.raises(Conflict, match="PLAN_NOT_ISSUED"):
        await it.revise(issued)
    colleague = professional(establishment=PLACE)
    await world.do(it.person, attending.declare_attending_physician, it.patient_id, colleague.id)
    await world.do(it.person, withholding.withhold, issued.document_id, colleague.id)
    before = await world.kept_of_plans()
    # Who does not care for the patient takes nothing over, nor does whom he keeps the plan from.
    with pytest.raises(Refused):
        await it.issue(draft, by=professional(establishment=PLACE))
    with pytest.raises(Conflict, match="PARENT_UNKNOWN"):
        await it.issue(draft, by=colleague)
    assert await world.kept_of_plans() == before
    await world.do(it.person, withholding.lift, issued.document_id, colleague.id)
    taken_over = await it.issue(draft, by=colleague)
    _, filed = await it.documents()
    assert (filed.document_id, filed.replaces) == (taken_over.document_id, issued.document_id)
    assert colleague.id in filed.author_ids


async def test_a_plan_that_breaks_a_rule_is_not_issued_and_says_which(world: Caring) -> None:
    it = await world.treated()
    plan = await it.written()
    lame = CarePlan.from_json(plan.content)
    lame = replace(lame, sections=tuple(each for each in lame.sections if each.title != "Tumeur"))
    this = care_plan_table.c.plan_id == plan.plan_id
    await world.run(care_plan_table.update().where(this).values(content=lame.to_json()))
    before = await world.kept_of_plans()
    with pytest.raises(Conflict, match="PLAN_NOT_CONFORM") as refused:
        await it.issue(plan)
    assert "Diagnostic du cancer" in refused.value.message
    assert await world.kept_of_plans() == before


async def test_a_closed_record_has_no_plan_any_more(world: Caring) -> None:
    it = await world.treated()
    plan = await it.written()
    await world.do(it.person, lifecycle.close, it.patient_id, reason="choix")
    with pytest.raises(Refused, match="DOSSIER_NOT_OPEN"):
        await it.issue(plan)


async def test_what_it_begins_with_is_asked_for(world: Caring) -> None:
    it = await world.treated()
    tomorrow = (world.clock.now() + timedelta(days=1)).date()
    for said, code in (
        (replace(BEGINNING, topography=replace(BEGINNING.topography, label=" ")), "PLAN_LINE_EMPTY"),
        (replace(BEGINNING, board_on=tomorrow), "PLAN_BOARD_DAY_LATER"),
    ):
        with pytest.raises(InvalidInput, match=code):
            await world.do(it.doctor, care_plans.begin, it.patient_id, said)
    today = world.clock.now().date()
    plan = await world.do(it.doctor, care_plans.begin, it.patient_id, replace(BEGINNING, board_on=today))
    assert plan_status.board_day(CarePlan.from_json(plan.content)) == f"{today:%Y%m%d}"
    assert plan.kind is CarePlanKind.CARE_PLAN


async def test_a_record_holds_so_many_plans(world: Caring) -> None:
    it = await world.treated()
    few = replace(world, tenant=replace(world.tenant, parameters={"oncology.plans_max": 1}))
    await it.issue(await it.written())
    await it.revise((await of_patient(world.context(it.doctor), it.patient_id))[0])
    with pytest.raises(LimitExceeded, match="PLANS_TOO_MANY"):
        await few.do(it.doctor, care_plans.begin, it.patient_id, BEGINNING)
    assert len(await it.versions()) == 2
