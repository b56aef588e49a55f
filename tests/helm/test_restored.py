"""A network is backed up by the job that the chart renders, lost, and brought back under that job's environment."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from passerelle_ops.cli import main
from passerelle_ops.demo.corpus.quirks import paper
from passerelle_ops.demo.corpus.write import write
from passerelle_ops.stack.postgres import Postgres
from passerelle_ops.stack.valkey import Valkey
from tests.helm.ground import laid, until

# `tests/backup` holds each promise of a restore, and `test_processes` that what is rendered runs.
pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]
NETWORK, PLACE = "oncomip", "s3://passerelle/backups"
UNKEPT = "select count(*) from narrowing where kept_at is null"
UNSEALED = "select (select count(*) from journal) - (select count(*) from journal_leaf)"


def test_a_network_that_is_lost_comes_back(postgres: Postgres, valkey: Valkey, tmp_path: Path) -> None:
    over = {"backup": {"destination": PLACE, "recipientSecret": "backup-key"}}
    shell = tmp_path / "bin" / "passerelle"
    shell.parent.mkdir()
    shell.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m passerelle_ops "$@"\n', "utf-8")
    shell.chmod(0o755)
    with laid(postgres, valkey, tmp_path, [NETWORK], **over) as ground:
        job, migrate, place = ground.pod("backup"), ground.pod("migrate"), str(tmp_path / "backups")
        key = tmp_path / "operator"
        assert main(["backup-key", str(key)]) == 0
        mounted = Path(job.here("/etc/passerelle/backup"))
        mounted.mkdir(parents=True, exist_ok=True)
        shutil.copy(f"{key}.pub", mounted / "backup.key.pub")
        migrate.start()
        migrate.does(migrate.running[-1])
        job.does(job.init("keys"))

        def run(*command: str) -> str:
            environment = job.environment(job.container)
            environment["PATH"] = f"{shell.parent}:{environment['PATH']}"
            here = [job.here(each).replace(PLACE, place) for each in command]
            done = subprocess.run(here, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            return done.stdout

        def asked(*words: str) -> Any:
            return json.loads(run("passerelle", *words, "--json"))

        def filed(name: str) -> None:
            document = tmp_path / f"{name}.xml"
            document.write_bytes(write(paper(name)))
            assert asked("ingest", str(document), "--tenant", NETWORK)["totals"]["stored"] == 1

        def kept() -> None:
            until(lambda: ground.rows(NETWORK, UNKEPT) == [(0,)], "the ledger has all of it")
            until(lambda: ground.rows(NETWORK, UNSEALED) == [(0,)], "the journal is sealed")

        serving = [ground.pod(f"{each}-{NETWORK}") for each in ("worker", "beat")]
        for pod in serving:
            pod.start("keys")
        filed("before")
        kept()
        run(*job.container["command"])
        ground.rows(NETWORK, "update document set masked = true returning 1")
        filed("since")
        kept()
        for pod in serving:
            pod.end()
        for pod in serving:
            pod.ended()

        told = ["--from", place, "--key", str(key)]
        with psycopg.connect(postgres.url(), autocommit=True) as admin:
            admin.execute(b"alter role helm_oncomip_owner createdb")
            rehearsed = asked("restore", "--tenant", NETWORK, *told, "--rehearse")
            assert (rehearsed["holds"], rehearsed["contents"]) == (True, 1)
            for lost in ("directory", NETWORK):
                admin.execute(f"drop database helm_{lost} with (force)".encode())
                admin.execute(f"create database helm_{lost} owner helm_{lost}_owner".encode())
        shutil.rmtree(job.here("/var/lib/passerelle/contents"))

        asked("restore", "--directory", *told)
        restored = asked("restore", "--tenant", NETWORK, *told)
        assert (restored["contents"], len(restored["loss"]["documents"])) == (1, 1)
        assert restored["replayed"]["changed"]["document"] == 1
        assert ground.rows(NETWORK, "select masked from document") == [(True,)]
        run("passerelle", "verify", "journal", "--tenant", NETWORK)
        run("passerelle", "verify", "contents", "--tenant", NETWORK)
