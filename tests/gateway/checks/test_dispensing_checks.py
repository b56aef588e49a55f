"""`dispensingChecks`: what the pharmacist is told, what he may not learn, and both executors alike.

Over the starter set of medicines and interactions that ships with the project.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from passerelle_graphql.ids import Node, node_id
from tests.gateway.alike import alike
from tests.gateway.checks.counter import (
    CHECK,
    CLARITHROMYCIN,
    CLOPIDOGREL,
    IBUPROFEN,
    SIMVASTATIN,
    Counter,
    at_counter,
    codes,
    untold,
)
from tests.gateway.serving import Serving


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
    assert short["sentence"].startswith("En tension d’approvisionnement depuis le ")
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


async def test_what_nobody_knows_is_said_to_be_unknown(counter: Counter) -> None:
    basket = [{"label": "Préparation magistrale"}, {"cip13": "3400900000006"}, {"cip13": "3400892669236"}]
    said = json.loads(await alike(counter.serving, counter.pharmacist, CHECK, patientId=counter.id, basket=basket))[
        "data"
    ]["dispensingChecks"]
    unknown = [each["product"]["label"] for each in said["notChecked"] if each["code"] == "PRODUCT_UNKNOWN"]
    assert unknown == ["Préparation magistrale", "CIP 3400900000006", "UCD 3400892669236"]


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
