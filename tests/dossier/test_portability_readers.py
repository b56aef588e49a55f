"""Who takes away what: the patient and a representative what lists show them, an heir less, a parent what he saw."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, update

from passerelle.dossier import portability, representation, visibility, withholding
from passerelle.dossier.tables import document as filed
from passerelle.dossier.tables import relation
from passerelle.identities.tables import patient
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import Refused
from tests.builders import World, document, professional
from tests.dossier.exports import done, exports_in_journal, ids_in, listed, opened, read_json

OFTEN = {"export.per_day": 10_000}
FLAGS = st.fixed_dictionaries(
    {
        "masked": st.booleans(),
        "hidden_from_patient": st.booleans(),
        "hidden_from_representatives": st.booleans(),
        "fate": st.sampled_from(["stays", "archived", "deleted", "replaced", "replaced by a hidden one", "withheld"]),
        "type_code": st.sampled_from(["11488-4", "68599-0", "EXPPAT_3"]),
    }
)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(flags=st.lists(FLAGS, min_size=1, max_size=4))
async def test_the_documents_in_the_zip_are_those_that_lists_show(world: World, flags: list[dict[str, Any]]) -> None:
    often = World(tenant=replace(world.tenant, parameters=OFTEN), clock=world.clock)
    patient_id, person = await world.patient()
    author, outsider = professional(), professional()
    guardian = replace(person, id=f"{patient_id.hex[:28]}beef")
    await done(
        world,
        person,
        representation.declare_representative,
        patient_id,
        guardian.id,
        proof="jugement",
        basis=representation.RepresentationBasis.GUARDIANSHIP,
    )
    plain: set[UUID] = set()
    for each in flags:
        fate, said = each["fate"], {name: value for name, value in each.items() if name != "fate"}
        said["hidden_from_patient"] &= not said["masked"]
        incoming = document(author=author, **said)
        document_id = await world.publish(patient_id, incoming)
        if fate == "archived":
            await done(world, author, visibility.archive, document_id)
        elif fate == "deleted":
            await done(world, author, visibility.delete, document_id)
        elif fate.startswith("replaced"):
            more = {"hidden_from_representatives": True} if fate.endswith("one") else {}
            await world.publish(
                patient_id, document(author=author, replaces=incoming.metadata.unique_id, **said | more), by=author
            )
        elif fate == "withheld" and not said["hidden_from_patient"]:
            await done(world, person, withholding.withhold, document_id, outsider.id)
        if fate == "stays" and not any(value is True for value in said.values()):
            plain.add(document_id)
    for reader in (person, guardian):
        shown = await listed(world, patient_id, reader)
        archive = await opened(often, patient_id, reader)
        entries = read_json(archive, "donnees/documents.json")
        assert {each["logicalId"]: each["status"] for each in entries} == shown
    await _died(world, patient_id)
    heir = replace(person, id=f"{patient_id.hex[:28]}face")
    await _inherits(world, patient_id, heir)
    taken = ids_in(await opened(often, patient_id, heir))
    async with world.tenant.database.transaction() as connection:
        rows = (await connection.execute(select(filed).where(filed.c.patient_id == patient_id))).all()
    by_id = {str(row.document_id): row for row in rows}
    assert {str(each) for each in plain} <= taken
    for row in (by_id[each] for each in taken):
        assert (row.status, row.masked, row.hidden_from_representatives) == ("current", False, False)
        assert row.superseded_by is None


async def _died(world: World, patient_id: UUID) -> None:
    async with world.tenant.database.transaction() as connection:
        await connection.execute(
            update(patient).where(patient.c.patient_id == patient_id).values(deceased_on=date(2026, 11, 15))
        )


async def _inherits(world: World, patient_id: UUID, heir: Actor, link: str = "successor") -> None:
    async with world.tenant.database.transaction() as connection:
        await connection.execute(
            insert(relation).values(
                patient_id=patient_id,
                relation_id=uuid4(),
                relation="heir",
                subject=heir.subject,
                valid_from=world.clock.now(),
                recorded_by="system:operator",
                basis=link,
                motive="memory" if link == "successor" else None,
                proof="acte de notoriété",
            )
        )


async def test_an_heir_gets_documents_alone_and_his_motive_is_in_the_journal(world: World) -> None:
    patient_id, person = await world.patient()
    await world.publish(patient_id, document())
    await _died(world, patient_id)
    heir = replace(person, id="e" * 32)
    with pytest.raises(Refused):
        await portability.open_export(world.context(heir), patient_id)
    await _inherits(world, patient_id, heir)
    archive = await opened(world, patient_id, heir)
    folders = {name.split("/")[0] for name in archive.namelist()}
    assert "journal" not in folders
    assert {name for name in archive.namelist() if name.startswith("donnees/")} == {
        "donnees/identite.json",
        "donnees/documents.json",
    }
    assert "ins" not in read_json(archive, "donnees/identite.json")
    *_, line, _ = await exports_in_journal(world, patient_id)
    assert line[4]["motive"] == "memory"
    assert line[4]["relations"] == ["heir"]


async def test_a_parent_of_a_minor_who_died_keeps_what_he_saw(world: World) -> None:
    patient_id, person = await world.patient(born="20150302")
    ids = [await world.publish(patient_id, document()) for _ in range(3)]
    await done(world, person, visibility.mask, ids[0])
    await done(world, person, visibility.hide_from_representatives, ids[1])
    await _died(world, patient_id)
    parent, successor = replace(person, id="a" * 32), replace(person, id="b" * 32)
    for each, link in ((parent, "parental_authority"), (successor, "successor")):
        await _inherits(world, patient_id, each, link)
    assert ids_in(await opened(world, patient_id, parent)) == {str(ids[0]), str(ids[2])}
    assert ids_in(await opened(world, patient_id, successor)) == {str(ids[2])}
