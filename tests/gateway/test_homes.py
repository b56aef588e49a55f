"""The patient says at the door which network is his home; nobody else does in his name."""

from __future__ import annotations

from dataclasses import replace

import pytest
from starlette.applications import Starlette

from passerelle.kernel.keys import Keys
from passerelle_graphql.routes import routes
from passerelle_tenants.home_acts import Declaring
from passerelle_tenants.locator import Locator
from passerelle_tenants.locator_key import LocatorKey
from tests.gateway.records import new_record, send
from tests.gateway.serving import TENANT, Serving

ELSEWHERE = "oncopl"


@pytest.fixture(scope="module")
def locator(serving: Serving, tmp_path_factory: pytest.TempPathFactory) -> Locator:
    key = LocatorKey(Keys.create(tmp_path_factory.mktemp("locator") / "locator.key"))
    made = Locator(serving.directory.database, key)
    serving.gateway = replace(serving.gateway, homes=Declaring(lambda: made))
    serving.app = Starlette(routes=routes(serving.gateway))
    return made


async def test_a_patient_declares_his_home_and_reads_it_in_his_journal(serving: Serving, locator: Locator) -> None:
    record = await new_record(serving)
    refused = await send(record.doctor, "DeclareHome", patientId=record.id)
    assert (refused["__typename"], refused["code"]) == ("Refusal", "ACCESS_REFUSED")
    key = locator.person_key(record.ins)
    assert await locator.find([key]) == {}

    for _ in range(2):
        said = await send(record.patient, "DeclareHome", patientId=record.id)
        assert said == {"__typename": "Home", "network": TENANT, "state": "DECLARED", "claimedBy": None}
    assert (await locator.find([key]))[key].home_id == TENANT
    lines = await serving.world.journal(record.person, record.patient_id)
    declared = [(each.actor_id, each.outcome) for each in lines if each.action == "declare_home"]
    assert sorted(declared) == sorted([(record.doctor_actor.id, "refused"), *[(record.person.id, "allowed")] * 2])


async def test_his_word_moves_his_home_here_and_an_officer_s_is_a_claim(serving: Serving, locator: Locator) -> None:
    for who, state in (("patient", "MOVING"), ("officer", "DISPUTED")):
        record = await new_record(serving)
        key, now = locator.person_key(record.ins), serving.gateway.clock.now()
        await locator.arrive(ELSEWHERE, {key: True}, now)
        [found] = (await locator.find([key])).values()
        assert found.home is not None
        declared = replace(found.home, version=2, state=type(found.home.state).DECLARED)
        assert await locator.write(key, found.home, declared, now)
        client = record.patient if who == "patient" else serving.officer()
        said = await send(client, "DeclareHome", patientId=record.id)
        assert said == {"__typename": "Home", "network": ELSEWHERE, "state": state, "claimedBy": TENANT}


async def test_a_record_that_is_not_open_here_is_at_home_nowhere(serving: Serving, locator: Locator) -> None:
    record = await new_record(serving, open_=False, authorized=False)
    said = await send(record.patient, "DeclareHome", patientId=record.id)
    assert said["code"] == "DOSSIER_NOT_OPEN"
    assert await locator.find([locator.person_key(record.ins)]) == {}
