"""Results that would do: the recent ones of the act or of another that is worth it, and only those one may see."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from passerelle.audit.transactions import transaction
from passerelle.dossier import equivalents, reading, withholding
from passerelle.dossier.formats.submission import EventCode
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import InvalidInput, Refused
from passerelle_policies.vocabulary import DocumentStatus
from tests.builders import NURSE, PHARMACIST, PHYSICIAN, World, document, professional

LOINC, CCAM = "2.16.840.1.113883.6.1", "1.2.250.1.215.300.1"
TSH, FINER_TSH, CRP, BIOCHEMISTRY = "3016-3", "11580-8", "1988-5", "18719-5"
LABORATORY, IMAGING, LETTER = "11502-2", "18748-4", "11488-4"
MATCH = {"same": "same_act", "worth it": "equivalent", "chapter": "same_chapter"}
CODES: dict[str, tuple[str, ...]] = {
    "same": (BIOCHEMISTRY, TSH),
    "worth it": (BIOCHEMISTRY, FINER_TSH, CRP),
    "chapter": (BIOCHEMISTRY,),
    "another": (BIOCHEMISTRY, CRP),
    "none": (),
}


async def _file(world: World, patient_id: UUID, codes: tuple[str, ...], system: str = LOINC, **more: object) -> UUID:
    events = tuple(EventCode(code=each, system=system) for each in codes)
    given = {"type_code": LABORATORY, "at": "20261110093000+0100", **more}
    return await world.publish(patient_id, document(event_codes=events, **given))  # type: ignore[arg-type]


async def _found(
    world: World, reader: Actor, patient_id: UUID, code: str = TSH, system: str = LOINC
) -> list[tuple[UUID, str, int]]:
    said = await equivalents.equivalent_results(world.context(reader), patient_id, code, system)
    return [(UUID(each["document_id"]), each["match"], each["age_days"]) for each in said.results]


@pytest.fixture
async def people(world: World) -> tuple[UUID, Actor, Actor]:
    patient_id, person = await world.patient()
    reader = professional()
    await world.authorize(patient_id, person, reader)
    return patient_id, person, reader


async def test_the_act_first_then_what_is_worth_it_then_its_chapter(
    world: World, people: tuple[UUID, Actor, Actor]
) -> None:
    patient_id, person, reader = people
    filed = {name: await _file(world, patient_id, codes) for name, codes in CODES.items()}
    older = await _file(world, patient_id, CODES["same"], at="20261009003000+0200")
    letter = await _file(world, patient_id, CODES["same"], type_code=LETTER)
    today = world.clock.now().date()
    assert await _found(world, reader, patient_id) == [
        (filed["same"], "same_act", (today - world.clock.now().date().replace(month=11, day=10)).days),
        (older, "same_act", (today - today.replace(month=10, day=9)).days),
        (filed["worth it"], "equivalent", (today - today.replace(month=11, day=10)).days),
        (filed["chapter"], "same_chapter", (today - today.replace(month=11, day=10)).days),
    ]
    assert letter not in {each for each, _, _ in await _found(world, person, patient_id)}
    assert (await world.journal(person, patient_id))[1].kind == "dossier"


async def test_a_result_is_worth_something_as_long_as_the_rules_say(
    world: World, people: tuple[UUID, Actor, Actor]
) -> None:
    patient_id, _, reader = people
    image = await _file(world, patient_id, ("QEQK004",), CCAM, type_code=IMAGING)
    blood = await _file(world, patient_id, CODES["same"])

    async def both() -> list[UUID]:
        scans = await _found(world, reader, patient_id, "QEQK001", "1.2.250.1.213.2.5")
        return [each for each, _, _ in scans + await _found(world, reader, patient_id)]

    assert await both() == [image, blood]
    world.clock.advance(timedelta(days=90))
    assert await both() == [image]
    world.clock.advance(timedelta(days=275))
    assert await both() == []


async def test_an_act_that_nobody_listed_is_worth_itself(world: World, people: tuple[UUID, Actor, Actor]) -> None:
    patient_id, _, reader = people
    odd = await _file(world, patient_id, ("X-1", BIOCHEMISTRY), "1.2.3")
    assert [each for each, _, _ in await _found(world, reader, patient_id, "X-1", "1.2.3")] == [odd]
    assert await _found(world, reader, patient_id, "X-1", LOINC) == []
    assert (await equivalents.equivalent_results(world.context(reader), patient_id, "X-1", "1.2.3")).name is None


async def test_what_is_no_act_and_who_may_not_look_are_refused(world: World) -> None:
    patient_id, person = await world.patient()
    await _file(world, patient_id, CODES["same"])
    for code, system in (("", LOINC), (TSH, ""), ("9" * 65, LOINC), ("a|b", LOINC)):
        with pytest.raises(InvalidInput, match="ACT_CODE_INVALID"):
            await _found(world, person, patient_id, code, system)
    stranger = professional()
    for unknown in (patient_id, UUID(int=1)):
        with pytest.raises(Refused, match="ACCESS_REFUSED"):
            await _found(world, stranger, unknown)
    line = (await world.journal(person, patient_id))[1]
    assert (line.kind, line.outcome, line.actor_id) == ("dossier", "refused", stranger.id)


@settings(
    max_examples=15,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    profession=st.sampled_from([PHYSICIAN, PHARMACIST, NURSE]),
    shown=st.lists(st.sampled_from(sorted(CODES)), max_size=3),
    unseen=st.lists(
        st.tuples(
            st.sampled_from(sorted(CODES)),
            st.sampled_from(["masked", "withheld", "next version"]),
            st.sampled_from(["20261001093000+0200", "20261115093000+0100"]),
        ),
        min_size=1,
        max_size=3,
    ),
)
async def test_what_he_may_not_see_changes_no_answer(
    world: World, profession: str, shown: list[str], unseen: list[tuple[str, str, str]]
) -> None:
    """The answer is the same to the last octet, and is what the list of documents would show that is worth it."""
    patient_id, person = await world.patient()
    reader = professional(profession)
    await world.authorize(patient_id, person, reader)
    filed = [await _file(world, patient_id, CODES[each]) for each in shown]
    before = await _answer(world, reader, patient_id)
    for name, why, at in unseen:
        replaced = None
        if why == "next version" and filed:
            replaced = await _unique_id(world, person, patient_id, filed[0])
        it = await _file(world, patient_id, CODES[name], at=at, masked=why != "withheld", replaces=replaced)
        filed = filed[1:] if replaced else filed
        if why == "withheld":
            async with transaction(world.context(person)) as act:
                await withholding.withhold(act, it, reader.id)
    assert await _answer(world, reader, patient_id) == before
    everything = await reading.open_dossier(
        world.context(reader), patient_id, reading.DocumentFilter(statuses=(DocumentStatus.CURRENT.value,))
    )
    expected = {
        (UUID(each["document_id"]), MATCH[name])
        for each in everything.page.documents
        for name, codes in CODES.items()
        if name in MATCH and tuple(event["code"] for event in each["event_codes"]) == codes
    }
    assert {(each, match) for each, match, _ in await _found(world, reader, patient_id)} == expected


async def _answer(world: World, reader: Actor, patient_id: UUID) -> str:
    return repr(asdict(await equivalents.equivalent_results(world.context(reader), patient_id, TSH, LOINC)))


async def _unique_id(world: World, person: Actor, patient_id: UUID, document_id: UUID) -> str:
    page = (await reading.open_dossier(world.context(person), patient_id)).page
    (found,) = (each["unique_id"] for each in page.documents if each["document_id"] == str(document_id))
    return str(found)
