"""The real worker tells and shows what is due, once, whatever is killed and whichever network is broken."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import psycopg
import pytest

from passerelle.kernel.clock import SetClock, SystemClock
from passerelle_ops.installation import Installation
from passerelle_ops.stack.addresses import Addresses
from tests.builders import World, document, professional
from tests.running.house import TENANT, House, eventually

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("house"))
    house.serves()
    yield house
    house.close()


@pytest.fixture
async def world(house: House) -> AsyncIterator[World]:
    installation = Installation(house.settings)
    tenant = await (await installation.registry()).tenant(TENANT)
    yield World(tenant=tenant, clock=SetClock(SystemClock().now()))
    await tenant.database.close()
    await installation.close()


async def _hidden(world: World, house: House, days: int) -> UUID:
    """A document that was hidden from its patient so many days ago, as far as the database knows."""
    patient_id, _ = await world.patient()
    author = professional()
    filed = await world.publish(patient_id, document(author=author, hidden_from_patient=True))
    with house.connect() as connection:
        connection.execute(
            "update document set hidden_since = hidden_since - make_interval(days => %s),"
            " hidden_until = hidden_until - make_interval(days => %s) where document_id = %s",
            (days, days, filed),
        )
    return patient_id


def _kinds(house: House, patient_id: UUID) -> list[str]:
    return [kind for (kind,) in house.rows("select kind from notice where patient_id = %s order by kind", patient_id)]


def _told(house: House, patients: list[UUID]) -> int:
    return int(house.rows("select count(*) from notice where patient_id = any(%s)", patients)[0][0])


async def test_what_is_due_is_done_within_seconds_and_once_whatever_is_killed(world: World, house: House) -> None:
    """The worker is killed while it works through what an outage left, and starts again with a first turn."""
    shown, early = await _hidden(world, house, 40), await _hidden(world, house, 13)
    patients = [await _hidden(world, house, 15) for _ in range(30)]
    house.kill("worker")
    eventually(lambda: _told(house, patients) > 0, "some are told")
    house.kill("worker")
    eventually(lambda: _told(house, patients) == len(patients), "all are told")

    assert house.rows(
        "select count(*), count(distinct patient_id), count(distinct notice_id) from notice"
        " join notice_delivery using (recipient, notice_id) where patient_id = any(%s)",
        patients,
    ) == [(30, 30, 30)]
    eventually(lambda: _kinds(house, shown) == ["announcement_shown"], "the document is shown")
    assert house.rows("select metadata_version from document where patient_id = %s", shown) == [(2,)]
    assert _kinds(house, early) == []


def test_a_network_that_is_broken_stops_no_other(house: House) -> None:
    with psycopg.connect(Addresses(house.settings).directory_owner_url(), autocommit=True) as directory:
        directory.execute(
            "insert into tenant select 'fantome', 'Fantôme', is_test, jsonb_set(settings, '{id}', '\"fantome\"'),"
            " created_at from tenant where tenant_id = %s",
            (TENANT,),
        )
    eventually(lambda: "fantome" in _failures(house), "the other network's turns fail")
    before = house.rows("select max(relayed_at) from outbox")
    house.rows(
        "insert into outbox (event_id, name, patient_id, payload, at)"
        " values (gen_random_uuid(), 'house.bell_rang', gen_random_uuid(), '{}', now()) returning event_id"
    )
    eventually(lambda: house.rows("select max(relayed_at) from outbox") > before, "this one's turns go on")
    assert TENANT not in _failures(house)


def _failures(house: House) -> set[str]:
    """The networks of which a turn has failed."""
    log = (house.settings.state / "logs" / "worker.log").read_text("utf-8").splitlines()
    lines = [json.loads(line) for line in log if line.startswith("{")]
    return {line["tenant"] for line in lines if line["event"] == "task failed"}
