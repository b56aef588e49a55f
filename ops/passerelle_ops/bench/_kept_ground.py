"""A large ground, built once and kept between runs: two networks of different sizes, their journals deep.

It lies in `~/.cache/passerelle/bench` (`XDG_CACHE_HOME` moves it), by the digest of all that makes it (migrations,
invented people, month: documents must stay within the default window). Every run works on new copies of its databases:
what was built is never written to again. On a server of someone else's nothing is kept.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import psycopg
from psycopg import AsyncConnection, sql
from rich.progress import Progress

from passerelle_ops.bench import _bulk, _ground, _journals, _population
from passerelle_ops.bench._ground import TENANT, Ground, bare_environment, databases_on, network, settle
from passerelle_ops.bench._journals import deepen
from passerelle_ops.bench._population import OTHER_FINESS, Population
from passerelle_ops.installation import Installation
from passerelle_ops.stack.addresses import OWNER, Addresses, tenant_database
from passerelle_ops.stack.locks import is_held
from passerelle_ops.stack.servers import Stack
from passerelle_ops.stack.state import StackInfo
from passerelle_ops.stack.supervisor import Process, Supervisor
from passerelle_ops.terminal import progress

SMALL: Final = "petit"
_BUILT: Final = "built"
#: A quarter of the machine's memory, as PostgreSQL's own documentation advises for a server of its own.
_MEMORY_SHARE: Final = 4
_GIB: Final = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Patients of the large network and of the small one, different openings to ask in turn, deep journals."""

    patients: int = 200_000
    few: int = 5_100
    openings: int = 400
    journals: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """The same installation, by network."""

    large: Ground
    small: Ground
    stack: Stack


def measured_on_kept_ground(
    sizes: Sizes,
    dsn: str | None,
    processes: Callable[[Stack], Sequence[Process]],
    measure: Callable[[Grounds], int | None],
    *,
    cache: Path | None = None,
) -> int:
    """Build the ground or take the kept one, run `processes` on it, measure; the exit code."""
    populations = {
        TENANT: Population(sizes.patients),
        SMALL: Population(sizes.few, finess=OTHER_FINESS),
    }
    with (
        bare_environment(),
        progress() as bar,
        databases_on(dsn, tuple(populations)),
        _state(sizes, dsn, cache) as state,
    ):
        if dsn is None and not (state.parent / _BUILT).exists():
            _build(state, populations, sizes, bar)
        with Stack(state) as stack:
            task = bar.add_task("Serveurs", total=1)
            info = stack.start_servers()
            if dsn is None:
                _copy(stack, info, populations)
            else:
                asyncio.run(_fill(stack, info, populations, sizes, bar))
            bar.update(task, completed=1)
            running = processes(stack)

            def ready(info: StackInfo) -> int | None:
                grounds = {
                    tenant: Ground(
                        settings=stack.settings,
                        info=info,
                        openings=population.openings(sizes.openings),
                        physicians=population.physicians,
                        bar=bar,
                        tenant=tenant,
                        journals=population.attended(sizes.journals),
                    )
                    for tenant, population in populations.items()
                }
                return measure(Grounds(large=grounds[TENANT], small=grounds[SMALL], stack=stack))

            return Supervisor(stack, running).run(ready)


def _state(sizes: Sizes, dsn: str | None, cache: Path | None) -> AbstractContextManager[Path]:
    return _kept(sizes, cache or _cache()) if dsn is None else _passing()


@contextmanager
def _passing() -> Iterator[Path]:
    with TemporaryDirectory(prefix="passerelle-bench-") as folder:
        yield Path(folder) / "state"


@contextmanager
def _kept(sizes: Sizes, cache: Path) -> Iterator[Path]:
    """The state of that size; those of the same size that were made otherwise are taken away."""
    kind = f"{sizes.patients}-{sizes.few}-{sizes.journals}-"
    folder = cache / f"{kind}{_digest()}"
    for other in cache.glob(f"{kind}*"):
        if other != folder and not is_held(other / "state" / "stack.lock"):
            shutil.rmtree(other, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    yield folder / "state"


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "passerelle" / "bench"


def _digest() -> str:
    from passerelle_ops import migrations

    sources = [Path(str(each.__file__)) for each in (_bulk, _ground, _journals, _population)]
    sources += sorted(Path(str(migrations.__file__)).parent.rglob("*.py"))
    made_of = b"".join(each.read_bytes() for each in sources) + f"{datetime.now(UTC):%Y-%m}".encode()
    return sha256(made_of).hexdigest()[:12]


def _build(state: Path, populations: Mapping[str, Population], sizes: Sizes, bar: Progress) -> None:
    """Fill new databases on a server that may lose them, and put them aside under other names."""
    shutil.rmtree(state, ignore_errors=True)
    with Stack(state, durable=False) as stack:
        info = stack.start_servers()
        asyncio.run(_fill(stack, info, populations, sizes, bar))
        with _administrator(stack, info) as admin:
            for tenant in populations:
                database = tenant_database(tenant)
                admin.execute(_named("alter database {} rename to {}", database, _aside(database)))
            memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _MEMORY_SHARE // _GIB
            admin.execute(sql.SQL("alter system set shared_buffers = {}").format(f"{max(memory, 1)}GB"))
            admin.execute("alter system set max_wal_size = '4GB'")
            admin.execute("checkpoint")
    os.sync()
    (state.parent / _BUILT).touch()


async def _fill(
    stack: Stack, info: StackInfo, populations: Mapping[str, Population], sizes: Sizes, bar: Progress
) -> None:
    await settle(stack.settings, info, populations, bar)
    task = bar.add_task("Journaux", total=len(populations))
    for tenant, population in populations.items():
        owner_url = Addresses(stack.settings, info).tenant_owner_url(tenant)
        async with await AsyncConnection.connect(owner_url) as connection:
            await deepen(connection, population.attended(sizes.journals), population.physicians)
        bar.advance(task)


def _copy(stack: Stack, info: StackInfo, tenants: Mapping[str, Population]) -> None:
    """Take away what an earlier run left, and copy what was put aside."""
    with _administrator(stack, info) as admin:
        for tenant in tenants:
            database = tenant_database(tenant)
            admin.execute(_named("drop database if exists {} with (force)", database))
            admin.execute(_named("create database {} template {} strategy file_copy", database, _aside(database)))
            admin.execute(_named("alter database {} owner to {}", database, OWNER))
    asyncio.run(_admitted(stack, info, tenants))


async def _admitted(stack: Stack, info: StackInfo, tenants: Mapping[str, Population]) -> None:
    """Who may connect is not copied: `set_up` says it again."""
    installation = Installation(stack.settings, info)
    try:
        for tenant, population in tenants.items():
            await installation.set_up(network(tenant, population.finess))
    finally:
        await installation.close()


def _aside(database: str) -> str:
    return f"{database}_kept"


def _named(statement: str, *names: str) -> sql.Composed:
    return sql.SQL(statement).format(*map(sql.Identifier, names))


def _administrator(stack: Stack, info: StackInfo) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(Addresses(stack.settings, info).administrator_url(), autocommit=True)
