"""The web process: one server for each core, all listening on one port (`python -m passerelle_ops.web --port 8000`).

The leader loads everything, forks the servers and starts again those that fall; it serves nothing itself. Each server
has its own listening socket (SO_REUSEPORT, Linux): the kernel shares connections out by their addresses. With
`PASSERELLE_WEB_PROCESSES=1`, and elsewhere than on Linux unless told otherwise, there is one process and no leader.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import socket
import sys
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Final

import structlog
import uvicorn

from passerelle_graphql.limits import Limits
from passerelle_ops import logs
from passerelle_ops.asgi import create_app
from passerelle_ops.settings import Settings

# Longer than the longest operation: none is cut.
GRACE_SECONDS: Final = int(Limits().seconds) + 5
# Longer than proxies keep theirs (nginx: 60 s): a request that comes along as we close a connection is lost.
_KEEP_ALIVE_SECONDS: Final = 75
# Who came through the door as it closed, and whose request was not read yet, is still answered.
_LINGER_SECONDS: Final = 1.0
_A_TURN: Final = 0.01  # of the loop: whoever knocked is let in before the door closes
_TICK: Final = 0.05
_FIRST_DELAY, _LONGEST_DELAY, _NEW_AFTER = 0.5, 30.0, 60.0
_FALLS: Final = 3  # before anything served: whoever supervises us is told
_MESSAGE_BYTES: Final = 262_144
_log = structlog.get_logger("passerelle.web")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    settings = Settings()
    # What is loaded is there to stay: it is neither gone through nor, after a fork, copied.
    gc.collect()
    gc.freeze()
    count = processes(settings)
    if count == 1:
        _Server(given.host, given.port, ready=None, said=settings.ready_file).run_until_told()
    else:
        with ExitStack() as kept:
            if settings.metrics and settings.metrics_folder is None:
                # The servers read their settings themselves.
                folder = kept.enter_context(TemporaryDirectory(prefix="passerelle-counted-"))
                os.environ["PASSERELLE_METRICS_FOLDER"] = folder
            code = _Leader(given.host, given.port, count, settings.ready_file).run()
        sys.exit(code)


def processes(settings: Settings) -> int:
    """How many serve: as the installation says, else one for each core that we may use."""
    if settings.web_processes is not None:
        return settings.web_processes
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


class _Server(uvicorn.Server):
    """One server on a socket of its own; says on `ready` (a pipe) or by a file that it listens."""

    def __init__(self, host: str, port: int, *, ready: int | None, said: Path | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                create_app,
                factory=True,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,  # nothing here asks where a request comes from
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
                ws_max_size=_MESSAGE_BYTES,
                ws_per_message_deflate=False,
            )
        )
        self._address = host, port
        self._ready = ready
        self._said = said
        self._lingers = min(_LINGER_SECONDS, Settings().drain_seconds)

    def run_until_told(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        host, port = self._address
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self._ready is not None:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listening.bind((host, port))
            self.run(sockets=[listening])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await asyncio.sleep(_A_TURN)
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        await asyncio.sleep(self._lingers)
        await super().shutdown()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self._ready is not None:
            os.write(self._ready, b".")
        if self._said is not None:
            self._said.touch()


@dataclass(slots=True)
class _Place:
    """One of the servers: its pid while it runs, and when to start it again."""

    pid: int | None = None
    started_at: float = 0.0
    falls: int = 0
    due: float = 0.0


class _Leader:
    """Keeps `count` servers running; says so by a file once all of them listen."""

    def __init__(self, host: str, port: int, count: int, said: Path | None) -> None:
        self._host, self._port = host, port
        self._places = [_Place() for _ in range(count)]
        self._said = said
        self._signals = 0
        self._listening = 0
        self._ready, self._tell_ready = os.pipe()
        os.set_blocking(self._ready, False)
        # Nothing is ever written here: its end is that of the leader, however it comes.
        self._alive, self._held = os.pipe()

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)
        while not self._signals:
            for place in self._places:
                if place.pid is None and time.monotonic() >= place.due:
                    self._start(place)
            self._look()
            if not self._listening and any(each.falls >= _FALLS for each in self._places):
                self._stop()
                return 1
            time.sleep(_TICK)
        self._stop()
        return 0

    def _start(self, place: _Place) -> None:
        place.started_at = time.monotonic()
        place.pid = os.fork()
        if place.pid == 0:
            self._serve()

    def _serve(self) -> None:
        """In a server: never returns."""
        code = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.close(self._held)
            os.close(self._ready)
            threading.Thread(target=_end_with, args=(self._alive,), daemon=True).start()
            _Server(self._host, self._port, ready=self._tell_ready).run_until_told()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        except BaseException as error:  # noqa: BLE001 - told without its text, which may quote a setting
            _log.error("fell", **logs.place(error))
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _look(self) -> None:
        """Note who listens and who fell."""
        with suppress(BlockingIOError):
            self._listening += len(os.read(self._ready, 64))
        if self._listening >= len(self._places) and self._said is not None:
            self._said.touch()
            self._said = None
        now = time.monotonic()
        for place in self._places:
            if place.pid is not None and os.waitpid(place.pid, os.WNOHANG)[0]:
                place.falls = 0 if now - place.started_at > _NEW_AFTER else place.falls
                place.due = now + min(_FIRST_DELAY * 2**place.falls, _LONGEST_DELAY)
                place.falls, place.pid = place.falls + 1, None

    def _stop(self) -> None:
        """Ask every server and wait; those that are asked twice do not finish what they do."""
        told = 0
        while any(each.pid is not None for each in self._places):
            if told <= self._signals:
                told = self._signals + 1
                for place in self._places:
                    if place.pid is not None:
                        os.kill(place.pid, signal.SIGTERM)
            self._look()
            time.sleep(_TICK)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1


def _end_with(pipe: int) -> None:
    """End this process at once when the leader's end of the pipe closes."""
    os.read(pipe, 1)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
