"""The embedded servers: durable, alone on the loopback, behind passwords, under any account."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from passerelle.kernel.errors import Conflict
from passerelle_ops.settings import Settings
from passerelle_ops.stack.children import rotate
from passerelle_ops.stack.postgres import Postgres
from passerelle_ops.stack.privileges import Mode, database_identity
from passerelle_ops.stack.servers import Stack, servers
from passerelle_ops.stack.state import StateFolder

# An ordinary account has one way to run PostgreSQL, root two, of which the kernel may forbid the first.
MODES: tuple[Mode, ...] = (database_identity().mode, "nobody") if os.geteuid() == 0 else ("plain",)


@pytest.mark.parametrize("mode", sorted(set(MODES)))
def test_data_outlives_a_restart_below_a_private_folder(tmp_path: Path, mode: Mode) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    ports = []
    for statement in ("create table kept as select 42 as answer", "select answer from kept"):
        with Stack(private / "state", durable=False, mode=mode) as stack:
            ports.append(stack.start_servers().postgres_port)
            assert stack.postgres is not None
            with psycopg.connect(stack.postgres.url()) as connection:
                result = connection.execute(statement.encode())
                if result.description:
                    assert result.fetchone() == (42,)
    assert ports[0] == ports[1]
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert {path.relative_to(private).parts[0] for path in private.rglob("*")} == {"state"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes accounts")
def test_a_state_follows_a_change_of_mode(tmp_path: Path) -> None:
    for mode in (*MODES, *reversed(MODES)):
        with Stack(tmp_path / "state", durable=False, mode=mode) as stack:
            stack.start_servers()


def test_the_server_is_as_the_design_says(postgres: Postgres) -> None:
    with psycopg.connect(postgres.url()) as connection:

        def show(name: str) -> str:
            row = connection.execute(b"select current_setting(%s)", (name,)).fetchone()
            assert row is not None
            return str(row[0])

        assert int(show("server_version_num")) >= 170_000
        assert show("listen_addresses") == "127.0.0.1"
        assert show("unix_socket_directories") == ""
        assert show("password_encryption") == "scram-sha-256"
        assert show("data_checksums") == "on"
        methods = connection.execute("select distinct auth_method from pg_hba_file_rules").fetchall()
        assert methods == [("scram-sha-256",)]
        locale = connection.execute("select datlocprovider, datlocale from pg_database where datname = 'postgres'")
        assert locale.fetchone() == ("b", "C.UTF-8")


def test_the_log_holds_no_value_of_a_row(postgres: Postgres) -> None:
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("create temporary table person (ins text primary key)")
        for _ in range(2):
            try:
                connection.execute("insert into person values ('269054958815780')")
            except psycopg.errors.UniqueViolation:
                break
    log = postgres.log.read_text()
    assert "duplicate key" in log
    assert "269054958815780" not in log


def test_the_state_is_private(stack: Stack) -> None:
    for path in (stack.state.path, stack.state.path / "secrets"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    files = [*(stack.state.path / "secrets").iterdir(), stack.state.path / "stack.json"]
    assert len(files) > 2
    for path in (*files, stack.state.path / "valkey" / "valkey.conf"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_other_commands_find_the_servers_or_start_them_for_a_while(tmp_path: Path) -> None:
    with Stack(tmp_path / "state", durable=False) as stack:
        started = stack.start_servers()
        with servers(tmp_path / "state") as found:
            assert found == started
    assert StateFolder(tmp_path / "state").running() is None
    with servers(tmp_path / "state") as info:
        assert info.postgres_port == started.postgres_port
        assert StateFolder(tmp_path / "state").running() == info
    assert StateFolder(tmp_path / "state").running() is None


def test_a_port_that_was_taken_meanwhile_is_replaced(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "state")
    port = state.port("postgres")
    assert state.port("postgres") == port
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert state.port("postgres") != port


def test_external_servers_leave_nothing_to_embed(tmp_path: Path) -> None:
    settings = Settings(
        state=tmp_path / "state",
        directory_url=SecretStr("postgresql://directory.invalid/"),
        broker_url=SecretStr("redis://broker.invalid/"),
    )
    with Stack(settings.state, settings=settings) as stack:
        info = stack.start_servers()
        assert (info.postgres_port, info.valkey_port, info.pids) == (None, None, {})


def test_a_folder_without_postgresql_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSERELLE_PG_BINDIR", str(tmp_path))
    with pytest.raises(Conflict, match="PG_BINDIR_WRONG"), Stack(tmp_path / "state") as stack:
        stack.start_servers()


def test_an_interrupted_creation_is_done_again(tmp_path: Path) -> None:
    half_made = tmp_path / "state" / "postgres" / "data.new"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("17")
    with Stack(tmp_path / "state", durable=False) as stack:
        stack.start_servers()
    assert not half_made.exists()


def test_a_log_is_rotated_under_its_writer(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    with log.open("ab", buffering=0) as writer:
        for number in range(5):
            writer.write(b"%d" % number * 100)
            rotate(log, over=50)
    assert log.stat().st_size == 0
    assert [log.with_name(f"web.log.{number}").read_bytes()[:1] for number in (1, 2, 3)] == [b"4", b"3", b"2"]
    assert not log.with_name("web.log.4").exists()
