"""External servers by settings: nothing is embedded, and the same commands do the same."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import psycopg
import pytest

from passerelle_ops.cli import main
from passerelle_ops.demo.corpus.quirks import paper
from passerelle_ops.demo.corpus.write import write
from passerelle_ops.stack.postgres import Postgres
from passerelle_ops.stack.state import StateFolder
from passerelle_ops.stack.valkey import Valkey
from tests.running.house import ROOT, SECONDS, eventually

# `tests/helm/test_processes.py` runs one network over servers that are not ours each time.
pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def _prepared_by_the_administrator(postgres: Postgres) -> dict[str, str]:
    """What a database administrator makes beforehand: the group, an owner, a serving role and a database for each."""
    urls = {}
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        admin.execute(
            "do $$ begin create role passerelle_serving nologin; exception when duplicate_object then null; end $$"
        )
        admin.execute("create role ext_owner login password 'ext_owner'")
        for name in ("ext_directory", "ext_oncomip"):
            admin.execute(f"create role {name} login password '{name}' in role passerelle_serving".encode())
            admin.execute(f"create database {name} owner ext_owner".encode())
            for role in (name, "ext_owner"):
                urls[f"{name}/{role}"] = f"postgresql://{role}:{role}@127.0.0.1:{postgres.port}/{name}"
    return urls


def test_a_region_runs_over_servers_that_are_not_ours(
    postgres: Postgres,
    valkey: Valkey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    urls = _prepared_by_the_administrator(postgres)
    networks = tmp_path / "networks"
    networks.mkdir()
    shutil.copy(ROOT / "tenants" / "oncomip.toml", networks)
    document = tmp_path / "document.xml"
    document.write_bytes(write(paper("external")))
    state = tmp_path / "state"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PASSERELLE_")} | {
        "PASSERELLE_STATE": str(state),
        "PASSERELLE_NETWORKS": str(networks),
        "PASSERELLE_DIRECTORY_URL": urls["ext_directory/ext_directory"],
        "PASSERELLE_DIRECTORY_OWNER_URL": urls["ext_directory/ext_owner"],
        "PASSERELLE_TENANT_ONCOMIP_URL": urls["ext_oncomip/ext_oncomip"],
        "PASSERELLE_TENANT_ONCOMIP_OWNER_URL": urls["ext_oncomip/ext_owner"],
        "PASSERELLE_BROKER_URL": valkey.url(5),
        "PASSERELLE_WEB_PROCESSES": "1",
    }
    port = StateFolder(state).port("web")
    StateFolder(state).port("issuer")
    log = (tmp_path / "serve.log").open("wb")
    serving = subprocess.Popen(
        [sys.executable, "-P", "-m", "passerelle_ops", "serve"], env=environment, cwd=tmp_path, stdout=log, stderr=log
    )
    try:

        def is_ready() -> bool:
            assert serving.poll() is None, (tmp_path / "serve.log").read_text()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=2) as answer:
                    return bool(answer.status == 200)
            except OSError:
                return False

        eventually(is_ready, "the gateway is ready")
        assert not (state / "postgres").exists()
        assert not (state / "valkey").exists()
        for name in environment.keys() - os.environ.keys():
            monkeypatch.setenv(name, environment[name])
        assert main(["ingest", str(document), "--tenant", "oncomip", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["totals"]["stored"] == 1
    finally:
        serving.terminate()
        serving.wait(SECONDS)
        log.close()
    with psycopg.connect(urls["ext_oncomip/ext_owner"]) as owner:
        assert owner.execute("select count(*) from document").fetchone() == (1,)
