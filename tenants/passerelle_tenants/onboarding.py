"""Setting a network up: its database and role, its schema, its keys, its line in the directory.

Every step finds out what is done already, so that an interrupted onboarding is finished by running it again. The
directory line comes last: a network that has one has had its key, and a key that is gone is never drawn anew
over contents that only the old one opens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import LiteralString

from psycopg import AsyncConnection, errors, sql
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.identities.directory import Directory, Establishment
from passerelle.kernel.clock import Clock
from passerelle.kernel.errors import Conflict
from passerelle.kernel.key_place import KeyPlace
from passerelle.kernel.keys import Keys
from passerelle_tenants.networks import Network
from passerelle_tenants.tables import tenant

SERVING_GROUP = "passerelle_serving"
# Roles and databases belong to the whole cluster: two onboardings take turns.
_CLUSTER_LOCK = 5_083_711


class Step(StrEnum):
    """What onboarding is doing."""

    DATABASE = "database"
    SCHEMA = "schema"
    KEYS = "keys"
    DIRECTORY = "directory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One database: its DSN under the role that owns it, and under the role that serves.

    `admin_url` names a role that may create databases and roles; without one, both stand already.
    """

    owner_url: str
    serving_url: str
    admin_url: str | None = None


async def prepare_database(site: Site, migrate: Callable[[str], object]) -> None:
    """Make the database and its two roles where they are missing, migrate it, let only its own role connect."""
    if site.admin_url is not None:
        await _create(site, site.admin_url)
    await asyncio.to_thread(migrate, site.owner_url)
    await admit(site)


async def admit_to_directory(directory: Site, tenant_id: str, role: str) -> None:
    """Let a network's own role into the directory, bound to that network: it publishes no other's keys there.

    Refused: DIRECTORY_ROLE_TAKEN when it is the installation's role, or another network's.
    """
    if role == conninfo_to_dict(directory.serving_url)["user"]:
        raise Conflict("DIRECTORY_ROLE_TAKEN", role=role)
    connection = await AsyncConnection.connect(directory.owner_url)
    async with connection:  # bound and let in at once, or neither
        bound = await connection.execute(
            "insert into tenant_role (role, tenant_id) values (%s, %s)"
            " on conflict (role) do update set role = excluded.role returning tenant_id",
            (role, tenant_id),
        )
        if await bound.fetchone() != (tenant_id,):
            raise Conflict("DIRECTORY_ROLE_TAKEN", role=role)
        database = sql.Identifier(str(conninfo_to_dict(directory.owner_url)["dbname"]))
        await connection.execute(sql.SQL("grant connect on database {} to {}").format(database, sql.Identifier(role)))


async def make_shut(site: Site) -> None:
    """Make a database and its two roles where they are missing, and let nobody in but the role that owns it: what is
    put into it serves nobody until `admit`. Who was in is put out; without `admin_url`, processes are to be stopped."""
    if site.admin_url is not None:
        await _create(site, site.admin_url)
    await _grant(site, "revoke connect on database {} from {}")
    if site.admin_url is not None:
        await _put_out(site, site.admin_url)


async def admit(site: Site) -> None:
    """Let a network's own serving role connect to its database, and nobody else but the owner. The one of the directory
    is the installation's: it writes for all networks there, unless it is bound to one."""
    await _grant(site, "grant connect on database {} to {}")
    connection = await AsyncConnection.connect(site.owner_url, autocommit=True)
    async with connection:
        found = await connection.execute("select to_regclass('tenant_role') is not null")
        if await found.fetchone() == (True,):
            role = conninfo_to_dict(site.serving_url)["user"]
            await connection.execute(
                "insert into tenant_role (role, tenant_id) values (%s, '*') on conflict (role) do nothing", (role,)
            )


async def onboard(
    network: Network,
    site: Site,
    *,
    keys: KeyPlace,
    directory: Directory,
    migrate: Callable[[str], object],
    clock: Clock,
    on_step: Callable[[Step], None] = lambda _: None,
) -> bool:
    """Set a network up, or finish or refresh it; true when it is new. Safe to run again at any time.

    Refused: KEY_FILE_LOST when the network was set up before and its key file is gone (restore it);
    TENANT_TEST_FLAG_FIXED when a real network would become a test one or the reverse; ESTABLISHMENT_ELSEWHERE,
    before anything is made.
    """
    known = await _recorded(directory, network.id)
    if known is not None and known != network.is_test:
        raise Conflict("TENANT_TEST_FLAG_FIXED", tenant=network.id)
    if known is not None and not await asyncio.to_thread(keys.exists):
        raise Conflict("KEY_FILE_LOST", tenant=network.id, file=keys.name)
    await refuse_taken(network, directory)
    on_step(Step.DATABASE)
    if site.admin_url is not None:
        await _create(site, site.admin_url)
    on_step(Step.SCHEMA)
    await asyncio.to_thread(migrate, site.owner_url)
    await admit(site)
    on_step(Step.KEYS)
    await asyncio.to_thread(_ensure_keys, keys)
    on_step(Step.DIRECTORY)
    await directory.register_establishments(
        [
            Establishment(
                finess=each.finess, name=each.name, basin=basin.name, tenant_id=network.id, category=each.category
            )
            for basin, each in network.establishments()
        ]
    )
    await _record(directory, network, clock)
    return known is None


async def refuse_taken(network: Network, directory: Directory) -> None:
    """Refused with ESTABLISHMENT_ELSEWHERE when another network that is set up holds one of its establishments."""
    for _, declared in network.establishments():
        found = await directory.establishment(declared.finess)
        if found is not None and found.tenant_id != network.id:
            raise Conflict("ESTABLISHMENT_ELSEWHERE", finess=found.finess, network=found.tenant_id)


async def _create(site: Site, admin_url: str) -> None:
    owner, serving = conninfo_to_dict(site.owner_url), conninfo_to_dict(site.serving_url)
    admin = conninfo_to_dict(admin_url)
    connection = await AsyncConnection.connect(admin_url, autocommit=True)
    async with connection:
        await connection.execute("select pg_advisory_lock(%s)", (_CLUSTER_LOCK,))
        await _ensure_role(connection, SERVING_GROUP, None)
        if owner["user"] != admin["user"]:
            await _ensure_role(connection, str(owner["user"]), str(owner["password"]))
        await _ensure_role(connection, str(serving["user"]), str(serving["password"]))
        await connection.execute(
            sql.SQL("grant {} to {}").format(sql.Identifier(SERVING_GROUP), sql.Identifier(str(serving["user"])))
        )
        name = str(owner["dbname"])
        found = await connection.execute("select 1 from pg_database where datname = %s", (name,))
        if await found.fetchone() is None:
            await connection.execute(
                sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(str(owner["user"])))
            )


async def _ensure_role(connection: AsyncConnection, name: str, password: str | None) -> None:
    role = sql.Identifier(name)
    try:
        await connection.execute(sql.SQL("create role {} nologin").format(role))
    except (errors.DuplicateObject, errors.UniqueViolation):
        if password is None:
            return
    if password is not None:
        await connection.execute(
            sql.SQL("alter role {} login nosuperuser nocreatedb nocreaterole nobypassrls password {}").format(
                role, sql.Literal(password)
            )
        )


async def _grant(site: Site, serving_role: LiteralString) -> None:
    database = sql.Identifier(str(conninfo_to_dict(site.owner_url)["dbname"]))
    serving = sql.Identifier(str(conninfo_to_dict(site.serving_url)["user"]))
    connection = await AsyncConnection.connect(site.owner_url, autocommit=True)
    async with connection:
        await connection.execute(sql.SQL("revoke connect, temporary on database {} from public").format(database))
        await connection.execute(sql.SQL(serving_role).format(database, serving))


async def _put_out(site: Site, admin_url: str) -> None:
    """End the sessions of the serving role there; each has five seconds to be gone."""
    held = (conninfo_to_dict(site.owner_url)["dbname"], conninfo_to_dict(site.serving_url)["user"])
    connection = await AsyncConnection.connect(admin_url, autocommit=True)
    async with connection:
        await connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s and usename = %s", held
        )


def _ensure_keys(place: KeyPlace) -> None:
    if not place.exists():
        try:
            Keys.create(place)
        except Conflict:
            # Another onboarding drew it in between: its key holds.
            Keys.load(place)
        return
    Keys.load(place)


async def _recorded(directory: Directory, tenant_id: str) -> bool | None:
    """The `is_test` of a network that has its line; null without one."""
    async with directory.database.transaction() as connection:
        return await connection.scalar(select(tenant.c.is_test).where(tenant.c.tenant_id == tenant_id))


async def _record(directory: Directory, network: Network, clock: Clock) -> None:
    settings = network.model_dump(mode="json")
    async with directory.database.transaction() as connection:
        await connection.execute(
            upsert(tenant)
            .values(
                tenant_id=network.id,
                name=network.name,
                is_test=network.is_test,
                settings=settings,
                created_at=clock.now(),
            )
            .on_conflict_do_nothing()
        )
        await connection.execute(
            update(tenant).where(tenant.c.tenant_id == network.id).values(name=network.name, settings=settings)
        )
