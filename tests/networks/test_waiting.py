"""Before a process starts: are the databases where its version needs them."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import insert

from passerelle.kernel.clock import SetClock
from passerelle.kernel.errors import TryLater
from passerelle_ops.cli.migrate import migrate
from passerelle_ops.migrations.histories import TENANT, upgrade_tenant
from passerelle_ops.revisions import behind
from passerelle_ops.settings import Settings
from passerelle_tenants.tables import tenant as recorded
from tests.conftest import Cloned


@pytest.fixture
def settings(tenant_database: Cloned, directory_database: Cloned, tmp_path: Path) -> Settings:
    return Settings(
        state=tmp_path / "state",
        directory_url=SecretStr(directory_database.url),
        tenant_urls={"oncomip": SecretStr(tenant_database.url)},
    )


def stands_at(cloned: Cloned, revision: str) -> None:
    with psycopg.connect(cloned.owner_url) as owner:
        owner.execute("update alembic_version set version_num = %s", (revision,))


async def test_a_process_waits_for_what_is_behind_away_or_not_set_up(
    settings: Settings, tenant_database: Cloned, directory_database: Cloned, clock: SetClock
) -> None:
    assert behind(settings) == ["directory"]  # which does not know the network
    async with directory_database.database.transaction() as connection:
        row = {"tenant_id": "oncomip", "name": "Oncomip", "is_test": True, "settings": {}, "created_at": clock.now()}
        await connection.execute(insert(recorded).values(row))
    assert behind(settings) == []
    stands_at(tenant_database, "0001")
    assert behind(settings) == ["oncomip"]
    stands_at(tenant_database, "newer than this version")  # whose changes only add
    assert behind(settings) == []
    assert upgrade_tenant(tenant_database.owner_url) == TENANT.head()  # and nothing is done
    stands_at(tenant_database, TENANT.head())
    away = settings.model_copy(update={"tenant_urls": {"oncopl": SecretStr("postgresql://a:b@127.0.0.1:1/c")}})
    assert behind(away) == ["oncopl", "directory"]


def test_what_is_waited_for_in_vain_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PASSERELLE_DIRECTORY_URL", "postgresql://a:b@127.0.0.1:1/c")
    with pytest.raises(TryLater, match="DATABASES_BEHIND"):
        migrate(wait=0, state=tmp_path / "state")
