"""A person is located where a record is opened; each place knows the others and which of them is his home."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count

import pytest
from sqlalchemy import select, text

from passerelle.audit.transactions import transaction
from passerelle.identities import carried
from passerelle.identities.corrections import replace_ins
from passerelle.identities.ins import IdentityStatus
from passerelle.kernel.errors import Conflict
from passerelle_tenants.federation import places
from passerelle_tenants.tables import home, locator, person_key_change
from tests.builders import document, ins_of, operator
from tests.conftest import Template
from tests.federation.homes_ground import Region, region

_people = count(45_000)


@pytest.fixture(scope="module")
async def networks(
    tenant_template: Template, directory_template: Template, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Region]:
    folder = tmp_path_factory.mktemp("places")
    async with region(tenant_template, directory_template, folder, "nantes", "toulouse", "lyon") as made:
        yield made


@pytest.fixture
def ground(networks: Region) -> Region:
    return networks.of_somebody_else()


async def test_the_first_network_that_opens_a_record_is_presumed_to_be_home(ground: Region) -> None:
    await ground.arrive("nantes")
    await ground.locate()
    assert await ground.places("nantes") == {}
    assert await ground.owed("nantes") == set()

    await ground.arrive("toulouse")
    await ground.locate()

    found = await ground.whereabouts()
    assert found.tenants == ("nantes", "toulouse")
    assert found.home is not None
    assert (found.home.tenant_id, found.home.state) == ("nantes", "presumed")
    assert await ground.places("toulouse") == {"nantes": True}
    to_home = {"place", "relations", "journal_line"}  # it keeps no document yet
    assert await ground.owed("toulouse") == {(kind, "nantes") for kind in to_home}
    assert await ground.places("nantes") == {}  # not told yet

    await ground.carry("toulouse")

    assert await ground.places("nantes") == {"toulouse": False}
    await ground.locate("nantes")
    assert await ground.owed("nantes") == {("dossier", "toulouse"), ("relations", "toulouse")}
    assert await ground.believed() == {"nantes": "nantes", "toulouse": "nantes"}


async def test_what_is_kept_already_is_owed_to_home(ground: Region) -> None:
    await ground.arrive("nantes")
    patient_id, _ = await ground.arrive("toulouse")
    await ground.worlds["toulouse"].publish(patient_id, document())
    await ground.locate("nantes", "toulouse")

    assert await ground.owed("toulouse") == {
        (kind, "nantes") for kind in ("place", "relations", "document", "journal_line")
    }


async def test_two_that_come_at_once_find_each_other(ground: Region) -> None:
    for name in ("nantes", "toulouse", "lyon"):
        await ground.arrive(name)
    for name in ("lyon", "nantes", "toulouse"):  # whoever is first in the directory, not in time
        await ground.locate(name)
    await ground.settle()

    assert set((await ground.believed()).values()) == {"lyon"}
    assert await ground.places("lyon") == {"nantes": False, "toulouse": False}
    assert await ground.places("nantes") == {"lyon": True, "toulouse": False}


async def test_the_locator_holds_no_ins(ground: Region) -> None:
    await ground.arrive("nantes")
    await ground.arrive("toulouse")
    await ground.settle()
    held = []
    async with ground.locator.directory.transaction() as connection:
        for table in (locator, home, person_key_change):
            held += [str(tuple(row)) for row in await connection.execute(select(table))]
    assert len(held) >= 3
    for name in ("nantes", "toulouse"):
        held += [str(row) for row in await ground.rows(name, text("select * from patient_location"))]
    assert not [line for line in held if ground.ins.value[:13] in line]


async def test_a_turn_without_anything_new_does_nothing(ground: Region) -> None:
    await ground.arrive("nantes")
    await ground.settle()
    assert await places.locate(ground.offices["nantes"], ground.locator) == 0


async def test_another_ins_of_the_same_person_carries_over(ground: Region) -> None:
    await ground.arrive("nantes")
    await ground.arrive("toulouse")
    await ground.settle()
    former, now = ground.ins, ins_of(next(_people))
    async with transaction(ground.worlds["toulouse"].context(ground.worlds["toulouse"].feeder)) as act:
        assert await replace_ins(act, ground.patients["toulouse"], now, status=IdentityStatus.QUALIFIED)
    await ground.settle()

    assert await ground.whereabouts(now) == await ground.whereabouts(former)
    assert (await ground.whereabouts(now)).home_id == "nantes"
    assert set((await ground.believed()).values()) == {"nantes"}
    async with transaction(ground.worlds["nantes"].context(operator())) as act:
        assert await carried.known_as(act, [now]) == {now: ground.patients["nantes"]}
        assert await carried.known_as(act, [former]) == {}

    other, _ = await ground.worlds["nantes"].patient(ins_of(next(_people)))
    async with transaction(ground.worlds["nantes"].context(ground.worlds["nantes"].feeder)) as act:
        with pytest.raises(Conflict, match="INS_OF_ANOTHER"):
            await replace_ins(act, other, now, status=IdentityStatus.QUALIFIED)
