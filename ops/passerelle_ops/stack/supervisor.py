"""One foreground process that starts the others in order, restarts what falls, and stops all of it cleanly.

Order: PostgreSQL, Valkey, each once the one before is ready, then the processes given, side by side: none may need
another in order to be ready. The end runs backwards.
A process that ends by itself, a database server included, starts again after 0.5 s, then twice as long each
time, up to 30 s; a minute of life makes it new. Nothing outlives the supervisor, not even its SIGKILL.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from passerelle.kernel import messages
from passerelle.kernel.errors import Conflict
from passerelle_ops.stack.children import Child, Command, rotate
from passerelle_ops.stack.servers import Stack
from passerelle_ops.stack.state import StackInfo
from passerelle_ops.terminal import sentence

_FIRST_DELAY, _LONGEST_DELAY, _NEW_AFTER = 0.5, 30.0, 60.0
_START_ATTEMPTS = 3
_READY_TICK, _TICK, _ROTATE_EVERY = 0.03, 0.1, 30.0
_ONE_SIGNAL = 0.3  # what sends to us and to our group, as timeout(1) does, asks once

OnReady = Callable[[StackInfo], int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process to keep running. `may_start` says, before a restart, whether its place is clear."""

    name: str
    command: Command
    is_ready: Callable[[], bool] = lambda: True
    may_start: Callable[[], bool] = lambda: True
    start_seconds: float = 180.0  # on a busy machine a start takes over a minute


@dataclass(slots=True)
class _Start:
    process: Process
    child: Child
    falls: int = 0
    retry_at: float | None = None
    is_ready: bool = False


@dataclass(slots=True)
class _Watch:
    process: Process
    falls: int = 0
    due: float = 0.0
    is_down: bool = False


class Supervisor:
    """Keeps `processes` running over the servers of `stack`. `say` receives one French line per event."""

    def __init__(self, stack: Stack, processes: Sequence[Process], *, say: Callable[[str], None] | None = None) -> None:
        self._stack = stack
        self._processes = list(processes)
        self._say = say or (lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201 - the terminal
        self._watched: list[_Watch] = []
        self._signals: list[int] = []
        self._signalled_at = float("-inf")
        self._is_forced = False
        self._rotated_at = time.monotonic()

    def run(self, on_ready: OnReady | None = None) -> int:
        """Start everything, serve until SIGINT or SIGTERM, stop everything; the exit code.

        `on_ready`, once all is ready, runs in a thread of its own while the processes are kept running: when
        it returns a number, all stops and that is the exit code; None: serving goes on. What it raises comes
        out of here, after the stop. A process that cannot start: PROCESS_NOT_READY. Forced by a second signal:
        128 and its number.
        """
        errand = _Errand(on_ready)
        with self._signals_caught():
            try:
                if self._start():
                    errand.start(self._stack.publish())
                    while not self._signals and not errand.is_decisive:
                        self._keep()
                        time.sleep(_TICK)
            finally:
                self._stop()
        errand.join(5.0)
        if self._signals:
            return 128 + self._signals[-1] if errand.is_running or self._is_forced else 0
        return errand.outcome()

    def _start(self) -> bool:
        """False when a signal came meanwhile."""
        self._stack.start_servers()
        servers = [
            Process(name=each.name, command=each.command(), is_ready=each.is_ready, may_start=each.is_clear)
            for each in (self._stack.postgres, self._stack.valkey)
            if each is not None
        ]
        self._watched = [_Watch(each) for each in servers]
        starting = [_Start(process, self._stack.spawn(process.name, process.command)) for process in self._processes]
        while not self._signals and (waiting := [each for each in starting if not each.is_ready]):
            for each in waiting:
                self._look_at(each)
            time.sleep(_READY_TICK)
        self._watched += [_Watch(each) for each in self._processes]
        return not self._signals

    def _look_at(self, start: _Start) -> None:
        """Note that it is ready, or try it once more when it ended or took too long; PROCESS_NOT_READY after three."""
        process, child, now = start.process, start.child, time.monotonic()
        if start.retry_at is not None:
            if now >= start.retry_at:
                start.child, start.retry_at = self._stack.spawn(process.name, process.command), None
        elif child.code is None and process.is_ready():
            start.is_ready = True
        elif not self._signals and (child.code is not None or now - child.started_at > process.start_seconds):
            child.kill()
            start.falls += 1
            if start.falls == _START_ATTEMPTS:
                raise Conflict("PROCESS_NOT_READY", process=process.name, log=str(child.log)) from RuntimeError(
                    child.last_words()
                )
            start.retry_at = now + _FIRST_DELAY * 2 ** (start.falls - 1)

    def _keep(self) -> None:
        now = time.monotonic()
        for watch in self._watched:
            child = self._stack.children[watch.process.name]
            if not watch.is_down and child.code is not None:
                if now - child.started_at > _NEW_AFTER:
                    watch.falls = 0
                delay = min(_FIRST_DELAY * 2**watch.falls, _LONGEST_DELAY)
                watch.falls, watch.due, watch.is_down = watch.falls + 1, now + delay, True
                fields: dict[str, str | int] = {
                    "process": watch.process.name,
                    "code": child.code,
                    "seconds": f"{delay:g}",
                }
                self._say(messages.sentence("PROCESS_FELL", fields))
            if watch.is_down and now >= watch.due and watch.process.may_start():
                self._stack.spawn(watch.process.name, watch.process.command)
                self._stack.publish()
                watch.is_down = False
        if now - self._rotated_at > _ROTATE_EVERY:
            self._rotated_at = now
            for child in self._stack.children.values():
                rotate(child.log)

    def _stop(self) -> None:
        """Backwards, each asked and waited for; a second signal kills what is left."""
        if self._signals:
            self._say(sentence("STOPPING"))
        for name, child in reversed(self._stack.children.items()):
            child.ask_to_stop()
            end = time.monotonic() + child.command.stop_seconds
            while child.code is None and time.monotonic() < end and len(self._signals) < 2:
                time.sleep(0.02)
            if child.code is None:
                if len(self._signals) < 2:
                    self._say(messages.sentence("PROCESS_KILLED", {"process": name}))
                elif not self._is_forced:
                    self._is_forced = True
                    self._say(sentence("STOP_FORCED"))
                child.kill()
        self._stack.children.clear()

    @contextmanager
    def _signals_caught(self) -> Iterator[None]:
        """Note SIGINT and SIGTERM instead of dying from them (in the main thread, the only one that may)."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def note(number: int, _frame: FrameType | None) -> None:
            now = time.monotonic()
            if now - self._signalled_at > _ONE_SIGNAL:
                self._signals.append(number)
            self._signalled_at = now

        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Errand:
    """What `on_ready` is doing."""

    def __init__(self, on_ready: OnReady | None) -> None:
        self._on_ready = on_ready
        self._code: int | None = None
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def start(self, info: StackInfo) -> None:
        if self._on_ready is not None:
            self._thread = threading.Thread(target=self._run, args=(self._on_ready, info), daemon=True)
            self._thread.start()

    def _run(self, on_ready: OnReady, info: StackInfo) -> None:
        try:
            self._code = on_ready(info)
        except BaseException as error:  # noqa: BLE001 - it is raised again in `outcome`
            self._error = error

    @property
    def is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_decisive(self) -> bool:
        """Whether there is an outcome to stop for."""
        return not self.is_running and (self._code is not None or self._error is not None)

    def join(self, seconds: float) -> None:
        if self._thread is not None:
            self._thread.join(seconds)

    def outcome(self) -> int:
        if self._error is not None:
            raise self._error
        return self._code or 0
