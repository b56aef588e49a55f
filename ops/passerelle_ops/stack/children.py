"""One child of ours: started through `launch.py`, its output in a log, its end ours to order.

Start children only from a thread that lives as long as they should: to the kernel, the parent whose death
is signalled is the thread that forked (prctl(2), PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from passerelle_ops.stack.locks import hold
from passerelle_ops.stack.privileges import ITSELF, Identity

_LAUNCH = Path(__file__).with_name("launch.py")
LOG_BYTES = 10_000_000
LOG_KEPT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run and how to end it: `stop_signal` asks, SIGKILL follows after `stop_seconds`.

    `holds` is a file that it and its own children keep locked as long as one of them lives.
    """

    argv: Sequence[str]
    environment: Mapping[str, str] | None = None
    folder: Path | None = None
    holds: Path | None = None
    identity: Identity = ITSELF
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 20.0


class Child:
    """A running command. `kept_open` are descriptors it inherits: the lock of the state lives as long as it."""

    def __init__(self, command: Command, log: Path, kept_open: Sequence[int] = ()) -> None:
        self.command = command
        self.log = log
        self.started_at = time.monotonic()
        rotate(log)
        held = [descriptor] if command.holds and (descriptor := hold(command.holds)) is not None else []
        passed = [*kept_open, *held, *_death_pipe()]
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own commands
                [*_launcher(command), "--", *command.argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if command.environment is None else dict(command.environment),
                cwd=command.folder,
                start_new_session=True,
                pass_fds=passed,
            )
        for descriptor in held:
            os.close(descriptor)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code (negative: the signal that ended it), or None while it runs."""
        return self._process.poll()

    def ask_to_stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(self.command.stop_signal)

    def stop(self) -> int:
        """Ask, wait, insist; its exit code."""
        self.ask_to_stop()
        try:
            return self._process.wait(self.command.stop_seconds)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """End it and whatever it started in its session, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        return self._process.wait()

    def last_words(self, octets: int = 1500) -> str:
        """The end of its log."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - octets))
                return file.read().decode("utf-8", "replace")
        except OSError:
            return ""


def run(command: Command, log: Path, *, seconds: float = 120.0) -> tuple[int, str]:
    """Run a command to its end; its exit code and the end of its log."""
    child = Child(command, log)
    end = time.monotonic() + seconds
    while child.code is None:
        if time.monotonic() > end:
            child.kill()
        time.sleep(0.01)
    return child.code, child.last_words()


def rotate(log: Path, *, over: int = LOG_BYTES) -> None:
    """Copy a log aside and empty it when it has grown past `over`: its writer appends and keeps its descriptor."""
    try:
        if log.stat().st_size <= over:
            return
    except FileNotFoundError:
        return
    for number in range(LOG_KEPT - 1, 0, -1):
        older = log.with_name(f"{log.name}.{number}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number + 1}"))
    aside = log.with_name(f"{log.name}.1")
    aside.write_bytes(log.read_bytes())
    os.truncate(log, 0)


def _launcher(command: Command) -> list[str]:
    base = [sys.executable, "-I", "-S", str(_LAUNCH)]
    base += ["--parent", str(os.getpid()), "--signal", str(int(command.stop_signal))]
    identity = command.identity
    if identity.mode != "plain":
        base += ["--mode", identity.mode, "--uid", str(identity.uid), "--gid", str(identity.gid)]
    for pipe in _death_pipe():
        base += ["--watch", str(pipe)]
    return base


@cache
def _death_pipe() -> tuple[int, ...]:
    """Elsewhere than on Linux: the reading end of a pipe that only this process writes to, and never does."""
    if sys.platform == "linux" and not os.environ.get("PASSERELLE_DEATH_PIPE"):
        return ()
    reading, _writing = os.pipe()
    return (reading,)
