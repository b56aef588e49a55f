"""`dispensingHistory`: who reads it, what it shows, and that both executors answer alike; nothing tells of the tail."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from itertools import compress, count
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from passerelle.audit.transactions import transaction
from passerelle.dossier import attestations
from passerelle.identities.directory import Establishment
from passerelle.kernel.clock import legal_day
from passerelle.pharmacy import windows
from passerelle.pharmacy.product_classes import ProductClass
from passerelle_graphql.committed import committed
from passerelle_graphql.ids import Node, node_id
from passerelle_policies.vocabulary import Relation
from tests import builders
from tests.gateway.alike import WHY, alike
from tests.gateway.at_work import someone
from tests.gateway.records import send
from tests.gateway.serving import TENANT, Serving
from tests.gateway.test_compiled import both
from tests.pharmacy.lines import PHARMACY, TODAY, dispensed, line, opened

_numbers = count(30_000)
HOSPITAL, TOWN = "310783055", "310790777"
VIEW = (
    """query ($id: ID!, $first: Int, $after: String, $yes: Boolean! = true) {
  seen: dispensingHistory(patientId: $id, first: $first, after: $after) {
    __typename
    ... on DispensingHistory {
      windows { __typename productClass since until }
      edges { cursor node { ...Line cis @include(if: $yes) } }
      nodes { said: label label @skip(if: $yes) }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      timeline {
        __typename substance resolved dispensings firstOn lastOn lastsUntil
        spans { __typename dispensationId lineNumber label dispensedOn lastsUntil gapDays overlapDays }
        days: spans { dispensedOn }
      }
      vaccines {
        __typename dispensed { ...Line } due { __typename code label status on lastDispensedOn }
        calendar { edition effective source read } notTold
      }
      devices { ...Line }
    }
    ...Why
  }
}
fragment Line on DispensedLine {
  __typename dispensationId number productClass cip13 label substances atc quantity doseText days batch prescribed
  dispensedOn dispensedHere network prescriptionNumber prescribedOn prescriber
}
"""
    + WHY
)


@dataclass(frozen=True, slots=True)
class Counter:
    """A patient with an open pharmacy record, and everybody who asks for it."""

    patient_id: UUID
    id: str
    patient: httpx2.AsyncClient
    pharmacist: httpx2.AsyncClient
    hospital: httpx2.AsyncClient
    absent: httpx2.AsyncClient
    town: httpx2.AsyncClient


@pytest.fixture
async def counter(serving: Serving) -> Counter:
    await serving.directory.register_establishments(
        [
            Establishment(finess=finess, name="Essai", basin="essai", tenant_id=TENANT, category=category)
            for finess, category in ((PHARMACY, "SA33"), (HOSPITAL, "SA01"), (TOWN, "SA07"))
        ]
    )
    ins, world = builders.ins_of(next(_numbers)), serving.world
    patient_id, person = await world.patient(ins, born="19800115")
    pharmacist, at_counter = await someone(serving, builders.PHARMACIST, PHARMACY)
    physician, at_hospital = await someone(serving, builders.PHYSICIAN, HOSPITAL)
    town, in_town = await someone(serving, builders.PHYSICIAN, TOWN)
    _, absent = await someone(serving, builders.PHARMACIST, PHARMACY)
    await world.authorize(patient_id, person, town)
    until = world.clock.now() + timedelta(hours=2)
    for who, what in ((pharmacist, Relation.PATIENT_PRESENT), (physician, Relation.ESTABLISHMENT_CARE)):
        async with transaction(world.context(who)) as act:
            await attestations.attest(act, patient_id, what, until=until, proof="carte Vitale")
    async with world.tenant.database.transaction() as connection:
        await opened(connection, patient_id)
    return Counter(
        patient_id=patient_id,
        id=node_id(Node.PATIENT, patient_id),
        patient=serving.client(serving.person_token(ins)),
        pharmacist=at_counter,
        hospital=at_hospital,
        absent=absent,
        town=in_town,
    )


async def put(serving: Serving, counter: Counter, *lines: dict[str, Any], **more: Any) -> None:
    async with serving.world.tenant.database.transaction() as connection:
        await dispensed(connection, counter.patient_id, lines, **more)


SOME = (
    line(10, ["ramipril"], 28, label='RAMIPRIL "5" mg é\\', cip13="3400930000001", cis="60000001", atc="C09AA05"),
    line(40, ["ramipril", "hydrochlorothiazide"], 28, quantity=2, dose_text="1 le matin", batch="L1"),
    line(90, ["ramipril"], None, is_prescribed=False),
    line(91, [], 5, quantity=1.5),
    line(700, ["adalimumab"], 14, product_class="biologic"),
    line(365 * 4, ["vaccin dtp"], product_class="vaccine", atc="J07CA01"),
    line(365 * 20, ["vaccin dtp"], product_class="vaccine", atc="J07CA02", quantity=2),
    line(200, [], product_class="device", label="Prothèse de hanche"),
)
GONE = (
    line(366, ["ramipril"], 300, label="PARTI"),
    line(365 * 4, ["adalimumab"], 30, product_class="biologic", label="PARTI"),
    line(365 * 22, ["vaccin dtp"], product_class="vaccine", atc="J07CA02", label="PARTI"),
    line(400, [], product_class="device", label="PARTI"),
)


async def test_the_view_is_answered_alike(serving: Serving, counter: Counter) -> None:
    readers = (counter.patient, counter.pharmacist, counter.hospital)
    assert b'"edges":[]' in await alike(serving, counter.pharmacist, VIEW, id=counter.id)
    await put(serving, counter, *SOME[:4])
    await put(serving, counter, *SOME[4:], pharmacy="310790009")
    await put(serving, counter, *GONE)
    for reader in readers:
        whole = json.loads(await alike(serving, reader, VIEW, id=counter.id))["data"]["seen"]
        assert [each["said"] for each in whole["nodes"]][:1] == ['RAMIPRIL "5" mg é\\']
        assert len(whole["nodes"]) == len(SOME)
        assert len(whole["vaccines"]["dispensed"]) == 2
        assert [each["label"] for each in whole["devices"]] == ["Prothèse de hanche"]
    here = [each["node"]["dispensedHere"] for each in whole["edges"]]
    assert not any(here)  # the hospital dispensed none of it
    assert {each["substance"]: each["dispensings"] for each in whole["timeline"]} == {
        "ramipril": 3,
        "hydrochlorothiazide": 1,
        "PRODUIT D'ESSAI": 1,
        "adalimumab": 1,
    }
    for variables in ({"first": 1}, {"first": 3}, {"first": 100}, {"yes": False}):
        await alike(serving, counter.pharmacist, VIEW, id=counter.id, **variables)
    seen, after = [], None
    while True:
        variables = {"first": 3, **({"after": after} if after else {})}
        page = json.loads(await alike(serving, counter.pharmacist, VIEW, id=counter.id, **variables))["data"]["seen"]
        seen += [each["node"]["dispensationId"] for each in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        assert page["pageInfo"]["hasPreviousPage"] is (len(seen) > 3)
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == [each["node"]["dispensationId"] for each in whole["edges"]]


async def test_the_prescription_is_shown_and_who_wrote_it_to_those_who_know(serving: Serving, counter: Counter) -> None:
    """The pharmacy that dispensed upon it, and the patient; of what was not prescribed, nothing."""
    answered = {"prescription_number": '1.2^"A"', "prescribed_on": TODAY, "prescriber_name": "Dr Éssai"}
    await put(serving, counter, line(1), **answered)
    await put(serving, counter, line(2), pharmacy="310790009", **answered, prescriber_rpps="99900000001")
    await put(serving, counter, line(3, is_prescribed=False), **answered)
    await put(serving, counter, line(4), prescriber_rpps="99900000001")
    told = {
        counter.patient: ["Dr Éssai", "Dr Éssai", None, "99900000001"],
        counter.pharmacist: ["Dr Éssai", None, None, "99900000001"],
        counter.hospital: [None, None, None, None],
    }
    for reader, prescribers in told.items():
        seen = json.loads(await alike(serving, reader, VIEW, id=counter.id))["data"]["seen"]
        lines = [each["node"] for each in seen["edges"]]
        assert [each["prescriber"] for each in lines] == prescribers
        assert [(each["prescriptionNumber"], each["prescribedOn"]) for each in lines] == [
            *[('1.2^"A"', TODAY.isoformat())] * 2,
            (None, None),
            (None, None),
        ]


async def test_each_part_is_answered_alone(serving: Serving, counter: Counter) -> None:
    await put(serving, counter, *SOME)
    parts = (
        "windows { since }",
        "pageInfo { hasNextPage }",
        "timeline { substance }",
        "vaccines { due { code } }",
        "vaccines { notTold calendar { edition } }",
        "devices { label }",
        "__typename",
    )
    for part in parts:
        query = f"query ($id: ID!) {{ dispensingHistory(patientId: $id) {{ ... on DispensingHistory {{ {part} }} }} }}"
        assert b"errors" not in await alike(serving, counter.pharmacist, query, id=counter.id)


async def test_quantities_are_written_alike(serving: Serving, counter: Counter) -> None:
    odd = ("1", "100000", "0.5", "0.1", "0.00001", "0.12345678901234567890", "1.00000000000000000001", "99999.99")
    await put(serving, counter, *(line(number, [], quantity=Decimal(each)) for number, each in enumerate(odd)))
    answer = await both(serving, counter.pharmacist, VIEW, id=counter.id)
    shown = [each["node"]["quantity"] for each in json.loads(answer)["data"]["seen"]["edges"]]
    assert shown == [float(each) for each in odd]


async def test_what_is_wrong_is_answered_alike(serving: Serving, counter: Counter) -> None:
    for wrong, code in (
        ({"first": 0}, b"PAGE_SIZE_INVALID"),
        ({"first": 101}, b"PAGE_SIZE_INVALID"),
        ({"after": "é"}, b"CURSOR_INVALID"),
        ({"after": "AAAA"}, b"CURSOR_INVALID"),
        ({"after": "f" * 32}, b"CURSOR_INVALID"),
    ):
        assert code in await alike(serving, counter.patient, VIEW, lines=0, id=counter.id, **wrong)
    assert b"ID_INVALID" in await alike(serving, counter.patient, VIEW, lines=0, id="é")
    await alike(serving, counter.patient, VIEW, id=counter.id, after="")


async def test_who_may_not_see_it_hears_the_same_as_of_nobody(serving: Serving, counter: Counter) -> None:
    """The physician of the town, whom the patient authorised, learns no more than of a patient who is not there."""
    await put(serving, counter, *SOME)
    nobody = node_id(Node.PATIENT, uuid4())
    without, _ = await serving.world.patient()
    for who in (counter.town, counter.absent):
        said = {
            await alike(serving, who, VIEW, id=each) for each in (counter.id, nobody, node_id(Node.PATIENT, without))
        }
        assert len(said) == 1
        assert b"ACCESS_REFUSED" in said.pop()


async def test_the_committed_operation_shows_one_screen(serving: Serving, counter: Counter) -> None:
    await put(serving, counter, *SOME, *GONE)
    shown = await send(counter.pharmacist, "OpenPharmacyRecord", patientId=counter.id)
    assert {each["productClass"]: each["since"] for each in shown["windows"]} == {
        "MEDICINE": "2025-11-16",
        "BIOLOGIC": "2023-11-16",
        "VACCINE": "2005-11-16",
        "DEVICE": "2025-11-16",
    }
    (ramipril,) = [each for each in shown["timeline"] if each["substance"] == "ramipril"]
    assert [(each["gapDays"], each["overlapDays"]) for each in ramipril["spans"]] == [
        (2, 0),
        (None, None),
        (None, None),
    ]
    due = {each["code"]: each["status"] for each in shown["vaccines"]["due"]}
    assert due == {"dtp": "DISPENSED"}  # at 45, dispensed at 42
    assert len(shown["vaccines"]["notTold"]) >= 3
    assert await alike(serving, counter.pharmacist, committed()["OpenPharmacyRecord"], patientId=counter.id)


@given(
    lines=st.lists(
        st.builds(
            line,
            st.integers(0, 9_000),
            st.sampled_from([["ramipril"], ["vaccin dtp"], []]),
            st.one_of(st.none(), st.integers(1, 400)),
            product_class=st.sampled_from([each.value for each in ProductClass]),
            atc=st.sampled_from([None, "J07CA01"]),
        ),
        min_size=1,
        max_size=5,
    ),
    status=st.sampled_from(["corrected", "cancelled"]),
)
@settings(
    max_examples=6,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
async def test_nothing_tells_of_the_tail_nor_of_what_no_longer_stands(
    serving: Serving, counter: Counter, lines: list[dict[str, Any]], status: str
) -> None:
    """The same octets, however much lies out of the windows, or was corrected or cancelled."""
    on = legal_day(serving.world.clock)
    assert on == TODAY
    visible = [windows.is_visible(ProductClass(each["product_class"]), each["dispensed_on"], on=on) for each in lines]
    await put(serving, counter, *SOME[:3], *compress(lines, visible))
    before = {who: await both(serving, who, VIEW, id=counter.id) for who in (counter.patient, counter.pharmacist)}
    await put(serving, counter, *(each for each, seen in zip(lines, visible, strict=True) if not seen))
    await put(serving, counter, *lines, status=status)
    for who, said in before.items():
        assert await both(serving, who, VIEW, id=counter.id) == said
