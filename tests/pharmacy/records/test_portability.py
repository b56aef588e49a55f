"""The pharmacy record in an export: what its reader sees of it, and nothing of the storage tail."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, update

from passerelle.dossier import lifecycle, portability, representation
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import Conflict
from passerelle.pharmacy.portability import PATH, taken_away
from passerelle.pharmacy.tables import check_override, pharmacy_record
from tests.pharmacy.lines import dispensed, line, opened
from tests.pharmacy.records.conftest import Pharmacy

ITS_OWN: Final = [("pharmacy_record", "read"), ("dispensation", "read")]


async def _export(world: Pharmacy, patient_id: UUID, reader: Actor) -> tuple[Any, int]:
    """What the archive holds of the pharmacy record, and how many lines the export says that it wrote."""
    export = await portability.open_export(world.context(reader), patient_id, [taken_away])
    archive = zipfile.ZipFile(io.BytesIO(b"".join([piece async for piece in export.stream()])))
    own = json.loads(archive.read("manifeste.json"))["journal"]["ownLinesLeftOut"]
    return json.loads(archive.read(PATH)) if PATH in archive.namelist() else None, own


async def _patient(world: Pharmacy, state: str) -> tuple[UUID, Actor]:
    patient_id, person = await world.patient()
    async with world.tenant.database.transaction() as connection:
        await opened(connection, patient_id, state)
        lines = [line(365, label="VU"), line(368, label="RESERVE"), line(700, label="VACCIN", product_class="vaccine")]
        await dispensed(connection, patient_id, lines)
        await dispensed(connection, patient_id, [line(1, label="ANNULE")], status="cancelled")
    return patient_id, person


async def test_the_patient_and_his_guardian_take_away_what_they_see(world: Pharmacy) -> None:
    patient_id, person = await _patient(world, "open")
    guardian = replace(person, id="f" * 32)
    guardianship = representation.RepresentationBasis.GUARDIANSHIP
    await world.do(
        person,
        representation.declare_representative,
        patient_id,
        guardian.id,
        proof="jugement",
        basis=guardianship,
    )
    for reader in (person, guardian):
        before = len(await world.journal(person, patient_id))
        said, own = await _export(world, patient_id, reader)
        assert [each["label"] for each in said["dispensed"]] == ["VU", "VACCIN"]
        assert said["state"] == "open"
        assert {each["productClass"] for each in said["windows"]} == {"medicine", "biologic", "vaccine", "device"}
        lines = await world.journal(person, patient_id)
        written = [(each.kind, each.action) for each in lines if each.actor_id == reader.id][: own + 1]
        assert [each for each in reversed(written) if each in ITS_OWN] == ITS_OWN
        # Its own lines, and that of reading the journal just before.
        assert len(lines) - before == own + 1


@pytest.mark.parametrize("state", ["informed", "objected", "closed"])
async def test_a_record_that_is_not_open_gives_its_life_and_nothing_else(world: Pharmacy, state: str) -> None:
    patient_id, person = await _patient(world, state)
    said, own = await _export(world, patient_id, person)
    assert (said["state"], said["dispensed"], own) == (state, [], 2)


async def test_what_was_passed_over_goes_too_but_for_what_documents_told(world: Pharmacy) -> None:
    patient_id, person = await _patient(world, "open")
    for code, days_ago in (("INTERACTION", 3), ("ALLERGY", 4), ("PROTOCOL_OVERLAP", 5), ("SHORTAGE", 366)):
        kept = {"patient_id": patient_id, "override_id": uuid4(), "finding": "0", "code": f"CHECK_{code}"}
        said = {"products": ["3400933516390"], "reason": "vu avec le prescripteur", "pharmacy": "310000001"}
        who = {"by": "professional:essai", "by_name": "Essai", "at": world.clock.now() - timedelta(days=days_ago)}
        async with world.tenant.database.transaction() as connection:
            await connection.execute(insert(check_override).values({**kept, **said, **who}))
    said, _ = await _export(world, patient_id, person)
    assert [(each["code"], each["reason"]) for each in said["overrides"]] == [
        ("CHECK_INTERACTION", "vu avec le prescripteur"),
        (None, None),
        (None, None),
    ]
    assert {key for each in said["overrides"] for key in each} == {"at", "code", "products", "reason"}
    async with world.tenant.database.transaction() as connection:
        closed = update(pharmacy_record).where(pharmacy_record.c.patient_id == patient_id)
        await connection.execute(closed.values(state="closed"))
    assert (await _export(world, patient_id, person))[0]["overrides"] == []


async def test_without_a_pharmacy_record_nothing_is_said_of_one(world: Pharmacy) -> None:
    patient_id, person = await world.patient()
    assert await _export(world, patient_id, person) == (None, 1)
    assert "pharmacy_record" not in {each.kind for each in await world.journal(person, patient_id)}


async def test_without_a_shared_record_it_goes_out_all_the_same(world: Pharmacy) -> None:
    never_had, person = await world.patient(open_=False)
    erased, other = await world.patient()
    await world.do(other, lifecycle.close, erased)
    await world.do(other, lifecycle.purge, erased, basis=lifecycle.Basis.REQUEST, proof="lettre")
    with pytest.raises(Conflict, match="EXPORT_OF_NOTHING"):
        await _export(world, erased, other)
    for patient_id, reader in ((never_had, person), (erased, other)):
        async with world.tenant.database.transaction() as connection:
            await opened(connection, patient_id, "open")
            await dispensed(connection, patient_id, [line(1, label="VU")])
        said, own = await _export(world, patient_id, reader)
        assert ([each["label"] for each in said["dispensed"]], own) == (["VU"], 3)


async def test_an_heir_takes_none_of_it(world: Pharmacy) -> None:
    patient_id, person = await _patient(world, "open")
    heir = replace(person, id="e" * 32)
    assert await world.do(heir, taken_away, patient_id) is None
    assert heir.id not in {each.actor_id for each in await world.journal(person, patient_id)}
