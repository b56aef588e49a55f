"""`passerelle doctor`: well when all is well, and each thing that is broken named by itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from passerelle_ops.cli import main
from passerelle_ops.diagnostics.examination import Examination
from passerelle_ops.diagnostics.found import Found
from passerelle_ops.installation import Installation
from passerelle_ops.settings import Settings
from passerelle_ops.stack.valkey import Valkey
from tests.conftest import Cloned
from tests.diagnostics.faults import FAULTS, Fault, Ground
from tests.running.one_network import one_network


@pytest.fixture(scope="module")
async def installed(
    tenant_database: Cloned, directory_database: Cloned, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ground]:
    folder = tmp_path_factory.mktemp("doctor")
    async with one_network(tenant_database, directory_database, folder) as patch:
        patch.setenv("PASSERELLE_BROKER_URL", valkey.url(7))
        ground = Ground(
            tenant=tenant_database,
            directory=directory_database,
            broker_url=valkey.url(7),
            folder=folder,
            patch=patch,
        )
        yield ground


@pytest.fixture
def ground(installed: Ground, monkeypatch: pytest.MonkeyPatch) -> Ground:
    return Ground(
        tenant=installed.tenant,
        directory=installed.directory,
        broker_url=installed.broker_url,
        folder=installed.folder,
        patch=monkeypatch,
    )


async def _faults(fault: Fault) -> list[Found]:
    installation = Installation(Settings(), clock=fault.clock(), pool_size=2)
    try:
        found = await Examination(installation, filing_seconds=0.01).run(contents=True)
    finally:
        await installation.close()
    return [each for each in found if each.wrong is not None]


@pytest.mark.parametrize("name", FAULTS)
async def test_each_fault_is_named_and_no_other(ground: Ground, name: str) -> None:
    fault = FAULTS[name]
    async with fault.make(ground):
        found = await _faults(fault)
    told = {(each.check.value, each.about, each.wrong.code) for each in found if each.wrong is not None}
    places = {(check, about if check != "certificate" else "", code) for check, about, code in told}
    assert places == fault.expected
    for each in found:
        assert each.wrong is not None
        assert all(said.endswith(".") and said != each.wrong.code for said in (each.wrong.cause, each.wrong.remedy))


@pytest.mark.usefixtures("ground")
async def test_what_is_well_is_told_to_people_and_to_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    code = await asyncio.to_thread(main, ["doctor", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (code, told["is_well"]) == (0, True)
    looked_at = {each["check"] for each in told["checks"]}
    assert looked_at >= {"database", "migrations", "broker", "queues", "object_store", "clock", "keys", "sealing"}


async def test_a_fault_is_told_with_its_remedy_and_without_a_secret(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    async with FAULTS["network_away"].make(ground):
        code = await asyncio.to_thread(main, ["doctor"])
    shown = capsys.readouterr()
    assert code == 1
    assert "La base ne répond pas" in shown.out
    assert "→ Vérifiez que PostgreSQL tourne" in shown.out
    assert "secret" not in shown.out + shown.err
