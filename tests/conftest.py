"""Ground of every test: a real PostgreSQL and a real Valkey, a set clock, and no way out of the machine.

    stack             the embedded servers of this pytest process (one for each xdist worker), not durable
    postgres, valkey  its two servers
    tenant_database   a migrated tenant database of this test module's own, opened under its serving role
    directory_database  the same for the directory
    clock             a clock that stands on Monday 16 November 2026, 10:00 in Paris, until a test moves it

Databases are cloned from one migrated template (0.1 s each); each has a role of its own, as in production.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

if TYPE_CHECKING:
    from passerelle.kernel.clock import SetClock
    from passerelle.kernel.database import Database
    from passerelle_ops.stack.postgres import Postgres
    from passerelle_ops.stack.servers import Stack
    from passerelle_ops.stack.valkey import Valkey

ROOT = Path(__file__).resolve().parents[1]
STRAY = sorted(
    str(each.relative_to(ROOT))
    for root in ("platform", "tenants", "graphql", "policies", "ops")
    for each in (ROOT / root).glob("*.py*")
)
if STRAY:
    raise pytest.UsageError(f"a Python file directly in a top folder shadows another library: {', '.join(STRAY)}")

# Thousands of tests in one process: what they load is gone through now and then, not every 700 objects.
gc.set_threshold(20_000, 20, 20)

_patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", _patient, max_examples=60, derandomize=True, database=None, print_blob=True)
settings.register_profile("deep", _patient, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

_numbers = count(1)


_FIRST = ("tests/running/", "tests/proofs/", "tests/journeys/", "tests/compiled/", "tests/gateway/")
# What is measured is the three lower floors, by their own tests: a tracer doubles the price of what goes through all.
_UNMEASURED = (*_FIRST, "tests/bench/", "tests/house/", "tests/subscriptions/")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also what is marked `long`")


def pytest_configure() -> None:
    """No setting of the person who runs the tests reaches them, but the choice of PostgreSQL binaries."""
    for name in [name for name in os.environ if name.startswith("PASSERELLE_") and name != "PASSERELLE_PG_BINDIR"]:
        del os.environ[name]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is tried example after example is not measured either: others pass the same lines. So do the slowest of the
    rest, which are marked where they stand.

    The files that take minutes begin (`ops/test` keeps this order), so that no worker waits for another at the end.
    """
    if not config.getoption("long"):
        left = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if not item.get_closest_marker("long")]
    items.sort(key=lambda item: not item.nodeid.startswith(_FIRST))
    for item in items:
        is_tried = isinstance(item, pytest.Function) and is_hypothesis_test(item.obj)
        if is_tried or item.nodeid.startswith(_UNMEASURED):
            item.add_marker("no_cover")


def pytest_collection_finish() -> None:
    """What collecting loaded is there to stay."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _loopback_only() -> Iterator[None]:
    """Whoever connects elsewhere than to this machine fails."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def refuse_elsewhere(sock: socket.socket, address: Any) -> None:
        if sock.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test connects to {address[0]}: only the loopback is open")

    def guarded(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(sock: socket.socket, address: Any) -> Any:
            refuse_elsewhere(sock, address)
            return original(sock, address)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(connect))
        patch.setattr(socket.socket, "connect_ex", guarded(connect_ex))
        yield


@pytest.fixture
def clock() -> SetClock:
    from passerelle.kernel.clock import SetClock

    return SetClock(datetime(2026, 11, 16, 9, 0, tzinfo=UTC))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    from passerelle_ops.stack.servers import Stack

    with Stack(tmp_path_factory.mktemp("stack") / "state", durable=False) as stack:
        stack.start_servers()
        yield stack


@pytest.fixture(scope="session")
def postgres(stack: Stack) -> Postgres:
    assert stack.postgres is not None
    return stack.postgres


@pytest.fixture(scope="session")
def valkey(stack: Stack) -> Valkey:
    assert stack.valkey is not None
    return stack.valkey


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloned:
    """A database of one test module: `database` under its serving role, and the DSNs of both its roles."""

    name: str
    url: str
    owner_url: str
    database: Database


@dataclass(frozen=True, slots=True)
class Template:
    """A migrated database to clone."""

    name: str
    postgres: Postgres

    def url(self, database: str, role: str) -> str:
        return f"postgresql://{role}:{role}@127.0.0.1:{self.postgres.port}/{database}"

    async def clone(self) -> AsyncIterator[Cloned]:
        """A copy with a serving role of its own; dropped afterwards."""
        from psycopg import AsyncConnection

        from passerelle.kernel.database import Database
        from passerelle_tenants.onboarding import Site, prepare_database

        name = f"{self.name}_{next(_numbers)}"
        admin = await AsyncConnection.connect(self.postgres.url(), autocommit=True)
        async with admin:
            # The name is ours; there are no parameters in this statement.
            await admin.execute(
                f"create database {name} template {self.name} strategy file_copy owner passerelle_owner".encode()
            )
        url, owner_url = self.url(name, f"serving_{name}"), self.url(name, "passerelle_owner")
        site = Site(owner_url=owner_url, serving_url=url, admin_url=self.postgres.url())
        await prepare_database(site, lambda _: None)
        database = Database(url)
        yield Cloned(name=name, url=url, owner_url=owner_url, database=database)
        await database.close()
        admin = await AsyncConnection.connect(self.postgres.url(), autocommit=True)
        async with admin:
            await admin.execute(f"drop database {name} with (force)".encode())


def _migrated(postgres: Postgres, name: str, migrate: Callable[[str], object]) -> Template:
    from passerelle_tenants.onboarding import Site, prepare_database

    template = Template(name, postgres)
    site = Site(
        owner_url=template.url(name, "passerelle_owner"),
        serving_url=template.url(name, f"serving_{name}"),
        admin_url=postgres.url(),
    )
    asyncio.run(prepare_database(site, migrate))
    return template


@pytest.fixture(scope="session")
def tenant_template(postgres: Postgres) -> Template:
    from passerelle_ops.migrations import upgrade_tenant

    return _migrated(postgres, "tenant", upgrade_tenant)


@pytest.fixture(scope="session")
def directory_template(postgres: Postgres) -> Template:
    from passerelle_ops.migrations import upgrade_directory

    return _migrated(postgres, "directory", upgrade_directory)


@pytest.fixture(scope="module")
async def tenant_database(tenant_template: Template) -> AsyncIterator[Cloned]:
    async for cloned in tenant_template.clone():
        yield cloned


@pytest.fixture(scope="module")
async def directory_database(directory_template: Template) -> AsyncIterator[Cloned]:
    async for cloned in directory_template.clone():
        yield cloned
