"""Setting a network up: everything once, again changes nothing, and a lost key is never drawn anew."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from passerelle.identities.directory import Directory
from passerelle.kernel.clock import SetClock
from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle.kernel.key_place import KeyPlace
from passerelle_ops.migrations import upgrade_tenant
from passerelle_ops.stack.postgres import Postgres
from passerelle_tenants.networks import Network
from passerelle_tenants.onboarding import Site, Step, admit, make_shut, onboard
from passerelle_tenants.registry import Premises, Registry, recorded_networks
from tests.conftest import Cloned


def network(id_: str = "essai", *, is_test: bool = True, finess: str = "310783055") -> Network:
    return Network.model_validate(
        {
            "id": id_,
            "name": f"Réseau {id_}",
            "is_test": is_test,
            "parameters": {"documents.page_size_default": 20},
            "ingest": {"opens_dossier": True},
            "basins": [{"id": "centre", "name": "Centre", "establishments": [{"finess": finess, "name": "Hôpital"}]}],
        }
    )


@pytest.fixture
async def directory(directory_database: Cloned) -> Directory:
    return Directory(directory_database.database)


class Ground:
    """Where one network is to be set up."""

    def __init__(self, postgres: Postgres, folder: Path, directory: Directory, clock: SetClock, name: str) -> None:
        role = f"serving_{name}"
        self.url = f"postgresql://{role}:{role}@127.0.0.1:{postgres.port}/{name}"
        self.site = Site(
            owner_url=f"postgresql://passerelle_owner:passerelle_owner@127.0.0.1:{postgres.port}/{name}",
            serving_url=self.url,
            admin_url=postgres.url(),
        )
        self.keys_path = folder / f"{name}.key"
        self.folder, self.directory, self.clock = folder, directory, clock
        self.steps: list[Step] = []

    async def set_up(self, declared: Network) -> bool:
        return await onboard(
            declared,
            self.site,
            keys=KeyPlace(self.keys_path),
            directory=self.directory,
            migrate=upgrade_tenant,
            clock=self.clock,
            on_step=self.steps.append,
        )

    def premises(self, tenant_id: str) -> Premises:
        return Premises(
            database_url=self.url,
            contents_url=(self.folder / "contents" / tenant_id).as_uri(),
            keys=KeyPlace(self.keys_path),
        )


@pytest.fixture
def ground(
    request: pytest.FixtureRequest,
    postgres: Postgres,
    tenant_template: object,
    tmp_path: Path,
    directory: Directory,
    clock: SetClock,
) -> Ground:
    return Ground(postgres, tmp_path, directory, clock, f"onboarding_{abs(hash(request.node.name)) % 10**8}")


async def test_a_network_is_set_up_once_and_serves(ground: Ground) -> None:
    declared = network()

    assert await ground.set_up(declared) is True
    key = ground.keys_path.read_bytes()
    assert ground.steps == list(Step)
    assert await ground.set_up(declared) is False  # running it again finds all done
    assert ground.keys_path.read_bytes() == key
    assert (await recorded_networks(ground.directory.database))["essai"] == declared
    found = await ground.directory.establishment("310783055")
    assert found is not None
    assert (found.tenant_id, found.basin) == ("essai", "Centre")

    registry = Registry({"essai": declared}, ground.premises)
    tenant = await registry.tenant("essai")
    assert tenant is await registry.tenant("essai")
    assert (tenant.is_test, tenant.opens_dossier) == (True, True)
    assert tenant.parameters == {"documents.page_size_default": 20}
    async with tenant.database.transaction() as connection:
        assert not connection.closed
    with pytest.raises(InvalidInput, match="TENANT_UNKNOWN"):
        await registry.tenant("ailleurs")
    await registry.close()


async def test_a_key_that_is_gone_is_not_drawn_anew(ground: Ground) -> None:
    declared = network("perdu", finess="310000310")
    await ground.set_up(declared)
    ground.keys_path.unlink()

    with pytest.raises(Conflict) as refused:
        await ground.set_up(declared)

    assert refused.value.code == "KEY_FILE_LOST"
    assert not ground.keys_path.exists()


async def test_what_was_interrupted_is_finished_by_running_it_again(ground: Ground) -> None:
    declared = network("coupe", finess="810000505")

    def stop(step: Step) -> None:
        if step is Step.DIRECTORY:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await onboard(
            declared,
            ground.site,
            keys=KeyPlace(ground.keys_path),
            directory=ground.directory,
            migrate=upgrade_tenant,
            clock=ground.clock,
            on_step=stop,
        )
    key = ground.keys_path.read_bytes()

    assert await ground.set_up(declared) is True
    assert ground.keys_path.read_bytes() == key


async def test_a_real_network_does_not_become_a_test_one(ground: Ground) -> None:
    await ground.set_up(network("reel", is_test=False, finess="120000039"))

    with pytest.raises(Conflict, match="TENANT_TEST_FLAG_FIXED"):
        await ground.set_up(network("reel", is_test=True, finess="120000039"))

    assert not (await recorded_networks(ground.directory.database))["reel"].is_test


async def test_an_establishment_of_another_network_is_not_taken(ground: Ground, postgres: Postgres) -> None:
    await ground.set_up(network("premier", finess="460000110"))
    other = Ground(postgres, ground.folder, ground.directory, ground.clock, "onboarding_second")

    with pytest.raises(Conflict, match="ESTABLISHMENT_ELSEWHERE") as refused:
        await other.set_up(network("second", finess="460000110"))

    assert "premier" in refused.value.message
    assert "retirez-le" in refused.value.message
    assert other.steps == []
    assert not other.keys_path.exists()
    with psycopg.connect(postgres.url()) as connection:
        left = "select datname from pg_database where datname = %(name)s union all"
        left += " select rolname from pg_roles where rolname = 'serving_' || %(name)s"
        assert connection.execute(left.encode(), {"name": "onboarding_second"}).fetchall() == []
    assert "second" not in await recorded_networks(ground.directory.database)
    found = await ground.directory.establishment("460000110")
    assert found is not None
    assert found.tenant_id == "premier"


async def test_a_network_set_up_meanwhile_is_found_without_a_restart(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: dict[str, Network] = {}

    addresses: dict[str, str] = {}

    async def reload() -> tuple[dict[str, Network], dict[str, str]]:
        return known, addresses

    monkeypatch.setattr("passerelle_tenants.registry._RELOAD_SECONDS", 0.0)
    registry = Registry({}, ground.premises, reload=reload)
    with pytest.raises(InvalidInput, match="TENANT_UNKNOWN"):
        await registry.tenant("neuf")
    declared = network("neuf", finess="320000086")
    await ground.set_up(declared)
    known["neuf"] = declared

    assert (await registry.tenant("neuf")).name == "Réseau neuf"
    with pytest.raises(InvalidInput, match="TENANT_UNKNOWN"):
        await registry.tenant("renomme")
    addresses["renomme"] = "neuf"
    assert await registry.tenant("renomme") is await registry.tenant("neuf")
    await registry.close()


async def test_the_serving_role_is_a_plain_one(ground: Ground, postgres: Postgres) -> None:
    await ground.set_up(network("sobre", finess="650000417"))

    with psycopg.connect(postgres.url()) as connection:
        row = connection.execute(
            "select rolsuper, rolcreatedb, rolcreaterole, rolbypassrls, rolreplication from pg_roles"
            " where rolname = %s",
            (ground.url.split("//")[1].split(":")[0],),
        ).fetchone()
    assert row == (False, False, False, False, False)


async def test_whoever_was_in_a_database_is_out_once_it_is_shut(ground: Ground) -> None:
    await make_shut(ground.site)
    await admit(ground.site)
    with psycopg.connect(ground.url, autocommit=True) as inside:
        inside.execute("select")
        await make_shut(ground.site)
        with pytest.raises(psycopg.OperationalError):
            inside.execute("select")
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(ground.url)
    await admit(ground.site)
    psycopg.connect(ground.url).close()
