"""A network is merged into another, cut off on the way: its patients go over, no document changes its identity."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import ClassVar
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select

from passerelle.audit import journal
from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import lifecycle, publishing, relations, visibility
from passerelle.dossier.tables import document, dossier
from passerelle.identities import patients
from passerelle.identities.directory import Directory, Establishment, Practice, Professional
from passerelle.identities.ins import IdentityStatus
from passerelle.kernel.errors import Conflict, InvalidInput, Refused
from passerelle.kernel.merges import Merge
from passerelle.pharmacy import records
from passerelle.pharmacy.tables import pharmacy_record
from passerelle_tenants import merges
from passerelle_tenants.federation import merging
from passerelle_tenants.federation.kinds.document_marks import DocumentMarks
from passerelle_tenants.federation.kinds.documents import Documents
from passerelle_tenants.federation.kinds.dossiers import Dossiers
from passerelle_tenants.federation.kinds.relations import Relations
from passerelle_tenants.locator import Home, Locator
from passerelle_tenants.tables import tenant as recorded
from tests.builders import document as incoming
from tests.builders import professional
from tests.conftest import Template
from tests.federation.homes_ground import Region, region

FINESS, RPPS = "440000289", "10100000017"


@pytest.fixture(scope="module")
async def networks(
    tenant_template: Template, directory_template: Template, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Region]:
    kinds, folder = (Documents(), DocumentMarks(), Dossiers(), Relations()), tmp_path_factory.mktemp("merges")
    names = ("nantes", "toulouse", "lyon")
    async with region(tenant_template, directory_template, folder, *names, more=kinds) as made:
        said = {"is_test": True, "settings": {}, "created_at": made.clock.now()}
        async with made.locator.directory.transaction() as connection:
            rows = [{"tenant_id": each, "name": f"Réseau {each}", **said} for each in names]
            real = {"tenant_id": "brest", "name": "Réseau brest", **said, "is_test": False}
            await connection.execute(insert(recorded), [*rows, real])
        directory = Directory(made.locator.directory)
        house = Establishment(finess=FINESS, name="CHU de Nantes", basin="nord", tenant_id="nantes")
        await directory.register_establishments([house])
        works = (Practice(tenant_id="nantes", finess=FINESS),)
        doctor = Professional(rpps=RPPS, family_name="ESSAI", given_name="D", profession="10", practices=works)
        await directory.register_professionals([doctor])
        yield made


class CutOff(Locator):
    """Every other change reaches the directory, and then the process is gone."""

    written: ClassVar[int] = 0

    async def write(self, key: str, before: Home | None, after: Home, now: datetime) -> bool:
        done = await super().write(key, before, after, now)
        CutOff.written += done
        if done and CutOff.written % 2:
            raise ConnectionError("cut off")
        return done


async def _state(ground: Region, network: str, patient_id: UUID) -> tuple[str, bool] | None:
    rows = await ground.rows(
        network,
        select(dossier.c.state, dossier.c.purge_after.is_not(None)).where(dossier.c.patient_id == patient_id),
    )
    return (rows[0][0], rows[0][1]) if rows else None


async def _known(ground: Region, network: str, person: Region) -> UUID | None:
    context = ground.offices[network].context("essai", "essai")
    async with transaction(context) as act:
        return await patients.of_person(act, patients.person_key(context, person.ins))


async def test_what_a_merge_refuses_changes_nothing(networks: Region) -> None:
    directory, now = networks.locator.directory, networks.clock.now()
    for name, into, code in (
        ("nantes", "nantes", "NETWORK_MERGE_SAME"),
        ("nantes", "brest", "NETWORK_MERGE_TEST"),
        ("nantes", "ailleurs", "TENANT_UNKNOWN"),
    ):
        with pytest.raises((Conflict, InvalidInput), match=code):
            await merges.begin(directory, name, into, now)
    assert await merges.recorded_merges(directory) == {}
    office = networks.offices["nantes"]
    assert await merging.turn(office, networks.locator) == 0


async def test_a_network_is_merged_into_another(networks: Region) -> None:
    """At home in Nantes, with a document there and a masked one in Lyon; closed; objecting; without INS; informed."""
    nantes, toulouse = networks.worlds["nantes"], networks.worlds["toulouse"]
    doctor = professional()
    anne, bea = networks.of_somebody_else(), networks.of_somebody_else()
    hers: dict[str, UUID] = {}
    for name in ("nantes", "lyon"):
        patient_id, person = await anne.arrive(name)
        await anne.locate(name)
        hers[name] = await networks.worlds[name].publish(patient_id, incoming())
        if name == "nantes":
            await nantes.authorize(patient_id, person, doctor)
    await anne.settle()
    async with transaction(nantes.context(nantes.person(anne.ins))) as act:
        await visibility.mask(act, hers["lyon"])
    closed, person = await bea.arrive("nantes")
    async with transaction(nantes.context(person)) as act:
        await lifecycle.close(act, closed)
        await records.object_(act, closed)
    informed, objecting = await nantes.patient(open_=False)
    async with transaction(nantes.context(nantes.feeder)) as act:
        await lifecycle.inform(act, informed, proof="courrier")
        stranger = await patients.register(
            act, [], patients.Traits(family_name="SANS", birth_date="1980"), IdentityStatus.PROVISIONAL, source="essai"
        )
        await lifecycle.open_(act, stranger, basis=lifecycle.Basis.CONSENT, proof="signé")
    await anne.settle()

    directory, clock = networks.locator.directory, networks.clock
    for _ in range(2):
        assert await merges.begin(directory, "nantes", "toulouse", clock.now()) == "nantes"
    anne.locator = CutOff(directory, networks.locator.key)
    for _ in range(4):
        with suppress(ConnectionError):
            await anne.settle()
    anne.locator = networks.locator
    await anne.settle()

    at_toulouse = await _known(networks, "toulouse", anne)
    assert at_toulouse is not None
    assert (await anne.whereabouts()).home_id == "toulouse"
    index = await networks.rows(
        "toulouse",
        select(document.c.document_id, document.c.origin, document.c.masked).where(
            document.c.patient_id == at_toulouse, document.c.status == "current"
        ),
    )
    assert sorted(index) == sorted([(hers["nantes"], "nantes", False), (hers["lyon"], "lyon", True)])
    him = toulouse.person(anne.ins)
    async with transaction(toulouse.context(him)) as act:
        let_in = (await relations.authorizations(act, at_toulouse)).relations
    assert [each.subject for each in let_in] == [doctor.subject]
    assert await toulouse.notices(him) == ["network_merged"]
    assert "network-merged" in {each.rule for each in await toulouse.journal(him, at_toulouse)}
    bea_there = await _known(networks, "toulouse", bea)
    assert bea_there is not None
    assert await _state(networks, "toulouse", bea_there) == ("closed", True)
    refused = select(pharmacy_record.c.state).where(pharmacy_record.c.patient_id == bea_there)
    assert await networks.rows("toulouse", refused) == [("objected",)]

    # The delay to object ends where it began; until then Nantes is not done with, and the merge goes nowhere else.
    left = await merging.left(networks.offices["nantes"].tenant, networks.locator)
    assert left == merging.Left(to_tell=0, at_home=0, disputed=0, delayed=1, boards=0, owed=0, unknown=1)
    with pytest.raises(Conflict, match="NETWORK_MERGE_ELSEWHERE"):
        await merges.begin(directory, "nantes", "lyon", clock.now())
    with pytest.raises(Conflict, match="NETWORK_MERGE_ENDED"):
        await merges.begin(directory, "toulouse", "nantes", clock.now())
    async with transaction(nantes.context(objecting)) as act:
        await lifecycle.close(act, informed)
    await anne.settle()
    assert await merges.merge_of(directory, "nantes") == Merge(into="toulouse", is_done=True)
    house = await Directory(directory).establishment(FINESS)
    assert house is not None
    assert house.tenant_id == "toulouse"
    assert await Directory(directory).knows("toulouse", RPPS)
    await _nothing_is_written(networks, hers["nantes"])


async def _nothing_is_written(networks: Region, document_id: UUID) -> None:
    """In a network that is merged: reading goes on, everything else is refused with a line that says where to go."""
    nantes = networks.worlds["nantes"]
    nantes.tenant = replace(nantes.tenant, merge=lambda: Merge(into="toulouse", is_done=True))
    find = select(document.c.patient_id).where(document.c.document_id == document_id)
    [(patient_id,)] = await networks.rows("nantes", find)
    count = select(func.count()).select_from(document)
    before = await networks.rows("nantes", count)
    lines = select(journal.lines().c.code).where(journal.lines().c.rule == journal.MERGED)

    async def publish(act: Act) -> object:
        return await publishing.publish(act, patient_id, incoming())

    async def register(act: Act) -> object:
        traits = patients.Traits(family_name="NOUVEAU", birth_date="1990")
        return await patients.register(act, [], traits, IdentityStatus.PROVISIONAL, source="essai")

    for write in (publish, register):
        with pytest.raises(Refused, match="NETWORK_MERGED") as refused:
            async with transaction(nantes.context(nantes.feeder)) as act:
                await write(act)
        assert refused.value.fields == {"network": "toulouse"}
    assert await networks.rows("nantes", count) == before
    assert await networks.rows("nantes", lines) == [("NETWORK_MERGED",)] * 2
