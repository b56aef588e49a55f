"""The ground of a measure: an installation of its own with one network of invented people, gone afterwards.

No setting of the environment reaches it, but for how many processes serve: a measure must not find the databases of a
real installation. On `dsn`
(a role that may create databases and roles) it makes two databases and a role with a name drawn for the occasion,
and drops them.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.conninfo import conninfo_to_dict
from rich.progress import Progress

from passerelle.identities.directory import Practice, Professional
from passerelle_ops.bench._population import Opening, Physician, Population
from passerelle_ops.installation import Installation
from passerelle_ops.settings import Settings
from passerelle_ops.stack.addresses import Addresses
from passerelle_ops.stack.servers import Stack
from passerelle_ops.stack.state import StackInfo
from passerelle_ops.stack.supervisor import Process, Supervisor
from passerelle_ops.terminal import progress
from passerelle_tenants.networks import Basin, DeclaredEstablishment, Network
from passerelle_tenants.onboarding import Site, prepare_database

TENANT: Final = "banc"
_OPENINGS: Final = "openings.json"
_KEPT: Final = frozenset({"PASSERELLE_PG_BINDIR", "PASSERELLE_WEB_PROCESSES"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much to build: patients, and how many different openings to ask in turn."""

    patients: int
    openings: int = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a measure works on, once everything runs. `journals`: who may read a journal of several hundred lines."""

    settings: Settings
    info: StackInfo
    openings: Sequence[Opening]
    physicians: Sequence[Physician]
    bar: Progress
    tenant: str = TENANT
    journals: Sequence[Opening] = ()

    @property
    def tenant_url(self) -> str:
        """The network's database, under its serving role."""
        return Addresses(self.settings, self.info).tenant_url(self.tenant)


def measured_on_ground(
    size: Size,
    dsn: str | None,
    processes: Callable[[Stack], Sequence[Process]],
    measure: Callable[[Ground], int],
) -> int:
    """Build the ground, run `processes` on it, measure, and take everything away; the exit code."""
    with bare_environment(), TemporaryDirectory(prefix="passerelle-bench-") as folder, progress() as bar:
        state = Path(folder) / "state"
        with databases_on(dsn), Stack(state) as stack:
            settings = stack.settings
            task = bar.add_task("Serveurs", total=1)
            info = stack.start_servers()
            bar.update(task, completed=1)
            population = Population(size.patients)
            asyncio.run(settle(settings, info, {TENANT: population}, bar))
            openings = population.openings(size.openings)
            write_openings(state, openings)
            running = processes(stack)

            def ready(info: StackInfo) -> int:
                return measure(
                    Ground(settings=settings, info=info, openings=openings, physicians=population.physicians, bar=bar)
                )

            return Supervisor(stack, running).run(ready)


def pids_of(info: StackInfo, name: str) -> list[int]:
    """The processes of that name, of which there may be several, numbered."""
    return [pid for each, pid in info.pids.items() if each == name or each.startswith(f"{name}-")]


def write_openings(state: Path, openings: Sequence[Opening]) -> None:
    """Leave the openings for the processes of a measure."""
    (state / _OPENINGS).write_text(json.dumps([asdict(each) for each in openings]), "ascii")


def read_openings(state: Path) -> list[Opening]:
    """What `write_openings` left."""
    return [Opening(**each) for each in json.loads((state / _OPENINGS).read_text("ascii"))]


@contextmanager
def bare_environment() -> Iterator[None]:
    """No setting of the environment, but for where PostgreSQL's binaries are and how many processes serve."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("PASSERELLE_")}
    for name in kept.keys() - _KEPT:
        del os.environ[name]
    try:
        yield
    finally:
        for name in [name for name in os.environ if name.startswith("PASSERELLE_")]:
            del os.environ[name]
        os.environ.update(kept)


@contextmanager
def databases_on(dsn: str | None, tenants: Sequence[str] = (TENANT,)) -> Iterator[None]:
    """Without `dsn`, those of the embedded server; else a database for each network, one for the directory and a role
    of our own on that one."""
    if dsn is None:
        yield
        return
    name = f"passerelle_bench_{secrets.token_hex(4)}"
    password = secrets.token_urlsafe(24)
    places = {"PASSERELLE_DIRECTORY": f"{name}_directory"}
    for number, tenant in enumerate(tenants):
        places[f"PASSERELLE_TENANT_{tenant.upper()}"] = f"{name}_tenant_{number}"
    try:
        for setting, database in places.items():
            os.environ[f"{setting}_OWNER_URL"] = url_on(dsn, database)
            os.environ[f"{setting}_URL"] = url_on(dsn, database, name, password)
            site = Site(
                owner_url=os.environ[f"{setting}_OWNER_URL"],
                serving_url=os.environ[f"{setting}_URL"],
                admin_url=dsn,
            )
            asyncio.run(prepare_database(site, lambda _: None))
        yield
    finally:
        with psycopg.connect(dsn, autocommit=True) as admin:
            for database in places.values():
                admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(database)))
            admin.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(name)))


def url_on(dsn: str, database: str, user: str | None = None, password: str | None = None) -> str:
    """The same server, another database; as another role when one is named."""
    from sqlalchemy import make_url

    given = conninfo_to_dict(dsn)
    url = make_url("postgresql://").set(
        host=str(given.get("host") or "127.0.0.1"),
        port=int(given.get("port") or 5432),
        username=user or str(given.get("user") or "postgres"),
        password=password or (str(given["password"]) if given.get("password") else None),
        database=database,
    )
    return url.render_as_string(hide_password=False)


def network(tenant: str, finess: Sequence[str]) -> Network:
    """A network of invented people with these establishments, where attending physicians read journals too."""
    return Network(
        id=tenant,
        name="Banc d'essai",
        is_test=True,
        parameters={"attending_physician.reads_journal": True},
        basins=(
            Basin(
                id=tenant,
                name="Banc d'essai",
                establishments=tuple(
                    DeclaredEstablishment(finess=each, name="Hôpital d'essai", category="SA01") for each in finess
                ),
            ),
        ),
    )


async def settle(settings: Settings, info: StackInfo, populations: Mapping[str, Population], bar: Progress) -> None:
    """Set a network up for each population, and fill its database."""
    installation = Installation(settings, info)
    try:
        await installation.prepare_directory()
        for tenant, population in populations.items():
            await installation.set_up(network(tenant, population.finess))
        await installation.directory.register_professionals(_professionals(populations))
        for tenant, population in populations.items():
            task = bar.add_task(
                f"Données ({population.documents:,} documents)".replace(",", " "), total=population.rows
            )
            owner_url = Addresses(settings, info).tenant_owner_url(tenant)
            async with await AsyncConnection.connect(owner_url) as connection:
                await population.fill(connection, lambda rows, task=task: bar.advance(task, rows))  # type: ignore[misc]
            bar.update(task, completed=population.rows)
    finally:
        await installation.close()


def _professionals(populations: Mapping[str, Population]) -> list[Professional]:
    """The same people, with a practice in each network."""
    practices: dict[str, list[Practice]] = {}
    for tenant, population in populations.items():
        for each in population.physicians:
            practices.setdefault(each.rpps, []).append(Practice(tenant_id=tenant, finess=each.finess))
    first = next(iter(populations.values()))
    return [
        Professional(
            rpps=each.rpps,
            family_name=each.family_name,
            given_name=each.given_name,
            profession="10",
            practices=tuple(practices[each.rpps]),
        )
        for each in first.physicians
    ]
