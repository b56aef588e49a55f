"""`passerelle patient …`: what the operator records, with no INS on the command line."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import pytest

from passerelle.audit.transactions import transaction
from passerelle.dossier import access
from passerelle.identities.ins import Ins
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import SetClock
from passerelle.pharmacy import records
from passerelle_ops.cli import main
from passerelle_ops.installation import Installation
from passerelle_ops.settings import Settings
from passerelle_policies.vocabulary import PharmacyRecordState, Relation
from tests.builders import World, ins_of
from tests.conftest import Cloned
from tests.running.one_network import one_network


@dataclass
class Desk:
    """The operator at the command line, and the network behind it."""

    world: World
    patch: pytest.MonkeyPatch

    async def run(self, *words: str, told: str = "") -> int:
        self.patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(told.encode())))
        return await asyncio.to_thread(main, ["patient", *words, "-t", "oncomip"])

    async def relations(self, who: Actor, patient_id: UUID) -> frozenset[Relation]:
        async with self.world.tenant.database.transaction() as connection:
            return (await access.facts_of(self.world.context(who), connection, patient_id)).relations


@pytest.fixture(scope="module")
async def desk(
    tenant_database: Cloned, directory_database: Cloned, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Desk]:
    async with one_network(tenant_database, directory_database, tmp_path_factory.mktemp("operator")) as patch:
        installation = Installation(Settings())
        tenant = await (await installation.registry()).tenant("oncomip")
        yield Desk(World(tenant=tenant, clock=SetClock(datetime.now(UTC))), patch)
        await installation.close()


def _line(ins: Ins) -> str:
    return f"{ins.oid} {ins.value}\n"


async def test_the_operator_records_a_death_an_heir_and_undoes_the_mistake(desk: Desk) -> None:
    patient_id, person = await desk.world.patient()
    ins, key = ins_of(78_001), str(patient_id)
    heir = desk.world.person(ins)
    asked = ("heir", key, "--link", "cohabitant", "--motive", "memory", "--proof", "attestation")
    today = f"{desk.world.clock.now():%Y-%m-%d}"

    assert await desk.run(*asked, told=_line(ins)) == 4  # not dead
    assert await desk.run("death", key, "--on", today, "--proof", "acte de décès") == 0
    assert await desk.relations(person, patient_id) == frozenset()
    assert await desk.run(*asked, told="280019900178001\n") == 2  # an INS says its OID
    assert await desk.run("heir", key, "--link", "cousin", "--proof", "x", told=_line(ins)) == 2
    assert await desk.relations(heir, patient_id) == frozenset()
    assert await desk.run(*asked, told=_line(ins)) == 0
    desk.world.clock.set(datetime.now(UTC))
    assert await desk.relations(heir, patient_id) == {Relation.HEIR}
    assert await desk.run("undo-death", key, "--proof", "certificat de vie") == 0
    assert await desk.run("undo-death", key, "--proof", "certificat de vie") == 4
    assert await desk.relations(person, patient_id) == {Relation.PATIENT}
    assert await desk.relations(heir, patient_id) == frozenset()


async def test_the_operator_records_a_representative_and_the_judge_s_end_of_it(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    patient_id, person = await desk.world.patient()
    ins, key = ins_of(78_002), str(patient_id)
    guardian = desk.world.person(ins)
    named = ("representative", key, "--proof", "jugement", "--basis")

    assert await desk.run(*named, "curatorship", told=_line(ins)) == 2
    assert await desk.run(*named, "guardianship", told=_line(ins)) == 0
    desk.world.clock.set(datetime.now(UTC))
    assert await desk.relations(guardian, patient_id) == {Relation.REPRESENTATIVE}
    assert await desk.world.notices(person) == ["representation_changed"]
    assert await desk.run("end-representative", key, told=_line(ins)) == 0
    desk.world.clock.set(datetime.now(UTC))
    assert await desk.relations(guardian, patient_id) == frozenset()
    assert await desk.run("end-representative", key, told=_line(ins)) == 4  # there is none left
    said = capsys.readouterr()
    assert said.out.count("ont pris fin") == 1
    assert ins.value not in said.out + said.err


async def test_the_operator_informs_of_a_pharmacy_record_and_records_what_the_patient_answers(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    patient_id, person = await desk.world.patient()
    key, letter = str(patient_id), ("--proof", "courrier du jour")

    assert await desk.run("close-pharmacy", key, *letter) == 4  # there is none
    assert await desk.run("inform-pharmacy", key, *letter) == 0
    assert await desk.world.notices(person) == ["pharmacy_record_informed"]
    assert await desk.run("object-pharmacy", key, *letter) == 0
    assert await desk.run("inform-pharmacy", key, *letter) == 4  # he is left in peace
    desk.world.clock.set(datetime.now(UTC))
    async with transaction(desk.world.context(person)) as act:
        found = await records.state_of(act, patient_id)
    assert found.state is PharmacyRecordState.OBJECTED
    assert "Opposition enregistrée" in capsys.readouterr().out
