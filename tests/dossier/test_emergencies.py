"""Break-glass: opened with a reason, told of at once, closed to the instant, and never past an objection."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, insert, select

from passerelle.audit.tables import journal, outbox
from passerelle.audit.transactions import transaction
from passerelle.dossier import documents, emergencies, lifecycle, objections, reading, traces, visibility
from passerelle.dossier.tables import block, document_withholding, emergency_access, relation
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import legal_day
from passerelle.kernel.errors import InvalidInput, PasserelleError, Refused
from passerelle.notices.tables import notice
from passerelle_policies.decision import reach
from passerelle_policies.packs import pack_on
from passerelle_policies.roles import role_of
from passerelle_policies.vocabulary import Action, Kind, Mode
from tests.builders import DENTIST, NURSE, PHARMACIST, PHYSICIAN, World, document, ins_of, professional

REASON = "Patient inconscient, admis aux urgences"
GLASS = Mode.BREAK_GLASS
WATCHED = {"emergency_access": emergency_access, "notice": notice, "outbox": outbox, "journal": journal}


async def _break(world: World, who: Actor, patient_id: UUID, reason: str = REASON) -> emergencies.EmergencyAccess:
    async with transaction(world.context(who, mode=GLASS)) as act:
        return await emergencies.break_the_glass(act, patient_id, reason)


async def _opens(world: World, who: Actor, patient_id: UUID, mode: Mode = GLASS) -> bool:
    try:
        await reading.open_dossier(world.context(who, mode=mode), patient_id)
    except Refused as refusal:
        return _shut_out(refusal)
    return True


def _shut_out(refusal: Refused) -> bool:
    if refusal.code != "ACCESS_REFUSED":
        raise refusal
    return False


async def _counts(world: World) -> Mapping[str, int]:
    async with world.tenant.database.transaction() as connection:
        return {
            name: (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for name, table in WATCHED.items()
        }


async def _tie(world: World, patient_id: UUID, who: Actor, what: str) -> None:
    async with world.tenant.database.transaction() as connection:
        await connection.execute(
            insert(relation).values(
                patient_id=patient_id,
                relation_id=uuid4(),
                relation=what,
                subject=who.subject,
                valid_from=world.clock.now(),
                recorded_by="test",
            )
        )


async def _keep_out(world: World, patient_id: UUID, who: Actor) -> None:
    async with world.tenant.database.transaction() as connection:
        await connection.execute(
            insert(block).values(
                patient_id=patient_id, block_id=uuid4(), subject=who.subject, valid_from=world.clock.now()
            )
        )


async def _object(world: World, patient_id: UUID, person: Actor) -> objections.Objection:
    async with transaction(world.context(person)) as act:
        return await objections.object_to_emergencies(act, patient_id)


async def _last_line(world: World) -> Any:
    async with world.tenant.database.transaction() as connection:
        return (await connection.execute(select(journal).order_by(journal.c.line_id.desc()).limit(1))).one()


async def _told(world: World, patient_id: UUID) -> list[tuple[str, str]]:
    async with world.tenant.database.transaction() as connection:
        rows = await connection.execute(
            select(notice.c.recipient, notice.c.kind).where(notice.c.patient_id == patient_id)
        )
        return [(row.recipient, row.kind) for row in rows]


async def test_it_opens_with_a_reason_and_closes_to_the_instant(world: World) -> None:
    patient_id, _ = await world.patient()
    shown = await world.publish(patient_id, document())
    doctor = professional(establishment="310783055")
    assert not await _opens(world, doctor, patient_id)

    opened = await _break(world, doctor, patient_id, f"  {REASON} ")
    line = await _last_line(world)
    assert (line.action, line.outcome, line.mode) == ("break_glass", "allowed", "break_glass")
    assert line.facts["reason"] == REASON
    assert (opened.name, opened.profession, opened.establishment) == (doctor.name, "10", "310783055")
    minutes = pack_on(legal_day(world.clock)).number("break_glass.minutes", {})
    assert opened.valid_until == world.clock.now() + timedelta(minutes=minutes)

    page = (await reading.open_dossier(world.context(doctor, mode=GLASS), patient_id)).page
    assert [each["document_id"] for each in page.documents] == [str(shown)]
    assert not await _opens(world, doctor, patient_id, Mode.NORMAL)
    assert not await _opens(world, professional(), patient_id)
    world.clock.set(opened.valid_until - timedelta(microseconds=1))
    assert await _opens(world, doctor, patient_id)
    assert (await documents.open_content(world.context(doctor, mode=GLASS), shown)).size
    world.clock.set(opened.valid_until)
    assert not await _opens(world, doctor, patient_id)
    with pytest.raises(Refused, match="DOCUMENT_UNKNOWN"):
        await documents.open_content(world.context(doctor, mode=GLASS), shown)


async def test_the_patient_his_representatives_and_his_physician_are_told_and_nobody_kept_out(world: World) -> None:
    patient_id, person = await world.patient()
    mother, physician, former = world.person(ins_of(91_301)), professional(), professional()
    await _tie(world, patient_id, mother, "representative")
    await _tie(world, patient_id, physician, "attending_physician")
    await _tie(world, patient_id, former, "attending_physician")
    await _keep_out(world, patient_id, former)
    await _break(world, professional(), patient_id)
    expected = {(each.subject, "break_glass") for each in (person, mother, physician)}
    told = await _told(world, patient_id)
    assert (set(told), len(told)) == (expected, 3)

    await _break(world, physician, patient_id)
    assert len(await _told(world, patient_id)) == 5, "he is not told of himself"


async def test_one_lasts_at_a_time(world: World) -> None:
    patient_id, _ = await world.patient()
    doctor = professional()
    both = await asyncio.gather(*(_break(world, doctor, patient_id, f"motif {each}") for each in range(2)))
    assert both[0] == both[1]
    before = await _counts(world)
    assert await _break(world, doctor, patient_id, "autre motif") == both[0]
    assert await _counts(world) == {**before, "journal": before["journal"] + 1}
    world.clock.set(both[0].valid_until)
    assert (await _break(world, doctor, patient_id)).access_id != both[0].access_id


async def test_every_refusal_is_told_alike_and_changes_nothing_but_the_journal(world: World) -> None:
    doctor = professional()
    objected, person = await world.patient()
    await _object(world, objected, person)
    blocked, _ = await world.patient()
    await _keep_out(world, blocked, doctor)
    closed, owner = await world.patient()
    async with transaction(world.context(owner)) as act:
        await lifecycle.close(act, closed)
    never_opened, _ = await world.patient(open_=False)
    open_, _ = await world.patient()
    asked = [(doctor, each, GLASS) for each in (objected, blocked, closed, never_opened, uuid4())]
    asked += [(doctor, open_, Mode.NORMAL), (doctor, open_, Mode.REGULATION_CENTRE)]
    asked += [(professional(each), open_, GLASS) for each in ("70", None)]  # type: ignore[arg-type]
    answers, rules = set(), {}
    for who, patient_id, mode in asked:
        before = await _counts(world)
        with pytest.raises(PasserelleError) as refused:
            async with transaction(world.context(who, mode=mode)) as act:
                await emergencies.break_the_glass(act, patient_id, REASON)
        assert await _counts(world) == {**before, "journal": before["journal"] + 1}
        line = await _last_line(world)
        assert (line.patient_id, line.outcome, line.action) == (patient_id, "refused", "break_glass")
        answers.add((type(refused.value), refused.value.code, refused.value.message, str(refused.value.fields)))
        rules[patient_id] = line.rule
        assert not await _opens(world, who, patient_id, mode) or mode is Mode.REGULATION_CENTRE
    assert len(answers) == 1
    assert (rules[objected], rules[blocked], rules[closed]) == ("emergency-objection", "block", "dossier-not-open")


@pytest.mark.parametrize(
    ("reason", "code"), [("", "REASON_MISSING"), (" \n", "REASON_MISSING"), ("x" * 1001, "VALUE_TOO_LONG")]
)
async def test_without_a_reason_nothing_is_asked(world: World, reason: str, code: str) -> None:
    patient_id, _ = await world.patient()
    before = await _counts(world)
    with pytest.raises(InvalidInput, match=code):
        await _break(world, professional(), patient_id, reason)
    assert await _counts(world) == before


async def test_whoever_broke_the_glass_may_end_it_and_nobody_else_may(world: World) -> None:
    patient_id, _ = await world.patient()
    doctor, other = professional(), professional()
    for who in (doctor, other):
        await _break(world, who, patient_id)
    for which in (patient_id, uuid4()):
        async with transaction(world.context(professional())) as act:
            assert await emergencies.end_emergency(act, which) == 0
    async with transaction(world.context(doctor, mode=GLASS)) as act:
        assert await emergencies.end_emergency(act, patient_id) == 1
    line = await _last_line(world)
    assert (line.patient_id, line.rule) == (patient_id, "emergency-ended")
    assert [await _opens(world, who, patient_id) for who in (doctor, other)] == [False, True]


async def test_an_objection_puts_everyone_out_at_once_and_its_withdrawal_lets_nobody_back(world: World) -> None:
    patient_id, person = await world.patient()
    elsewhere, _ = await world.patient()
    inside = [professional() for _ in range(2)]
    for who in inside:
        await _break(world, who, patient_id)
        await _break(world, who, elsewhere)
    assert (await _object(world, patient_id, person)).ended == 2
    before = await _counts(world)
    assert (await _object(world, patient_id, person)).ended == 0
    assert await _counts(world) == {**before, "journal": before["journal"] + 1}
    assert [await _opens(world, who, patient_id) for who in inside] == [False, False]
    assert [await _opens(world, who, elsewhere) for who in inside] == [True, True]
    assert not await _opens(world, inside[0], patient_id, Mode.REGULATION_CENTRE)

    async with transaction(world.context(person)) as act:
        assert await objections.withdraw_objection(act, patient_id) == 1
    assert [await _opens(world, who, patient_id) for who in inside] == [False, False]
    assert await _opens(world, inside[0], patient_id, Mode.REGULATION_CENTRE)
    await _break(world, inside[0], patient_id)
    assert await _opens(world, inside[0], patient_id)


async def test_whoever_is_in_by_an_emergency_alone_does_not_learn_that_the_record_was_closed(world: World) -> None:
    patient_id, person = await world.patient()
    doctor = professional()
    await _break(world, doctor, patient_id)
    async with transaction(world.context(person)) as act:
        await lifecycle.close(act, patient_id)
    with pytest.raises(Refused) as closed:
        await reading.open_dossier(world.context(doctor, mode=GLASS), patient_id)
    assert closed.value.code == "ACCESS_REFUSED"


async def test_nobody_else_objects_for_the_patient(world: World) -> None:
    patient_id, _ = await world.patient()
    for who in (professional(), world.person(ins_of(91_302))):
        before = await _counts(world)
        for act_of in (objections.object_to_emergencies, objections.withdraw_objection):
            with pytest.raises(Refused, match="ACCESS_REFUSED"):
                async with transaction(world.context(who)) as act:
                    await act_of(act, patient_id)
        assert await _counts(world) == {**before, "journal": before["journal"] + 2}


async def test_the_end_of_an_emergency_has_a_sentence_of_its_own(world: World) -> None:
    patient_id, _ = await world.patient()
    doctor = professional()
    await _break(world, doctor, patient_id)
    async with transaction(world.context(doctor, mode=GLASS)) as act:
        await emergencies.end_emergency(act, patient_id)
    line = await _last_line(world)
    said = traces.sentence_of(line.kind, line.action, line.outcome, line.rule)
    assert said.startswith("Un accès en urgence à votre dossier a pris fin")
    assert "autorisation" in traces.sentence_of(line.kind, line.action, line.outcome, "authorizations-own-limit")


async def test_an_objection_and_an_opening_at_once_take_turns(world: World) -> None:
    for _ in range(4):
        patient_id, person = await world.patient()
        doctor = professional()
        await asyncio.gather(
            _break(world, doctor, patient_id), _object(world, patient_id, person), return_exceptions=True
        )
        assert not await _opens(world, doctor, patient_id)
        async with world.tenant.database.transaction() as connection:
            live = select(func.count()).where(
                emergency_access.c.patient_id == patient_id, emergencies.is_live(world.clock.now())
            )
            assert (await connection.execute(live)).scalar_one() == 0


TYPES = ("11488-4", "60591-5", "34794-8", "83901-9", "75496-0", "EXPPAT_3", "ATTEST-RESID")
filed = st.lists(
    st.tuples(
        st.sampled_from(TYPES),
        st.sampled_from(["plain", "plain", "masked", "withheld", "hidden_from_patient", "hidden_from_representatives"]),
    ),
    max_size=5,
)


@settings(
    max_examples=20,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    profession=st.sampled_from([PHYSICIAN, PHARMACIST, NURSE, DENTIST, "50"]),
    filed=filed,
    later=st.sampled_from([0, 1, 3599, 3600, 3601, 86_400]),
    objects=st.booleans(),
)
async def test_it_never_shows_what_is_masked_kept_from_him_or_beyond_his_profession(
    world: World, profession: str, filed: list[tuple[str, str]], later: int, objects: bool
) -> None:
    patient_id, person = await world.patient()
    doctor = professional(profession)
    day = legal_day(world.clock)
    lines = reach(role_of(profession, doctor.kind), GLASS, Kind.DOCUMENT, Action.READ, day)
    within = {each for line in lines for each in line.types if "emergency" in line.relations}
    open_to_him, others = set[UUID](), set[UUID]()
    for type_code, concealment in filed:
        flags: dict[str, Any] = {concealment: True} if concealment.startswith(("masked", "hidden")) else {}
        each = await world.publish(patient_id, document(type_code=type_code, **flags))
        if concealment == "withheld":
            async with world.tenant.database.transaction() as connection:
                await connection.execute(
                    insert(document_withholding).values(
                        patient_id=patient_id,
                        withholding_id=uuid4(),
                        document_id=each,
                        subject=doctor.subject,
                        valid_from=world.clock.now(),
                        recorded_by=person.subject,
                    )
                )
        shows = type_code in within and concealment not in {"masked", "withheld"}
        (open_to_him if shows else others).add(each)
    opened = await _break(world, doctor, patient_id)
    if objects:
        await _object(world, patient_id, person)
    world.clock.advance(timedelta(seconds=later))
    if objects or world.clock.now() >= opened.valid_until:
        open_to_him, others = set[UUID](), open_to_him | others
        assert not await _opens(world, doctor, patient_id)
    else:
        page = (await reading.open_dossier(world.context(doctor, mode=GLASS), patient_id, with_total=True)).page
        assert {each["document_id"] for each in page.documents} == {str(each) for each in open_to_him}
        assert page.total == len(open_to_him)
    for each in others:
        with pytest.raises(Refused, match="DOCUMENT_UNKNOWN"):
            await documents.read_document(world.context(doctor, mode=GLASS), each)


async def test_the_patient_reads_who_came_in_and_others_do_not(world: World) -> None:
    patient_id, person = await world.patient()
    doctor = professional()
    first = await _break(world, doctor, patient_id)
    world.clock.advance(timedelta(days=1))
    second = await _break(world, doctor, patient_id)
    async with transaction(world.context(person)) as act:
        assert await emergencies.emergencies_of(act, patient_id, first=10) == [second, first]
    with pytest.raises(Refused, match="ACCESS_REFUSED"):
        async with transaction(world.context(doctor, mode=GLASS)) as act:
            await emergencies.emergencies_of(act, patient_id, first=10)


async def test_a_regulator_learns_nothing_of_a_record_that_he_may_not_open(world: World) -> None:
    """R.1111-48, L.1111-17 I: he passes a block, but neither an objection nor a closed record."""
    regulator = professional()
    open_, _ = await world.patient()
    await _keep_out(world, open_, regulator)
    objected, person = await world.patient()
    await _object(world, objected, person)
    closed, owner = await world.patient()
    async with transaction(world.context(owner)) as act:
        await lifecycle.close(act, closed)
    masked = await world.publish(open_, document())
    mother = world.person(ins_of(91_303))
    await _tie(world, open_, mother, "representative")
    async with transaction(world.context(mother)) as act:
        await visibility.mask(act, masked)
    assert (
        await reading.open_dossier(world.context(regulator, mode=Mode.REGULATION_CENTRE), open_)
    ).page.documents == []
    for each in (objected, closed, uuid4()):
        assert not await _opens(world, regulator, each, Mode.REGULATION_CENTRE)


async def test_the_serving_role_cannot_take_an_opening_away(world: World) -> None:
    patient_id, _ = await world.patient()
    await _break(world, professional(), patient_id)
    with pytest.raises(Exception, match="permission denied"):
        async with world.tenant.database.transaction() as connection:
            await connection.execute(emergency_access.delete().where(emergency_access.c.patient_id == patient_id))
