"""GraphQL over HTTP: each rule of the audit suite of graphql-http, and the suite itself where Node is."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import httpx2
import pytest

from tests.gateway.audit_rules import RULES, Rule
from tests.gateway.serving import GRAPHQL, Serving, listening

SUITES = {"1.22.4": 60, "1.23.1": 61}
#: What npm says when no registry answers it. Anything else that goes wrong is a failure.
UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT")
_DRIVER = Path(__file__).with_name("audit_suite.mjs")


@pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])
async def test_rule(rule: Rule, doctor: httpx2.AsyncClient) -> None:
    headers = dict(rule.headers)
    request = doctor.build_request(rule.method, GRAPHQL, headers=headers, content=rule.body, params=rule.params)
    if "accept" not in headers:
        del request.headers["accept"]
    if "content-type" not in headers:
        request.headers.pop("content-type", None)

    response = await doctor.send(request)

    assert any(response.status_code in each for each in rule.statuses), response.text
    if rule.content_type is not None:
        assert rule.content_type in response.headers["content-type"]
    shown = json.loads(response.content.decode("utf-8"))
    assert not set(rule.without) & set(shown)
    assert set(shown) <= {"data", "errors", "extensions"}


@pytest.fixture(scope="session")
def node() -> str:
    found = shutil.which("node")
    if found is None or shutil.which("npm") is None:
        pytest.skip("Node.js and npm are not on this machine: the rules above are held without them")
    return found


@pytest.mark.parametrize("version", SUITES)
async def test_the_suite_passes_whole(
    version: str, node: str, tmp_path: Path, serving: Serving, doctor_token: str
) -> None:
    (tmp_path / "package.json").write_text('{"private": true}')
    options = ("--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=0", "--fetch-timeout=30000")
    install = ["npm", "install", *options, f"graphql-http@{version}", "graphql@16"]
    fetched = await asyncio.to_thread(subprocess.run, install, cwd=tmp_path, capture_output=True, timeout=90)
    said = fetched.stderr.decode()
    if any(f"code {each}" in said for each in UNREACHABLE):
        pytest.skip("npm reaches no registry from here: the rules above are held without the suite")
    assert fetched.returncode == 0, said

    async with listening(serving.app) as url:
        command = [node, str(_DRIVER), str(tmp_path), f"{url}{GRAPHQL}", doctor_token]
        run = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=90)

    assert run.returncode == 0, run.stderr.decode()
    results = json.loads(run.stdout)
    assert [each for each in results if each["status"] != "ok"] == []
    assert len(results) == SUITES[version]
    assert {each["id"] for each in results} <= {rule.id for rule in RULES}
