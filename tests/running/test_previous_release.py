"""The code of the last release over the newest schema, beside the present code, as in a rolling upgrade (0146).

Its gateway is sent every operation that it has committed, its worker has a turn of each of its tasks.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import psycopg
import pytest
from graphql import parse

from passerelle.audit.sealing import seal
from passerelle.audit.verification import verify_journal
from passerelle.kernel.clock import SystemClock
from passerelle_ops.demo import issuer as demo
from passerelle_ops.installation import Installation
from passerelle_ops.settings import Settings
from passerelle_ops.stack.state import StateFolder
from passerelle_ops.stack.valkey import Valkey
from tests.conftest import ROOT, Cloned
from tests.gateway.serving import GRAPHQL, TENANT, listening
from tests.running.one_network import one_network
from tests.watching.marked import Values, operations, settled

RELEASE: str = tomllib.loads((ROOT / "ops/passerelle_ops/migrations/released.toml").read_text("utf-8"))["commit"]
ROOTS = ("policies", "platform", "tenants", "graphql", "ops")
SECONDS = 240.0  # only tells what never comes from what is slow


@pytest.fixture
def before() -> Path:
    """The code of the last release, taken out of git once: what it compiles to is there the next time."""
    folder = ROOT / ".venv" / f"release-{RELEASE}"
    if not folder.exists():
        given = subprocess.run(["git", "archive", RELEASE, *ROOTS], cwd=ROOT, capture_output=True, check=False)
        if given.returncode != 0:
            pytest.skip(f"the last release is not in this clone: git fetch --depth=1 origin {RELEASE}")
        with TemporaryDirectory(dir=folder.parent) as made, tarfile.open(fileobj=BytesIO(given.stdout)) as code:
            code.extractall(Path(made) / "code", filter="data")
            with suppress(OSError):  # another made it meanwhile
                (Path(made) / "code").rename(folder)
    return folder


@asynccontextmanager
async def running(code: Path, folder: Path, module: str, *words: str, **settings: str) -> AsyncIterator[Path]:
    """A program of that code, under the present environment, once it listens; its log."""
    log, ready = folder / f"{module}.log", folder / f"{module}.ready"
    roots = os.pathsep.join(str(code / each) for each in ROOTS)
    given = {f"PASSERELLE_{name.upper()}": value for name, value in settings.items()}
    with log.open("wb") as said:
        started = subprocess.Popen(  # noqa: ASYNC220 - it goes on beside
            [sys.executable, "-P", "-m", f"passerelle_ops.{module}", *words],
            env={**os.environ, **given, "PYTHONPATH": roots, "PASSERELLE_READY_FILE": str(ready)},
            cwd=folder,
            stdout=said,
            stderr=said,
        )
    try:
        async with asyncio.timeout(SECONDS):
            while not ready.exists():
                assert started.poll() is None, log.read_text("utf-8")
                await asyncio.sleep(0.05)
        yield log
    finally:
        started.terminate()
        await asyncio.to_thread(started.wait, SECONDS)


def committed(code: Path) -> dict[str, str]:
    """The operations of that code, each with the document that holds it."""
    texts = [each.read_text("utf-8") for each in (code / "graphql/passerelle_graphql/operations").glob("*.graphql")]
    return {each.name.value: text for text in texts for each in parse(text).definitions}  # type: ignore[attr-defined]


async def asked(url: str, token: str, texts: dict[str, str], values: Values, *kinds: str) -> int:
    """Send each of its operations of these kinds; how many it did as it was asked."""
    done = 0
    headers = {"authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=SECONDS) as client:
        for name, each in operations(texts):
            if each.operation.value in kinds:
                body = {"query": texts[name], "operationName": name, "variables": values.of(each, everything=False)}
                answer = await client.post(GRAPHQL, json=body)
                done += b'"errors"' not in answer.content and b'"code"' not in answer.content
    return done


def unexpected(log: Path) -> list[str]:
    """What it met that it did not expect, whatever a library may say besides."""
    wrong = ('"event": "unexpected"', '"event": "task failed"', '"event": "not delivered"', "Traceback")
    return [each for each in log.read_text("utf-8").splitlines() if any(said in each for said in wrong)]


async def test_the_release_before_serves_over_the_newest_schema(
    before: Path, tenant_database: Cloned, directory_database: Cloned, valkey: Valkey, tmp_path: Path
) -> None:
    async with (
        one_network(tenant_database, directory_database, tmp_path),
        listening(demo.create_app(folder=tmp_path / "issuer")) as issuer,
    ):
        given = {"issuer": issuer, "officer_issuer": issuer, "web_processes": "1", "broker_url": valkey.url(11)}
        port = StateFolder(tmp_path / "ports").port("web")
        installation = Installation(Settings())
        tenant = await (await installation.registry()).tenant(TENANT)
        values, tokens = await settled(tenant, installation, demo.DemoIssuer(tmp_path / "issuer", issuer))
        async with (
            running(before, tmp_path, "web", "--port", str(port), **given) as gateway,
            running(before, tmp_path, "worker", **given) as worker,
        ):
            texts, url = committed(before), f"http://127.0.0.1:{port}"
            assert await asked(url, tokens["doctor"], texts, values, "query") > 5
            assert await asked(url, tokens["patient"], texts, values, "query", "mutation") > 20
            with psycopg.connect(tenant_database.owner_url, autocommit=True) as owner:

                async def until(holds: str) -> None:
                    async with asyncio.timeout(SECONDS):
                        while owner.execute(holds.encode()).fetchone() != (True,):  # noqa: ASYNC110 - of another process
                            await asyncio.sleep(0.1)

                await until("select exists (select from journal_seal)")
                await until("select not exists (select from outbox where relayed_at is null)")
                noted = owner.execute("select count(*) from narrowing where what = 'document'").fetchone()
        await seal(tenant, SystemClock())
        verified = await verify_journal(tenant, SystemClock())
        await installation.close()
    assert unexpected(gateway) == unexpected(worker) == []
    assert verified.findings == ()
    assert noted is not None
    assert noted[0] > 0
