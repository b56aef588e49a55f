"""`passerelle board …`: the boards of a network, and their activity as a table, as JSON and as CSV."""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from io import StringIO
from uuid import uuid4

import pytest
from sqlalchemy import insert

from passerelle.oncology.tables import board
from passerelle_ops.cli import main
from tests.conftest import Cloned
from tests.running.one_network import one_network


@pytest.fixture(scope="module")
async def network(
    tenant_database: Cloned, directory_database: Cloned, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[None]:
    declared = {"declared_at": datetime(2026, 1, 5, tzinfo=UTC), "declared_by": "establishment:310783055"}
    charter = {"duration_minutes": 90, "deputies": True, "videoconference": False, "state": "validated"}
    named = {"name": "=RCP d'essai", "kind": "standard", "scope": "organ", "organ": "86762007"}
    async with tenant_database.database.transaction() as connection:
        row = {"board_id": uuid4(), "establishment": "310783055", **named, **charter, **declared}
        await connection.execute(insert(board).values(row))
    async with one_network(tenant_database, directory_database, tmp_path_factory.mktemp("operator")):
        yield


async def _run(*words: str) -> int:
    return await asyncio.to_thread(main, ["board", *words, "-t", "oncomip"])


@pytest.mark.usefixtures("network")
async def test_boards_and_their_activity(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert await _run("list") == 0
    shown = capsys.readouterr().out
    assert "validée" in shown
    assert await _run("list", "--json") == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["name"], listed["state"]) == ("=RCP d'essai", "validated")

    period = ("activity", "--since", "2020-01-01")
    assert await _run(*period) == 0
    assert "Réseau" in capsys.readouterr().out
    assert await _run(*period, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["level"] for each in found["lines"]] == ["network", "kind", "organ", "board"]
    assert await _run(*period, "--csv") == 0
    rows = list(csv.DictReader(StringIO(capsys.readouterr().out)))
    assert (rows[-1]["name"], rows[-1]["cases"], rows[-1]["to_session_p50"]) == ("'=RCP d'essai", "0", "")

    assert await _run("activity", "--since", "2020-02-01") == 2
    assert await _run("activity", "--since", "2999-01-01") == 4
    assert await _run(*period, "--json", "--csv") == 2
