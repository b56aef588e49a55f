"""The stack of one state folder: the servers it embeds, and the lock that makes it ours alone.

```python
with Stack(Path("state")) as stack:                    # locks the state; STATE_IN_USE when a stack runs there
    stack.start_servers()                              # PostgreSQL and Valkey, unless settings name external ones
    migrate(stack.postgres.url("postgres"))            # whatever must happen before the first request
    code = Supervisor(stack, [web(stack), worker(stack)]).run()
```
Leaving the block stops what still runs, in the reverse order of its start.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from passerelle.kernel.errors import Conflict
from passerelle_ops.settings import Settings
from passerelle_ops.stack.children import Child, Command
from passerelle_ops.stack.postgres import Postgres
from passerelle_ops.stack.privileges import Mode
from passerelle_ops.stack.state import StackInfo, StateFolder, is_free
from passerelle_ops.stack.valkey import Valkey

_START_SECONDS = 180.0  # PostgreSQL may have a crash to recover from
_ATTEMPTS = 3


class Stack:
    """The servers over one state folder. Start it from a thread that outlives it (see `children`).

    `durable=False` is for tests and benches; `mode` forces how PostgreSQL leaves root (tests).
    """

    def __init__(
        self, state: Path, *, durable: bool = True, settings: Settings | None = None, mode: Mode | None = None
    ) -> None:
        self.state = StateFolder(state)
        self.settings = settings or Settings(state=self.state.path)
        self.postgres: Postgres | None = None
        self.valkey: Valkey | None = None
        self.children: dict[str, Child] = {}
        self.ports: dict[str, int] = {}
        self._durable = durable
        self._mode: Mode | None = mode
        self._exit = ExitStack()
        self._lock = -1

    def __enter__(self) -> Self:
        self._lock = self._exit.enter_context(self.state.locked())
        self._exit.enter_context(_terms_unwind())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            self.state.withdraw()
            self._exit.close()

    def start_servers(self) -> StackInfo:
        """Start what settings do not place elsewhere and wait until it answers."""
        if self.settings.directory_url is None and self.postgres is None:
            self.postgres = Postgres(self.state, durable=self._durable, mode=self._mode, bindir=self.settings.pg_bindir)
            self._start_server(self.postgres)
        if self.settings.broker_url is None and self.valkey is None:
            self.valkey = Valkey(self.state, durable=self._durable)
            self._start_server(self.valkey)
        return self.publish()

    def port(self, name: str, preferred: int | None = None) -> int:
        """A free port of the loopback for a process of that name, the same as last time where possible."""
        self.ports[name] = self.state.port(name, preferred)
        return self.ports[name]

    def spawn(self, name: str, command: Command) -> Child:
        """Start a process that ends with us and keeps the state locked as long as it lives."""
        child = Child(command, self.state.folder("logs") / f"{name}.log", kept_open=[self._lock])
        self.children[name] = child
        return child

    def publish(self) -> StackInfo:
        """Write what runs where to `stack.json`."""
        info = StackInfo(
            supervisor=os.getpid(),
            postgres_port=self.postgres.port if self.postgres else None,
            valkey_port=self.valkey.port if self.valkey else None,
            ports=dict(self.ports),
            pids={name: child.pid for name, child in self.children.items()},
            state=str(self.state.path),
        )
        self.state.publish(info)
        return info

    def stop(self) -> None:
        """Stop everything, last started first; the state stays locked until the block is left."""
        while self.children:
            _name, child = self.children.popitem()
            child.stop()

    def _start_server(self, server: Postgres | Valkey) -> None:
        for _attempt in range(_ATTEMPTS):
            server.prepare()
            child = self.spawn(server.name, server.command())
            if wait_until_ready(child, server.is_ready, _START_SECONDS):
                return
            del self.children[server.name]
            taken = child.code is not None and not is_free(server.port)
            child.kill()
            if not taken:
                break
            self.state.forget_port(server.name)
        raise Conflict("PROCESS_NOT_READY", process=server.name, log=str(child.log)) from RuntimeError(
            child.last_words()
        )


def wait_until_ready(
    child: Child, is_ready: Callable[[], bool], seconds: float, *, until: Callable[[], bool] = lambda: False
) -> bool:
    """Wait until `is_ready()`; False when the child ended first, time ran out or `until()` came true."""
    end = time.monotonic() + seconds
    while child.code is None and time.monotonic() < end and not until():
        if is_ready():
            return True
        time.sleep(0.03)
    return False


@contextmanager
def _terms_unwind() -> Iterator[None]:
    """Let SIGTERM and SIGHUP leave by the way of an exception, so that blocks are left in order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def servers(state: Path, settings: Settings | None = None) -> Iterator[StackInfo]:
    """The servers of a state for the time of a block: those that run, else started for it and stopped after."""
    if (running := StateFolder(state).running()) is not None:
        yield running
        return
    with Stack(state, settings=settings) as stack:
        yield stack.start_servers()
