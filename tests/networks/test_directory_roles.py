"""A network's own role in the directory publishes that network's keys and addresses, and no other's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import insert, make_url, text
from sqlalchemy.exc import ProgrammingError

from passerelle.kernel.clock import SetClock
from passerelle.kernel.database import Database
from passerelle.kernel.errors import Conflict
from passerelle.kernel.merges import Merge
from passerelle_ops.stack.postgres import Postgres
from passerelle_tenants import addresses, merges
from passerelle_tenants.federation import keys
from passerelle_tenants.onboarding import Site, admit_to_directory
from passerelle_tenants.tables import tenant
from tests.builders import network
from tests.conftest import Cloned

ROLE = "only_essai"


@pytest.fixture
async def own(directory_database: Cloned, postgres: Postgres) -> AsyncIterator[Database]:
    """The directory under the role of the network `essai` alone."""
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        if admin.execute("select from pg_roles where rolname = %s", (ROLE,)).fetchone() is None:
            admin.execute(f"create role {ROLE} login password '{ROLE}' in role passerelle_serving".encode())
    await admit_to_directory(_site(directory_database), "essai", ROLE)
    url = make_url(directory_database.url).set(username=ROLE, password=ROLE)
    database = Database(url.render_as_string(hide_password=False))
    yield database
    await database.close()


def _site(directory: Cloned) -> Site:
    return Site(owner_url=directory.owner_url, serving_url=directory.url)


async def test_a_role_writes_the_keys_of_its_own_network_alone(
    own: Database, directory_database: Cloned, tmp_path_factory: pytest.TempPathFactory, clock: SetClock
) -> None:
    mine, theirs = (replace(network(own, tmp_path_factory.mktemp(each)), id=each) for each in ("essai", "autre"))
    installation = directory_database.database
    assert await keys.publish(mine, own, clock) == await keys.publish(theirs, installation, clock) == 1
    before = await _standing(installation)

    for act in (
        keys.publish(replace(mine, id="tiers"), own, clock),
        keys.rotate(theirs, own, clock, timedelta()),
    ):
        with pytest.raises(ProgrammingError, match="row-level security"):
            await act
    async with own.transaction() as connection:
        taken = await connection.execute(text("update tenant_key set tenant_id = 'essai' where tenant_id = 'autre'"))
        assert taken.rowcount == 0
    for forbidden in ("insert into tenant_role values ('only_essai', 'autre')", "delete from tenant_role"):
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with own.transaction() as connection:
                await connection.execute(text(forbidden))
    assert await _standing(installation) == before
    assert await keys.rotate(mine, own, clock, timedelta()) == 2


async def test_a_role_that_nobody_bound_publishes_nothing(
    own: Database, directory_database: Cloned, tmp_path_factory: pytest.TempPathFactory, clock: SetClock
) -> None:
    mine = replace(network(own, tmp_path_factory.mktemp("unbound")), id="essai")
    before = await _standing(directory_database.database)
    with psycopg.connect(directory_database.owner_url, autocommit=True) as owner:
        owner.execute("delete from tenant_role where role = %s", (ROLE,))
        with pytest.raises(ProgrammingError, match="row-level security"):
            await keys.publish(replace(mine, id="quarto"), own, clock)
        owner.execute("insert into tenant_role values (%s, 'essai')", (ROLE,))
    assert await _standing(directory_database.database) == before


async def test_a_role_names_its_own_network_alone(own: Database, directory_database: Cloned, clock: SetClock) -> None:
    installation = directory_database.database
    said = {"is_test": True, "settings": {}, "created_at": clock.now()}
    async with installation.transaction() as connection:
        await connection.execute(
            insert(tenant), [{"tenant_id": each, "name": each, **said} for each in ("essai", "autre")]
        )
    await addresses.rename(installation, "autre", "autrefois", clock.now())
    for name, address in (("autre", "ailleurs"), ("autre", "autrefois")):
        clock.advance(timedelta(seconds=1))
        with pytest.raises(ProgrammingError, match="row-level security"):
            async with own.transaction() as connection:
                await connection.execute(
                    text(
                        "insert into tenant_address values (:address, :name, :now)"
                        " on conflict (address) do update set since = excluded.since"
                    ),
                    {"address": address, "name": name, "now": clock.now()},
                )
    async with own.transaction() as connection:
        taken = await connection.execute(text("update tenant_address set tenant_id = 'essai'"))
        assert taken.rowcount == 0
    await addresses.rename(own, "essai", "nouveau", clock.now())

    # What it writes past `rename` about itself takes nobody's id.
    async with own.transaction() as connection:
        await connection.execute(text("insert into tenant_address values ('autre', 'essai', now())"))
    async with installation.transaction() as connection:
        held = {each: await addresses.holder(connection, each) for each in ("autre", "autrefois", "nouveau")}
    assert held == {"autre": "autre", "autrefois": "autre", "nouveau": "essai"}


async def test_a_role_ends_the_merge_of_its_own_network_alone(own: Database, directory_database: Cloned) -> None:
    enter = text("insert into tenant_merge values (:name, :into, now(), null)")
    async with directory_database.database.transaction() as connection:
        await connection.execute(enter, [{"name": "essai", "into": "autre"}, {"name": "tiers", "into": "autre"}])
    with pytest.raises(ProgrammingError, match="row-level security"):
        async with own.transaction() as connection:
            await connection.execute(enter, {"name": "autre", "into": "essai"})
    for name, done in (("tiers", False), ("essai", True)):
        await merges.end(own, name, datetime(2026, 11, 16, tzinfo=UTC))
        assert (await merges.recorded_merges(own))[name] == Merge(into="autre", is_done=done)


async def test_a_role_is_of_one_network_and_never_the_installation_s(own: Database, directory_database: Cloned) -> None:
    del own
    serving = str(make_url(directory_database.url).username)
    for tenant_id, role in (("autre", ROLE), ("essai", serving)):
        with pytest.raises(Conflict, match="DIRECTORY_ROLE_TAKEN"):
            await admit_to_directory(_site(directory_database), tenant_id, role)
    await admit_to_directory(_site(directory_database), "essai", ROLE)  # once more changes nothing


async def _standing(database: Database) -> list[tuple[object, ...]]:
    async with database.transaction() as connection:
        rows = await connection.execute(text("select * from tenant_key order by tenant_id, key_id"))
        return [tuple(row) for row in rows]
