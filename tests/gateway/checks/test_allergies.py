"""Allergies that documents record: who is warned, by which words and codes, and what is said of what was not read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from passerelle.audit.transactions import transaction
from passerelle.dossier import visibility
from passerelle.dossier.formats.allergies import Allergy
from passerelle.pharmacy.formats import products as formats
from passerelle_ops.demo.corpus import medicines
from tests import builders
from tests.formats.samples import sound
from tests.gateway.checks.counter import (
    AMOXICILLIN,
    CLARITHROMYCIN,
    IBUPROFEN,
    OTHER_IBUPROFEN,
    SIMVASTATIN,
    Counter,
    at_counter,
    codes,
    codes_of,
    untold,
)
from tests.gateway.serving import Serving


async def test_an_allergy_warns_only_out_of_a_document_that_the_pharmacist_may_know_of(loaded: Serving) -> None:
    world = loaded.world
    allergy = Allergy(code=None, system=None, label="Pénicillines", status="active")
    content = medicines.with_allergies(sound("synthèse", "60591-5"), [allergy])
    author = builders.professional()

    async def patient(*, told: bool, masked: bool = False) -> Counter:
        counter = await at_counter(loaded)
        await world.authorize(counter.patient_id, counter.person, counter.pharmacist_actor)
        if told:
            document_id = await world.publish(
                counter.patient_id, builders.document(author=author, type_code="60591-5", content=content)
            )
            if masked:
                async with transaction(world.context(counter.person)) as act:
                    await visibility.mask(act, document_id)
        return counter

    none, masked, seen = await patient(told=False), await patient(told=True, masked=True), await patient(told=True)
    answers = [await each.checked(AMOXICILLIN) for each in (none, masked)]
    assert answers[0] == answers[1]
    assert codes(answers[0]) == []
    assert untold(answers[0]) == set()
    await seen.asked(AMOXICILLIN)  # what follows belongs to the same reading of the document
    said = await seen.checked(AMOXICILLIN, IBUPROFEN)
    (warned,) = (each for each in said["findings"] if each["code"] == "ALLERGY")
    assert [each["place"] for each in warned["products"]] == [0]
    assert warned["between"] == ["Pénicillines"]
    assert warned["source"] == {"table": "DOCUMENTS", "dated": "2026-11-10"}
    assert {"table": "DOCUMENTS", "dated": None, "count": 1} in said["checkedAgainst"]
    # The reading of that document is in the journal, once for the same reading.
    lines = await world.journal(seen.person, seen.patient_id)
    assert [each.kind for each in lines if each.actor_id == seen.pharmacist_actor.id].count("content") == 1


async def test_an_allergy_that_a_later_version_withdrew_warns_only_whom_that_version_is_kept_from(
    loaded: Serving,
) -> None:
    world, author = loaded.world, builders.professional()
    allergy = Allergy(code=None, system=None, label="Pénicillines", status="active")
    before = medicines.with_allergies(sound("synthèse", "60591-5"), [allergy])
    after = medicines.with_allergies(sound("synthèse", "60591-5"), [])
    for masked in (False, True):
        counter = await at_counter(loaded)
        await world.authorize(counter.patient_id, counter.person, counter.pharmacist_actor)
        told = builders.document(author=author, type_code="60591-5", content=before)
        await world.publish(counter.patient_id, told)
        later = builders.document(
            type_code="60591-5",
            content=after,
            replaces=told.metadata.unique_id,
            author=author,
            at="20261111093000+0100",
        )
        document_id = await world.publish(counter.patient_id, later)
        if masked:
            async with transaction(world.context(counter.person)) as act:
                await visibility.mask(act, document_id)
        await counter.asked(AMOXICILLIN)
        said = await counter.checked(AMOXICILLIN)
        assert codes(said) == (["ALLERGY"] if masked else [])
        assert {"table": "DOCUMENTS", "dated": None, "count": 1} in said["checkedAgainst"]


async def test_a_document_that_cannot_be_read_is_said_to_be_so(counter: Counter) -> None:
    world = counter.serving.world
    await world.authorize(counter.patient_id, counter.person, counter.pharmacist_actor)
    await world.publish(counter.patient_id, builders.document(type_code="60591-5", content=b"<ClinicalDocument"))
    assert untold(await counter.asked(AMOXICILLIN)) == {"ALLERGIES_UNREADABLE"}
    assert untold(await counter.checked(AMOXICILLIN)) == {"ALLERGIES_UNREADABLE"}


@pytest.mark.parametrize(
    ("system", "coded", "warns"),
    [
        (formats.ATC, "J01CA04", True),
        (formats.CIS, "cis", True),
        (formats.CIP, "cip13", True),
        ("1.2.250.1.213.2.3.3", "cip7", True),
        (formats.CIP, "cis", False),
        ("2.16.840.1.113883.6.96", "cis", False),  # a number of SNOMED that a medicine has too
        (formats.CIP, "9000001", False),  # of a hospital
    ],
)
async def test_an_allergy_is_read_under_the_system_of_its_code(
    counter: Counter, system: str, coded: str, warns: bool
) -> None:
    world = counter.serving.world
    await world.authorize(counter.patient_id, counter.person, counter.pharmacist_actor)
    cip13, cip7, cis = await codes_of(counter.serving, AMOXICILLIN)
    code = {"cip13": cip13, "cip7": cip7, "cis": cis}.get(coded, coded)
    allergy = Allergy(code=code, system=system, label="Selon le patient", status="active")
    content = medicines.with_allergies(sound("synthèse", "60591-5"), [allergy])
    await world.publish(counter.patient_id, builders.document(type_code="60591-5", content=content))
    await counter.asked(AMOXICILLIN)
    said = await counter.checked(AMOXICILLIN)
    assert codes(said) == (["ALLERGY"] if warns else [])
    assert untold(said) == (set() if warns else {"ALLERGY_UNRESOLVED"})


async def test_an_allergy_to_a_medicine_is_to_what_it_is_made_of(counter: Counter) -> None:
    world = counter.serving.world
    await world.authorize(counter.patient_id, counter.person, counter.pharmacist_actor)
    _, _, cis = await codes_of(counter.serving, IBUPROFEN)
    allergy = Allergy(code=cis, system=formats.CIS, label="Selon le patient", status="active")
    content = medicines.with_allergies(sound("synthèse", "60591-5"), [allergy])
    await world.publish(counter.patient_id, builders.document(type_code="60591-5", content=content))
    await counter.asked(OTHER_IBUPROFEN)
    said = await counter.checked(OTHER_IBUPROFEN, AMOXICILLIN)
    (warned,) = (each for each in said["findings"] if each["code"] == "ALLERGY")
    assert [each["place"] for each in warned["products"]] == [0]


async def test_contents_that_are_away_leave_the_rest_of_the_check(counter: Counter) -> None:
    world = counter.serving.world
    await world.authorize(counter.patient_id, counter.person, counter.pharmacist_actor)
    allergy = Allergy(code=None, system=None, label="Pénicillines", status="active")
    content = medicines.with_allergies(sound("synthèse", "60591-5"), [allergy])
    await world.publish(counter.patient_id, builders.document(type_code="60591-5", content=content))
    basket = (AMOXICILLIN, SIMVASTATIN, CLARITHROMYCIN)
    await counter.asked(*basket)
    folder = Path(urlsplit(world.tenant.contents.url).path)
    for gone, told in ((_unreachable, "ALLERGIES_AWAY"), (_emptied, "ALLERGIES_UNREADABLE")):
        with gone(folder):
            said = await counter.checked(*basket)
        assert codes(said) == ["INTERACTION"]
        assert untold(said) == {told}
    assert codes(await counter.checked(*basket)) == ["INTERACTION", "ALLERGY"]


@contextmanager
def _unreachable(folder: Path) -> Iterator[None]:
    with _emptied(folder):
        folder.rmdir()
        folder.write_bytes(b"")
        yield
        folder.unlink()
        folder.mkdir()


@contextmanager
def _emptied(folder: Path) -> Iterator[None]:
    elsewhere = folder.rename(folder.with_name("elsewhere"))
    folder.mkdir()
    yield
    folder.rmdir()
    elsewhere.rename(folder)
