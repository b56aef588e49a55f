"""Everything starts in order, what falls starts again, and nothing is left behind, whatever is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from passerelle_ops.settings import Settings
from passerelle_ops.stack.addresses import Addresses
from passerelle_ops.stack.privileges import database_identity
from passerelle_ops.stack.state import StackInfo, StateFolder, is_alive
from tests.running.house import ROOT, SECONDS, eventually

pytestmark = pytest.mark.timeout(900)


class Toy:
    """A supervisor in a process of its own, to be killed."""

    def __init__(
        self, state: Path, *words: str, prefix: tuple[str, ...] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        self.state = state
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "tests.running.toy", str(state), *words],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stderr=subprocess.PIPE,
            text=True,
        )

    def ready(self) -> StackInfo:
        """What runs, once the web server answers."""
        folder = StateFolder(self.state)

        def is_up() -> bool:
            assert self.process.poll() is None, self.process.stderr and self.process.stderr.read()
            info = folder.running()
            return info is not None and "shelf" in info.pids and _answers(info)

        eventually(is_up, "the toy is up")
        info = folder.running()
        assert info is not None
        return info

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS)


def _answers(info: StackInfo) -> bool:
    try:
        with urllib.request.urlopen(info.url("shelf"), timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def connect(state: Path) -> psycopg.Connection:
    return psycopg.connect(Addresses(Settings(state=state)).administrator_url(), autocommit=True)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all: each test starts over what the one before left."""
    return tmp_path_factory.mktemp("toys") / "state"


@pytest.fixture
def toys(state: Path) -> Iterator[Callable[..., Toy]]:
    """Makes toys over the state, and ends those that a failed test left."""
    made: list[Toy] = []

    def make(*words: str, **environment: str) -> Toy:
        made.append(Toy(state, *words, environment=environment))
        return made[-1]

    yield make
    for toy in made:
        if toy.process.poll() is None:
            toy.end()
        assert toy.process.stderr is not None
        toy.process.stderr.close()


def test_one_supervisor_has_a_state_and_sigterm_stops_all_of_it_cleanly(toys: Callable[..., Toy]) -> None:
    toy = toys()
    info = toy.ready()
    assert set(info.pids) == {"postgres", "valkey", "shelf"}
    second = toys()
    assert second.process.wait(SECONDS) == 1
    assert second.process.stderr is not None
    assert "STATE_IN_USE" in second.process.stderr.read()
    assert StateFolder(toy.state).running() == info
    assert toy.end() == 0
    assert not [pid for pid in info.pids.values() if is_alive(pid)]
    assert StateFolder(toy.state).running() is None
    assert "database system is shut down" in (toy.state / "logs" / "postgres.log").read_text()


def test_a_second_signal_forces_the_stop_and_says_so(toys: Callable[..., Toy]) -> None:
    toy = toys("deaf")
    info = toy.ready()
    assert "deaf" in info.pids
    assert toy.process.stderr is not None
    # At once, as timeout(1) asks us and our group: held back until both are there, however slow this machine is.
    for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
        toy.process.send_signal(number)
    assert toy.process.stderr.readline() == "Arrêt…\n"
    time.sleep(0.5)
    assert toy.process.poll() is None
    toy.process.send_signal(signal.SIGINT)
    assert toy.process.wait(SECONDS) == 130
    assert toy.process.stderr.read() == "Arrêt forcé à votre demande.\n"
    assert not [pid for pid in info.pids.values() if is_alive(pid)]


def test_sigkill_of_the_supervisor_leaves_no_orphan_and_the_data_is_there_again(toys: Callable[..., Toy]) -> None:
    toy = toys()
    info = toy.ready()
    with connect(toy.state) as connection:
        connection.execute("create table kept as select 42 as answer")
    toy.process.kill()
    toy.process.wait()
    again = toys()  # at once: it waits for the last of the old ones
    later = again.ready()
    assert not [pid for pid in info.pids.values() if is_alive(pid)]
    assert later.postgres_port == info.postgres_port
    with connect(toy.state) as connection:
        assert connection.execute("select answer from kept").fetchone() == (42,)
    assert again.end() == 0


def test_sigkill_of_everything_is_recovered_from(toys: Callable[..., Toy]) -> None:
    toy = toys()
    info = toy.ready()
    toy.process.send_signal(signal.SIGSTOP)
    for pid in info.pids.values():
        os.kill(pid, signal.SIGKILL)
    toy.process.kill()
    toy.process.wait()
    again = toys()
    again.ready()
    assert again.end() == 0


def test_whatever_falls_starts_again_with_its_data(toys: Callable[..., Toy]) -> None:
    toy = toys()
    info = toy.ready()
    with connect(toy.state) as connection:
        connection.execute("create table fell as select 42 as answer")
    for pid in info.pids.values():
        os.kill(pid, signal.SIGKILL)

    def all_new() -> bool:
        now = StateFolder(toy.state).running()
        return now is not None and not set(now.pids.values()) & set(info.pids.values()) and _answers(now)

    eventually(all_new, "every process is another one")

    def is_kept() -> bool:
        try:
            with connect(toy.state) as connection:
                return connection.execute("select answer from fell").fetchone() == (42,)
        except psycopg.OperationalError:
            return False

    eventually(is_kept, "the row is there")
    assert toy.end() == 0


@pytest.mark.parametrize(("word", "code", "said"), [("done", 7, ""), ("fall", 1, "the errand fell")])
def test_the_errand_decides_the_end(toys: Callable[..., Toy], word: str, code: int, said: str) -> None:
    toy = toys(word)
    assert toy.process.wait(SECONDS) == code
    assert toy.process.stderr is not None
    assert said in toy.process.stderr.read()


def test_a_process_that_does_not_start_is_named_and_the_rest_stops(toys: Callable[..., Toy]) -> None:
    toy = toys("stubborn")
    assert toy.process.wait(SECONDS) == 1
    assert toy.process.stderr is not None
    said = toy.process.stderr.read()
    assert "PROCESS_NOT_READY" in said
    assert "I will not" in said  # the cause, from its log
    assert StateFolder(toy.state).running() is None


def test_processes_start_side_by_side_and_stop_backwards(toys: Callable[..., Toy]) -> None:
    toy = toys("first")
    info = toy.ready()
    assert list(info.pids) == ["postgres", "valkey", "first", "shelf", "last"]
    assert toy.end() == 0
    assert not [pid for pid in info.pids.values() if is_alive(pid)]


def test_without_parent_death_signals_a_pipe_does_it(toys: Callable[..., Toy]) -> None:
    """As on macOS."""
    toy = toys(PASSERELLE_DEATH_PIPE="1")
    info = toy.ready()
    toy.process.kill()
    toy.process.wait()
    eventually(lambda: not [pid for pid in info.pids.values() if is_alive(pid)], "all are gone")


def test_an_ordinary_account_runs_it(tmp_path: Path) -> None:
    """Root runs this one as PostgreSQL's account, which owns the state; anyone else as himself."""
    identity = database_identity()
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    prefix: tuple[str, ...] = ()
    if identity.mode != "plain":
        os.chown(state, *identity.owner)
        launch = ROOT / "ops" / "passerelle_ops" / "stack" / "launch.py"
        prefix = (
            *(sys.executable, "-I", "-S", str(launch), "--parent", str(os.getpid()), "--signal", "15"),
            *("--mode", identity.mode, "--uid", str(identity.uid), "--gid", str(identity.gid), "--"),
        )
    toy = Toy(state, prefix=prefix)
    logs = state / "logs" / "shelf.log"
    eventually(lambda: toy.process.poll() is not None or (logs.exists() and "GET /" in logs.read_text()), "it is up")
    assert toy.end() == 0
    assert toy.process.stderr is not None
    toy.process.stderr.close()
