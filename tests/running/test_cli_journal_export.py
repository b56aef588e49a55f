"""`journal export` of a real network: it signs nothing, and says what has no proof yet."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text

from passerelle.audit.sealing import seal
from passerelle.audit.verifier import faults_of
from passerelle.kernel.clock import SetClock
from passerelle_ops.installation import Installation
from passerelle_ops.settings import Settings
from tests.builders import World, ins_of
from tests.running.test_cli_hindsight import Run
from tests.running.test_cli_hindsight import environment as environment
from tests.running.test_cli_hindsight import run as run

EXPORT = ("journal", "export", "-t", "oncomip", "--reason", "contrôle")


async def _heads(world: World) -> int:
    async with world.tenant.database.transaction() as connection:
        return int((await connection.execute(text("select count(*) from journal_seal"))).scalar_one())


def _read(path: Path) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(path.read_text("utf-8"))
    assert faults_of(made) == []
    return made


async def test_an_export_seals_nothing_and_says_what_waits(run: Run, environment: None, tmp_path: Path) -> None:
    installation = Installation(Settings())
    try:
        clock = SetClock(datetime(2026, 3, 2, 9, tzinfo=UTC))
        world = World(await (await installation.registry()).tenant("oncomip"), clock)
        patient_id, _ = await world.patient(ins_of(77_901))
        young, sealed = tmp_path / "young.json", tmp_path / "sealed.json"
        heads = await _heads(world)

        code, said, _ = await run(*EXPORT, str(young), "--patient", str(patient_id))
        made = _read(young)
        waiting = len(made["unsealed"])
        assert (code, made["lines"]) == (0, [])
        assert waiting > 0
        assert "sans preuve" in said
        assert await _heads(world) == heads

        await seal(world.tenant, clock)
        heads = await _heads(world)
        code, said, _ = await run(*EXPORT, str(sealed), "--patient", str(patient_id))
        made = _read(sealed)
        assert (code, len(made["lines"]), made["unsealed"]) == (0, waiting + 1, [])
        assert "sans preuve" not in said
        # Its own line waits for the worker, who alone knows the heads that he has seen.
        assert await _heads(world) == heads
    finally:
        await installation.close()
