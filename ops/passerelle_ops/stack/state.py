"""The folder that `--state` names: secrets, ports, data, logs, and what is running.

state/                    0700, ours alone
├── stack.lock            held by the supervisor and by each of its children
├── stack.json            what runs where (0600); what other commands find the stack by
├── ports.json            the ports of last time, taken again when free
├── secrets/              one file for each secret (0600)
├── postgres/ valkey/     data of the embedded servers
├── contents/ keys/       the documents, and the tenants' keys
└── logs/
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from passerelle.kernel.errors import Conflict
from passerelle_ops.stack.locks import hold, is_held

ENDING_SECONDS = 90.0
"""How long the processes of a killed supervisor may take to end: nobody is left to insist (the longest, 60 s)."""
_PORTS = range(20_000, 32_000)  # below the ports that outgoing connections take


class StackInfo(BaseModel):
    """A running stack as other commands see it. Holds no secret."""

    model_config = ConfigDict(frozen=True)

    supervisor: int
    postgres_port: int | None = None  # None: the database servers are external
    valkey_port: int | None = None  # None: the broker is external
    ports: dict[str, int] = {}
    pids: dict[str, int] = {}
    state: str = ""

    def url(self, name: str) -> str:
        """The HTTP address of a process that listens: `web`, `issuer`. Refused with NOT_RUNNING."""
        if name not in self.ports:
            raise Conflict("NOT_RUNNING", folder=self.state)
        return f"http://127.0.0.1:{self.ports[name]}"


class StateFolder:
    """Everything the installation keeps. Refused with STATE_NOT_OURS when another account owns it.

    Looking at it writes nothing: the folder is made by what keeps something in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        if self.path.exists():
            self._is_ours()

    def _made(self) -> Path:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._is_ours()
        return self.path

    def _is_ours(self) -> None:
        if (owner := self.path.stat().st_uid) != os.geteuid():
            raise Conflict("STATE_NOT_OURS", owner=owner)

    def folder(self, name: str) -> Path:
        """A folder of the state, made at need."""
        folder = self._made() / name
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def secret(self, name: str) -> str:
        """The secret of that name, drawn the first time and kept."""
        file = self.folder("secrets") / name
        with contextlib.suppress(FileNotFoundError):
            return file.read_text("ascii")
        drawn = file.with_name(f".{name}.{os.getpid()}")
        _write_private(drawn, secrets.token_urlsafe(32))
        with contextlib.suppress(FileExistsError):  # another command drew it meanwhile: its secret holds
            file.hardlink_to(drawn)
        drawn.unlink()
        return file.read_text("ascii")

    def secrets(self, beginning: str) -> list[str]:
        """The names of the secrets that begin so and were drawn."""
        return sorted(file.name for file in (self.path / "secrets").glob(f"{beginning}*"))

    def port(self, name: str, preferred: int | None = None) -> int:
        """The port that `name` had last time, else `preferred`, else another; always one that is free now."""
        file = self._made() / "ports.json"
        try:
            known: dict[str, int] = json.loads(file.read_text("ascii"))
        except (FileNotFoundError, ValueError):
            known = {}
        others = {port for other, port in known.items() if other != name}
        wanted = [port for port in (known.get(name), preferred) if port]
        candidates = (*wanted, *random.sample(_PORTS, 200))
        port = next((each for each in candidates if each not in others and is_free(each)), None)
        if port is None:
            raise Conflict("NO_FREE_PORT", process=name)
        if known.get(name) != port:
            self.replace(file, json.dumps({**known, name: port}))
        return port

    def forget_port(self, name: str) -> None:
        """Have the next `port` pick another: someone took it between the choice and the start."""
        file = self.path / "ports.json"
        known: dict[str, int] = json.loads(file.read_text("ascii"))
        known.pop(name, None)
        self.replace(file, json.dumps(known))

    def replace(self, file: Path, text: str) -> None:
        """Write a private file whole or not at all."""
        new = file.with_name(f".{file.name}.{os.getpid()}")
        _write_private(new, text)
        new.replace(file)

    def publish(self, info: StackInfo) -> None:
        """Tell other commands what runs."""
        self.replace(self._made() / "stack.json", info.model_dump_json())

    def withdraw(self) -> None:
        (self.path / "stack.json").unlink(missing_ok=True)

    def running(self) -> StackInfo | None:
        """The stack that runs over this state, if one does."""
        try:
            info = StackInfo.model_validate_json((self.path / "stack.json").read_bytes())
        except (FileNotFoundError, NotADirectoryError, ValidationError):
            return None
        return info if is_alive(info.supervisor) and is_held(self.path / "stack.lock") else None

    def what_runs(self) -> StackInfo:
        """The stack that runs over this state. Refused with NOT_RUNNING, naming the folder."""
        if (info := self.running()) is None:
            raise Conflict("NOT_RUNNING", folder=str(self.path))
        return info

    @contextlib.contextmanager
    def locked(self, *, patience: float = ENDING_SECONDS) -> Iterator[int]:
        """Hold the state alone; the lock's descriptor, for children to hold it too.

        Waits for the last children of a supervisor that was killed; refused with STATE_IN_USE when one runs.
        """
        descriptor = self._take(patience)
        try:
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode("ascii"), 0)
            yield descriptor
        finally:
            os.close(descriptor)

    def _take(self, patience: float) -> int:
        file = self._made() / "stack.lock"
        end = time.monotonic() + patience
        while (descriptor := hold(file)) is None:
            holder = int(file.read_text("ascii") or "0")
            if is_alive(holder) or time.monotonic() > end:
                raise Conflict("STATE_IN_USE", pid=holder)
            time.sleep(0.05)
        return descriptor


def is_free(port: int) -> bool:
    """Whether one of ours could listen on that port of the loopback now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def is_alive(pid: int) -> bool:
    """Whether a process of that number runs (a zombie does not)."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        status = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return True
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
