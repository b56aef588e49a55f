"""`passerelle home`: which network holds a patient's record, said and shown."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import insert

from passerelle.kernel.clock import SetClock
from passerelle_ops.cli import main
from passerelle_ops.installation import Installation
from passerelle_ops.settings import Settings
from passerelle_tenants.networks import declared_folder, load_networks
from passerelle_tenants.tables import tenant as recorded
from tests.builders import World
from tests.conftest import Cloned
from tests.running.one_network import one_network


async def test_a_network_says_that_it_holds_a_record(
    tenant_database: Cloned,
    directory_database: Cloned,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def run(*words: str) -> int:
        capsys.readouterr()
        return await asyncio.to_thread(main, ["home", *words, "-t", "oncomip"])

    async with one_network(tenant_database, directory_database, tmp_path_factory.mktemp("home")):
        installation = Installation(Settings())
        tenant = await (await installation.registry()).tenant("oncomip")
        patient_id, _ = await World(tenant=tenant, clock=SetClock(datetime.now(UTC))).patient()
        key = str(patient_id)

        assert await run("show", str(uuid4())) == 4
        assert "[PATIENT_UNKNOWN]" in capsys.readouterr().err
        assert await run("show", key) == 0
        assert "répertoire" in capsys.readouterr().out
        assert await run("declare", key, "--json") == 0
        assert json.loads(capsys.readouterr().out) == {"home": "oncomip", "state": "declared", "claimed_by": None}
        assert await run("show", key, "--json") == 0
        assert json.loads(capsys.readouterr().out) == {
            "home": "oncomip",
            "state": "declared",
            "claimed_by": None,
            "places": ["oncomip"],
        }
        assert await run("decide", key, "--for", "oncomip") == 4  # nobody else claims it

        # Under another name it is the same network, and is found under the former one too.
        for _ in range(2):
            assert await asyncio.to_thread(main, ["network", "rename", "oncomip", "occitanie", "--json"]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == "}"
        assert await asyncio.to_thread(main, ["home", "show", key, "-t", "occitanie"]) == 0
        assert await asyncio.to_thread(main, ["network", "rename", "ailleurs", "occitanie"]) == 2
        assert await run("show", key) == 0

        # Merged into another, which would go on with its one patient; into itself, not at all.
        async with installation.directory.database.transaction() as connection:
            other = load_networks(declared_folder())["oncopl"]
            said = {
                "tenant_id": other.id,
                "name": other.name,
                "is_test": True,
                "settings": other.model_dump(mode="json"),
            }
            await connection.execute(insert(recorded).values(created_at=datetime.now(UTC), **said))
        assert await asyncio.to_thread(main, ["network", "merge", "occitanie", "oncomip"]) == 2
        capsys.readouterr()
        assert await asyncio.to_thread(main, ["network", "merge", "occitanie", "oncopl", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["id"], told["is_done"], told["left"]["to_tell"]) == ("oncomip", False, 1)
        assert await asyncio.to_thread(main, ["network", "merge", "oncomip", "oncopl"]) == 0
        assert "à annoncer : 1" in " ".join(capsys.readouterr().out.split())
        assert (installation.state.path / "locator.key").stat().st_mode & 0o077 == 0
        await installation.close()
