"""A whole installation: `passerelle serve` over one network, its web process and its worker."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from passerelle_ops.settings import Settings
from passerelle_ops.stack.addresses import Addresses
from passerelle_ops.stack.state import StackInfo, StateFolder, is_alive
from tests.running.house import ROOT, SECONDS, eventually

pytestmark = pytest.mark.timeout(900)


class Served:
    """The running command and its state."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(state=folder / "state")
        for name in ("web", "issuer"):  # not the usual ones, which another test may be taking
            StateFolder(self.settings.state).port(name)
        networks = folder / "networks"
        networks.mkdir()
        shutil.copy(ROOT / "tenants" / "oncomip.toml", networks)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "passerelle_ops", "serve", "--state", str(self.settings.state)],
            env={**os.environ, "PASSERELLE_NETWORKS": str(networks)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(lambda: "worker" in self.info().pids and self.answers("/health/ready"), "it serves")
        eventually((self.settings.state / "worker.ready").exists, "the worker listens")

    def info(self) -> StackInfo:
        assert self.process.poll() is None
        return StateFolder(self.settings.state).running() or StackInfo(supervisor=0)

    def answers(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(self.info().url("web") + path, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(Addresses(self.settings).tenant_owner_url("oncomip"), autocommit=True)

    def is_relayed(self) -> bool:
        try:
            with self.connect() as connection:
                row = connection.execute("select count(*) from outbox where relayed_at is null").fetchone()
        except psycopg.OperationalError:
            return False
        return row == (0,)

    def publish(self) -> None:
        with self.connect() as connection:
            connection.execute(
                "insert into outbox (event_id, name, patient_id, payload, at)"
                " values (gen_random_uuid(), 'house.bell_rang', gen_random_uuid(), '{}', now())"
            )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("served"))
    yield served
    served.process.send_signal(signal.SIGTERM)
    served.process.wait(SECONDS)


def test_the_worker_relays_what_the_outbox_holds(served: Served) -> None:
    served.publish()
    eventually(served.is_relayed, "the event is relayed")


@pytest.mark.parametrize("name", ["worker", "web", "valkey", "postgres"])
def test_whatever_is_killed_the_installation_goes_on(served: Served, name: str) -> None:
    before = served.info().pids[name]
    os.kill(before, signal.SIGKILL)
    eventually(lambda: served.info().pids[name] != before and served.answers("/health/ready"), f"{name} is back")
    eventually(lambda: _published(served), "the database takes events")
    eventually(served.is_relayed, "the event is relayed")


def _published(served: Served) -> bool:
    try:
        served.publish()
    except psycopg.OperationalError:
        return False
    return True


def test_the_broker_holds_ids_of_networks_and_nothing_else(served: Served) -> None:
    """A dump of what Celery sends: the two tasks, with no argument but the name of one and the id of a network."""
    aof = b"".join(path.read_bytes() for path in (served.settings.state / "valkey").rglob("*.aof"))
    assert b"turns.one" in aof
    assert b"house.bell_rang" not in aof


def test_logs_are_lines_of_json(served: Served) -> None:
    for name in ("web", "worker"):
        lines = (served.settings.state / "logs" / f"{name}.log").read_text().splitlines()
        assert json.loads(lines[0])["networks"] == ["oncomip"], name


def test_it_stops_cleanly_at_last(served: Served) -> None:
    info = served.info()
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(SECONDS) == 0
    assert not [pid for pid in info.pids.values() if is_alive(pid)]
