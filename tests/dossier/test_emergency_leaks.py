"""Under break-glass, two worlds that differ in what the professional may not see answer alike, and no sequence of
openings, ends and objections lets anyone in past what the rules say."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, insert, select

from passerelle.audit.tables import journal, outbox
from passerelle.audit.transactions import transaction
from passerelle.dossier import documents, emergencies, objections, reading
from passerelle.dossier.tables import document_withholding, emergency_access
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import Refused
from passerelle.notices.tables import notice
from passerelle_policies.vocabulary import Mode
from tests.builders import DENTIST, NURSE, PHARMACIST, PHYSICIAN, World, document, professional

GLASS = Mode.BREAK_GLASS
TYPES = ("11488-4", "60591-5", "34794-8")
_settings = settings(
    max_examples=15,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@_settings
@given(
    profession=st.sampled_from([PHYSICIAN, PHARMACIST, NURSE, DENTIST]),
    shown=st.lists(st.sampled_from(TYPES), min_size=1, max_size=4),
    unseen=st.lists(st.sampled_from(["masked", "withheld", "beyond his profession"]), min_size=1, max_size=2),
    newest=st.booleans(),
)
async def test_what_he_may_not_see_changes_no_answer(
    world: World, profession: str, shown: list[str], unseen: list[str], newest: bool
) -> None:
    patient_id, person = await world.patient()
    doctor = professional(profession)
    filed = [await world.publish(patient_id, document(type_code=each)) for each in shown]
    await _break(world, doctor, patient_id)
    before = await _everything(world, doctor, patient_id, filed)
    for why in unseen:
        each = await world.publish(
            patient_id,
            document(
                type_code="ATTEST-RESID" if why == "beyond his profession" else "11488-4",
                masked=why == "masked",
                at="20261115093000+0100" if newest else "20261001093000+0200",
            ),
        )
        if why == "withheld":
            await _withhold(world, patient_id, each, doctor, person)
    assert await _everything(world, doctor, patient_id, filed) == before


async def _everything(world: World, doctor: Actor, patient_id: UUID, filed: list[UUID]) -> str:
    """What a record answers: pages, totals, cursors, each document."""
    context, said = world.context(doctor, mode=GLASS), []
    after = None
    for _ in range(len(filed) + 2):
        opened = await reading.open_dossier(context, patient_id, first=1, after=after, with_total=True)
        said.append(repr(asdict(opened)))
        if not opened.page.has_next:
            break
        after = reading.cursor_of(opened.page.documents[-1])
    said += [repr(asdict(await documents.read_document(context, each))) for each in filed]
    return "\n".join(said)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("break"), st.integers(0, 1)),
        st.tuples(st.just("end"), st.integers(0, 1)),
        st.tuples(st.just("object"), st.just(0)),
        st.tuples(st.just("withdraw"), st.just(0)),
        st.tuples(st.just("wait"), st.sampled_from([1, 1800, 3599, 3600])),
    ),
    max_size=8,
)


@_settings
@given(steps=STEPS)
async def test_he_is_in_exactly_while_he_broke_the_glass_and_nobody_objects(
    world: World, steps: list[tuple[str, int]]
) -> None:
    """A model beside the real thing: until when each is in, and whether the patient objects."""
    patient_id, person = await world.patient()
    doctors = [professional(), professional(NURSE)]
    until: list[datetime | None] = [None, None]
    is_objecting, told, openings = False, 0, 0
    for step, given_ in steps:
        now = world.clock.now()
        live = [end is not None and end > now for end in until]
        match step:
            case "break":
                rows, lines = await _rows(world, patient_id), await _lines(world, patient_id)
                assert await _breaks(world, doctors[given_], patient_id) == (not is_objecting)
                if is_objecting:
                    assert await _rows(world, patient_id) == rows
                    assert await _lines(world, patient_id) == lines + 1
                elif not live[given_]:
                    until[given_] = now + timedelta(minutes=60)
                    openings, told = openings + 1, told + 1
            case "end":
                async with transaction(world.context(doctors[given_])) as act:
                    assert await emergencies.end_emergency(act, patient_id) == live[given_]
                until[given_] = None
            case "object":
                async with transaction(world.context(person)) as act:
                    assert (await objections.object_to_emergencies(act, patient_id)).ended == sum(live)
                is_objecting, until = True, [None, None]
            case "withdraw":
                async with transaction(world.context(person)) as act:
                    assert await objections.withdraw_objection(act, patient_id) == is_objecting
                is_objecting = False
            case "wait":
                world.clock.advance(timedelta(seconds=given_))
        for doctor, end in zip(doctors, until, strict=True):
            is_in = end is not None and end > world.clock.now()
            assert await _opens(world, doctor, patient_id) == is_in
    rows = await _rows(world, patient_id)
    assert (rows["emergency_access"], rows["notice"]) == (openings, told)


async def _break(world: World, who: Actor, patient_id: UUID) -> None:
    async with transaction(world.context(who, mode=GLASS)) as act:
        await emergencies.break_the_glass(act, patient_id, "Patient inconscient")


async def _breaks(world: World, who: Actor, patient_id: UUID) -> bool:
    try:
        await _break(world, who, patient_id)
    except Refused:
        return False
    return True


async def _opens(world: World, who: Actor, patient_id: UUID) -> bool:
    try:
        await reading.open_dossier(world.context(who, mode=GLASS), patient_id)
    except Refused:
        return False
    return True


async def _rows(world: World, patient_id: UUID) -> dict[str, int]:
    async with world.tenant.database.transaction() as connection:
        return {
            table.name: (
                await connection.execute(select(func.count()).where(table.c.patient_id == patient_id))
            ).scalar_one()
            for table in (emergency_access, notice, outbox)
        }


async def _lines(world: World, patient_id: UUID) -> int:
    async with world.tenant.database.transaction() as connection:
        counted = select(func.count()).where(journal.c.patient_id == patient_id)
        return int((await connection.execute(counted)).scalar_one())


async def _withhold(world: World, patient_id: UUID, document_id: UUID, doctor: Actor, person: Actor) -> None:
    async with world.tenant.database.transaction() as connection:
        await connection.execute(
            insert(document_withholding).values(
                patient_id=patient_id,
                withholding_id=uuid4(),
                document_id=document_id,
                subject=doctor.subject,
                valid_from=world.clock.now(),
                recorded_by=person.subject,
            )
        )
