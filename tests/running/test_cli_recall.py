"""`passerelle recall …`: the operator announces, lists, follows and closes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from passerelle_ops.cli import main
from tests.conftest import Cloned
from tests.running.one_network import one_network

SAID = ("--level", "standard", "--source", "ansm", "--reference", "MED-1", "--message", "Mettre de côté.")
LOTS = ("--cip13", "3400930000007", "--batch", "a 1", "--batch", "B2")


@pytest.fixture(scope="module")
async def network(
    tenant_database: Cloned, directory_database: Cloned, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[None]:
    async with one_network(tenant_database, directory_database, tmp_path_factory.mktemp("operator")):
        yield


async def _run(*words: str) -> int:
    return await asyncio.to_thread(main, ["recall", *words, "-t", "oncomip"])


@pytest.mark.usefixtures("network")
async def test_a_recall_is_announced_listed_followed_and_closed(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert await _run("issue", *SAID, *LOTS, "--json") == 0
    issued = json.loads(capsys.readouterr().out)
    assert (issued["kind"], issued["batches"], issued["closed_at"]) == ("recall", ["A1", "B2"], None)
    assert await _run("issue", *SAID, *LOTS) == 0
    assert issued["recall_id"] in capsys.readouterr().out  # the same
    assert await _run("issue", *SAID) == 4  # something else under that reference
    assert await _run("issue", *SAID, "--batch", "A1", "--reference", "MED-2") == 2
    assert await _run("issue", *SAID, "--level", "grave") == 2
    capsys.readouterr()
    assert await _run("follow", issued["recall_id"], "--json") == 0
    followed = json.loads(capsys.readouterr().out)
    assert [followed[name] for name in ("waiting", "delivered", "acknowledged", "escalated")] == [0, 0, 0, 0]
    assert await _run("follow", issued["recall_id"]) == 0
    assert await _run("list") == 0
    assert await _run("close", issued["recall_id"]) == 0
    assert "MED-1" in capsys.readouterr().out
    assert await _run("list", "--json") == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert listed["closed_at"] is not None
    assert await _run("follow", "00000000-0000-0000-0000-000000000007") == 4
