"""The web process: a server for each core behind one port, and none that outlives its leader."""

from __future__ import annotations

import http.client
import multiprocessing
import os
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError

import pytest

from passerelle_ops.settings import Settings
from passerelle_ops.stack.state import is_alive
from passerelle_ops.web import processes
from tests.conftest import Cloned
from tests.running import web_process
from tests.running.house import AT_ONCE, eventually

_LOADED = multiprocessing.get_context("forkserver")


class Web:
    """`passerelle_ops.web` over a directory without networks, in a process of its own."""

    def __init__(self, port: int, folder: Path, **environment: str) -> None:
        self.url = f"http://127.0.0.1:{port}/health/ready"
        self.said = folder / "web.ready"
        self.log = folder / "web.log"
        given = {"PASSERELLE_STATE": str(folder), "PASSERELLE_READY_FILE": str(self.said), **environment}
        self.process = _LOADED.Process(target=web_process.run, args=(port, given, str(self.log)))
        self.process.start()

    def end(self, seconds: float) -> int | None:
        """Wait for its end; the exit code."""
        self.process.join(seconds)
        return self.process.exitcode

    def tell_to_end(self) -> None:
        """As whoever supervises it does."""
        self.process.terminate()

    def servers(self) -> set[int]:
        """The pids of what the leader started and that still runs."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return {int(each) for each in children.read_text().split()}

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url, timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False


@pytest.fixture
def start(tmp_path: Path, directory_database: Cloned, free_port: int) -> Iterator[Callable[..., Web]]:
    _LOADED.set_forkserver_preload(["passerelle_ops.web"])
    started: list[Web] = []

    def begin(**environment: str) -> Web:
        given = {
            "PASSERELLE_DIRECTORY_URL": directory_database.url,
            "PASSERELLE_BROKER_URL": "redis://127.0.0.1:1/0",
            "PASSERELLE_ISSUER": "http://127.0.0.1:1",
            **environment,
        }
        started.append(Web(free_port, tmp_path, **given))
        return started[-1]

    yield begin
    for each in started:
        each.process.kill()
        each.process.join()


@pytest.fixture
def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def test_a_server_that_falls_is_started_again_while_the_others_answer(start: Callable[..., Web]) -> None:
    web = start(PASSERELLE_WEB_PROCESSES="2")
    eventually(web.said.exists, "both listen")
    before = web.servers()
    assert len(before) == 2

    os.kill(min(before), signal.SIGKILL)

    eventually(lambda: len(web.servers() - before) == 1, "another took its place")
    eventually(web.answers, "it answers")
    assert max(before) in web.servers()

    last = web.servers()
    web.tell_to_end()
    assert web.end(60) == 0
    assert not [each for each in last if is_alive(each)]


def test_no_server_outlives_its_leader(start: Callable[..., Web]) -> None:
    web = start(PASSERELLE_WEB_PROCESSES="2")
    eventually(web.said.exists, "both listen")
    servers = web.servers()

    web.process.kill()
    web.process.join()

    eventually(lambda: not [each for each in servers if is_alive(each)], "they ended with it")


def test_alone_there_is_no_leader(start: Callable[..., Web]) -> None:
    web = start(PASSERELLE_WEB_PROCESSES="1")
    eventually(web.said.exists, "it listens")

    assert web.answers()
    assert not web.servers()
    web.tell_to_end()
    assert web.end(60) in (0, -signal.SIGTERM), "as uvicorn ends"


def test_one_that_is_told_to_stop_serves_on_and_lets_its_clients_go(start: Callable[..., Web], free_port: int) -> None:
    """Until its time is over, or it is told again. Under a leader, which passes on what it is told."""
    web = start(PASSERELLE_WEB_PROCESSES="2", PASSERELLE_DRAIN_SECONDS="300")
    eventually(web.said.exists, "both listen")
    kept = http.client.HTTPConnection("127.0.0.1", free_port, timeout=10)

    def asked(path: str) -> tuple[int, str | None]:
        kept.request("GET", path)
        with kept.getresponse() as answer:
            answer.read()
            return answer.status, answer.headers["connection"]

    assert asked("/health/ready") == (200, None)
    web.tell_to_end()
    eventually(lambda: asked("/health/ready") == (503, "close"), "it says that it goes", every=AT_ONCE)
    assert kept.sock is None, "the connection ended with the answer"
    assert asked("/nowhere") == (404, "close"), "another is still served"
    idle = http.client.HTTPConnection("127.0.0.1", free_port, timeout=10)
    idle.connect()
    web.tell_to_end()
    assert web.end(60) == 0
    with pytest.raises(ConnectionRefusedError):
        asked("/health/live")
    idle.close()


def test_what_cannot_start_says_so_and_ends(start: Callable[..., Web]) -> None:
    web = start(PASSERELLE_WEB_PROCESSES="2", PASSERELLE_ISSUER="")
    began = time.monotonic()

    assert web.end(120) == 1

    assert not web.said.exists()
    assert "ISSUER_MISSING" in web.log.read_text()
    assert time.monotonic() - began > 1, "tried again"


def test_there_are_as_many_as_cores_unless_it_is_said(tmp_path: Path) -> None:
    assert processes(Settings(state=tmp_path)) == len(os.sched_getaffinity(0))
    assert processes(Settings(state=tmp_path, web_processes=3)) == 3
