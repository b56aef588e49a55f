"""`dispensingChecks` and `overrideCheck`: what the pharmacist is told, what he may not learn, and both executors alike.

Over the starter set of medicines and interactions that ships with the project.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import func, insert, select, text

from passerelle.audit.transactions import transaction
from passerelle.dossier import attestations, visibility
from passerelle.dossier.formats.allergies import Allergy
from passerelle.identities.directory import Establishment, Practice, Professional
from passerelle.kernel.actors import Actor
from passerelle.pharmacy.reference.loading import load_starter
from passerelle.pharmacy.tables import check_override, medicine, presentation
from passerelle_graphql.committed import committed
from passerelle_graphql.ids import Node, node_id
from passerelle_ops.demo.corpus import medicines
from passerelle_ops.demo.issuer import Practice as Activity
from passerelle_policies.vocabulary import Relation
from tests import builders
from tests.formats.samples import sound
from tests.gateway.alike import alike
from tests.gateway.records import send
from tests.gateway.serving import TENANT, Serving
from tests.pharmacy.lines import PHARMACY, dispensed, line, opened

_numbers = count(40_000)
TOWN = "310790777"
CHECK = committed()["CheckDispensing"]
SIMVASTATIN, CLARITHROMYCIN, IBUPROFEN = "SIMVASTATINE ALMUS", "CLARITHROMYCINE ACCORD", "IBUPROFENE SANDOZ 400"
AMOXICILLIN, CLOPIDOGREL = "AMOXICILLINE ARROW 250", "PLAVIX 75"


@dataclass(frozen=True, slots=True)
class Counter:
    """A patient with an open pharmacy record, before a pharmacist; a physician of the town whom he authorised."""

    serving: Serving
    patient_id: UUID
    id: str
    person: Actor
    pharmacist_actor: Actor
    pharmacist: httpx2.AsyncClient
    town: httpx2.AsyncClient

    async def checked(self, *products: str, by: httpx2.AsyncClient | None = None, of: str | None = None) -> Any:
        """The answer, after asserting that both executors give it."""
        basket = [{"cip13": await box(self.serving, each)} for each in products]
        said = await alike(self.serving, by or self.pharmacist, CHECK, patientId=of or self.id, basket=basket)
        return json.loads(said)["data"]["dispensingChecks"]

    async def asked(self, *products: str) -> Any:
        """The answer of the gateway alone."""
        basket = [{"cip13": await box(self.serving, each)} for each in products]
        return await send(self.pharmacist, "CheckDispensing", patientId=self.id, basket=basket)

    async def took(self, product: str, days_ago: int, days: int | None, **more: Any) -> None:
        """It was dispensed to the patient."""
        cip13 = await box(self.serving, product)
        async with self.serving.world.tenant.database.transaction() as connection:
            one = line(days_ago, [], days, cip13=cip13, label=product, **more)
            await dispensed(connection, self.patient_id, [one])


async def box(serving: Serving, name: str) -> str:
    """The first box of a medicine whose name begins so."""
    boxes = (
        select(func.min(presentation.c.cip13))
        .join(medicine, medicine.c.cis == presentation.c.cis)
        .where(medicine.c.name.startswith(name))
    )
    async with serving.world.tenant.database.transaction() as connection:
        return str((await connection.execute(boxes)).scalar_one())


async def someone(serving: Serving, profession: str, finess: str) -> tuple[Actor, httpx2.AsyncClient]:
    """A professional at work in an establishment."""
    actor = builders.professional(profession, establishment=finess)
    known = Professional(
        rpps=actor.id,
        family_name="ESSAI",
        given_name="Dominique",
        profession=profession,
        practices=(Practice(tenant_id=TENANT, finess=finess),),
    )
    await serving.directory.register_professionals([known])
    token = serving.issuer.mint_professional(
        rpps=actor.id,
        family_name="ESSAI",
        given_name="Dominique",
        profession=profession,
        practices=[Activity(finess=finess)],
    )
    return actor, serving.client(token)


@pytest.fixture(scope="module")
async def loaded(serving: Serving) -> Serving:
    await load_starter(serving.world.tenant.database, serving.world.clock)
    establishments = [
        Establishment(finess=finess, name="Essai", basin="essai", tenant_id=TENANT, category=category)
        for finess, category in ((PHARMACY, "SA33"), (TOWN, "SA07"))
    ]
    await serving.directory.register_establishments(establishments)
    return serving


@pytest.fixture
async def counter(loaded: Serving) -> Counter:
    return await at_counter(loaded)


async def at_counter(serving: Serving, state: str | None = "open") -> Counter:
    world = serving.world
    patient_id, person = await world.patient(builders.ins_of(next(_numbers)))
    pharmacist, client = await someone(serving, builders.PHARMACIST, PHARMACY)
    town, in_town = await someone(serving, builders.PHYSICIAN, TOWN)
    await world.authorize(patient_id, person, town)
    async with transaction(world.context(pharmacist)) as act:
        until = world.clock.now() + timedelta(hours=2)
        await attestations.attest(act, patient_id, Relation.PATIENT_PRESENT, until=until, proof="carte Vitale")
    if state is not None:
        async with world.tenant.database.transaction() as connection:
            await opened(connection, patient_id, state)
    return Counter(serving, patient_id, node_id(Node.PATIENT, patient_id), person, pharmacist, client, in_town)


def codes(said: Any) -> list[str]:
    return [each["code"] for each in said["findings"]]


def untold(said: Any) -> set[str]:
    return {each["code"] for each in said["notChecked"]}


async def test_a_basket_is_held_against_itself_and_against_the_history(counter: Counter) -> None:
    await counter.took(SIMVASTATIN, 5, 28)
    await counter.took(CLOPIDOGREL, 40, 30)  # used up
    said = await counter.checked(CLARITHROMYCIN, IBUPROFEN, IBUPROFEN, SIMVASTATIN, CLOPIDOGREL)
    heaviest = said["findings"][0]
    assert (heaviest["code"], heaviest["level"]) == ("INTERACTION", "CONTRAINDICATED")
    assert heaviest["sentence"].startswith("Contre-indication : ")
    assert heaviest["source"] == {"table": "INTERACTIONS", "dated": "2026-05-01"}
    (early,) = (each for each in said["findings"] if each["code"] == "EARLY_RENEWAL")
    assert [each["place"] for each in early["products"]] == [3, None]
    assert "23 jours" in early["sentence"]
    (short,) = (each for each in said["findings"] if each["code"] == "SHORTAGE")
    assert short["sentence"].startswith("En tension d'approvisionnement depuis le ")
    assert [each["name"][:18] for each in short["alternatives"]] == ["CLOPIDOGREL ARROW "]
    assert "SAME_SUBSTANCE" in codes(said)
    assert {each["table"]: each["count"] for each in said["checkedAgainst"]} == {
        "MEDICINES": None,
        "INTERACTIONS": None,
        "HISTORY": 2,
        "DOCUMENTS": 0,
    }
    assert untold(said) == {"ALLERGIES_OUT_OF_REACH"}


async def test_the_storage_tail_and_what_was_cancelled_give_no_warning(counter: Counter) -> None:
    await counter.took(SIMVASTATIN, 366, 1_000)
    said = await counter.checked(CLARITHROMYCIN)
    assert codes(said) == []
    assert {"table": "HISTORY", "dated": None, "count": 0} in said["checkedAgainst"]


async def test_who_may_not_read_the_history_learns_nothing_of_it(counter: Counter) -> None:
    await counter.took(SIMVASTATIN, 5, 28)
    without = await at_counter(counter.serving, None)
    said = await counter.checked(CLARITHROMYCIN, IBUPROFEN, by=counter.town)
    assert untold(said) == {"HISTORY_OUT_OF_REACH"}
    assert "HISTORY" not in {each["table"] for each in said["checkedAgainst"]}
    assert said == await counter.checked(CLARITHROMYCIN, IBUPROFEN, by=without.town, of=without.id)
    nobody = node_id(Node.PATIENT, uuid4())
    strangers = [await counter.checked(CLARITHROMYCIN, by=without.town, of=each) for each in (counter.id, nobody)]
    assert strangers[0] == strangers[1]


@pytest.mark.parametrize("state", [None, "informed", "objected", "closed"])
async def test_without_an_open_record_it_says_that_nothing_was_read(loaded: Serving, state: str | None) -> None:
    counter = await at_counter(loaded, state)
    await counter.took(SIMVASTATIN, 5, 28)
    said = await counter.checked(CLARITHROMYCIN)
    assert codes(said) == []
    assert untold(said) == {"NO_RECORD", "ALLERGIES_OUT_OF_REACH"}


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


async def test_what_nobody_knows_is_said_to_be_unknown(counter: Counter) -> None:
    basket = [{"label": "Préparation magistrale"}, {"cip13": "3400900000006"}]
    said = json.loads(await alike(counter.serving, counter.pharmacist, CHECK, patientId=counter.id, basket=basket))[
        "data"
    ]["dispensingChecks"]
    unknown = [each["product"]["label"] for each in said["notChecked"] if each["code"] == "PRODUCT_UNKNOWN"]
    assert unknown == ["Préparation magistrale", "CIP 3400900000006"]


async def test_what_is_no_basket_is_refused_alike(counter: Counter) -> None:
    ask = partial(alike, counter.serving, counter.pharmacist, CHECK, lines=0)
    for basket, code in (
        ([], b"CHECK_BASKET_EMPTY"),
        ([{"label": "A"}] * 41, b"CHECK_BASKET_TOO_LONG"),
        ([{"cip13": "3400900000007"}], b"CIP_INVALID"),
        ([{"label": "  "}], b"CHECK_PRODUCT_UNNAMED"),
        ([{}], b"CHECK_PRODUCT_UNNAMED"),
        ([{"label": "A" * 201}], b"VALUE_TOO_LONG"),
    ):
        assert code in await ask(patientId=counter.id, basket=basket)
    assert b"ID_INVALID" in await ask(patientId="é", basket=[{"label": "A"}])


@pytest.fixture
async def nothing_in_force(loaded: Serving) -> AsyncIterator[None]:
    database = loaded.world.tenant.database
    async with database.transaction() as connection:
        await connection.execute(text("update reference_edition set in_force_until = now()"))
    yield
    async with database.transaction() as connection:
        await connection.execute(text("update reference_edition set in_force_until = null"))


@pytest.mark.usefixtures("nothing_in_force")
async def test_without_tables_it_never_says_that_nothing_was_found(counter: Counter) -> None:
    await counter.took(SIMVASTATIN, 5, 28)
    said = await counter.checked(CLARITHROMYCIN)
    assert codes(said) == []
    assert untold(said) == {"NO_MEDICINES", "NO_INTERACTIONS", "ALLERGIES_OUT_OF_REACH"}


class _OneProtocol:
    def __init__(self, patient_id: UUID) -> None:
        self._patient_id = patient_id

    async def substances(self, _context: object, patient_id: UUID, /) -> frozenset[str]:
        return frozenset({"clarithromycine"}) if patient_id == self._patient_id else frozenset()


async def test_a_running_protocol_is_told_of_to_those_who_are_let_in(counter: Counter) -> None:
    gateway = counter.serving.gateway
    bound = replace(gateway, treatment_protocols=_OneProtocol(counter.patient_id))
    object.__setattr__(gateway, "treatment_protocols", bound.treatment_protocols)
    said = await counter.checked(SIMVASTATIN)
    (found,) = (each for each in said["findings"] if each["code"] == "PROTOCOL_OVERLAP")
    assert found["level"] == "CONTRAINDICATED"
    assert "clarithromycine" not in json.dumps(found).casefold()
    assert codes(await counter.checked(SIMVASTATIN, by=counter.town)) == []


async def test_a_warning_is_passed_over_with_a_reason_that_is_kept(counter: Counter) -> None:
    said = await counter.checked(SIMVASTATIN, CLARITHROMYCIN)
    finding = said["findings"][0]
    cip13s = [each["cip13"] for each in finding["products"]]
    over = partial(
        send,
        operation="OverrideCheck",
        patientId=counter.id,
        finding=finding["key"],
        code=finding["code"],
        cip13s=cip13s,
    )
    for who, wrong, code in (
        (counter.pharmacist, {"reason": "  "}, "CHECK_OVERRIDE_WITHOUT_REASON"),
        (counter.pharmacist, {"reason": "x", "finding": "autre"}, "CHECK_FINDING_INVALID"),
        (counter.pharmacist, {"reason": "x", "cip13s": []}, "CHECK_BASKET_EMPTY"),
        (counter.pharmacist, {"reason": "x", "cip13s": ["3400900000007"]}, "CIP_INVALID"),
        (counter.town, {"reason": "vu avec le prescripteur"}, "ACCESS_REFUSED"),
    ):
        assert (await over(who, **wrong))["code"] == code
    assert await _overrides(counter) == []
    assert (await counter.checked(SIMVASTATIN, CLARITHROMYCIN))["findings"][0]["override"] is None

    done = await over(counter.pharmacist, reason="vu avec le prescripteur")
    assert done == {"__typename": "CheckOverridden", "finding": finding["key"]}
    (kept,) = await _overrides(counter)
    assert (kept.reason, kept.pharmacy, kept.products) == ("vu avec le prescripteur", PHARMACY, cip13s)
    again = (await counter.checked(CLARITHROMYCIN, SIMVASTATIN))["findings"][0]
    assert again["key"] == finding["key"]
    assert again["override"]["reason"] == "vu avec le prescripteur"
    lines = await counter.serving.world.journal(counter.person, counter.patient_id)
    assert [each.outcome for each in lines if each.action == "override"] == ["allowed", "refused"]


async def test_what_was_overridden_long_ago_does_not_tell_of_the_storage_tail(counter: Counter) -> None:
    await counter.took(SIMVASTATIN, 5, 28)
    finding = (await counter.checked(CLARITHROMYCIN))["findings"][0]
    now = counter.serving.world.clock.now()
    for days_ago, shown in ((366, None), (365, "vu avec le prescripteur")):
        async with counter.serving.world.tenant.database.transaction() as connection:
            kept = {
                "patient_id": counter.patient_id,
                "override_id": uuid4(),
                "finding": finding["key"],
                "code": "CHECK_INTERACTION",
                "products": [],
                "reason": "vu avec le prescripteur",
                "pharmacy": PHARMACY,
                "by": "professional:essai",
                "by_name": "Essai",
                "at": now - timedelta(days=days_ago),
            }
            await connection.execute(insert(check_override).values(kept))
        override = (await counter.checked(CLARITHROMYCIN))["findings"][0]["override"]
        assert (override and override["reason"]) == shown


async def _overrides(counter: Counter) -> list[Any]:
    async with counter.serving.world.tenant.database.transaction() as connection:
        found = await connection.execute(
            select(check_override).where(check_override.c.patient_id == counter.patient_id)
        )
        return list(found.all())
