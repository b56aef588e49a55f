"""The commands: everything lost, the directory and a network brought back by what was left outside."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from psycopg import AsyncConnection

from passerelle_ops.backup import directory
from passerelle_ops.cli import main
from passerelle_ops.installation import Installation
from passerelle_ops.settings import Settings
from passerelle_ops.stack.postgres import Postgres
from tests.conftest import Cloned
from tests.running.one_network import one_network


async def test_everything_lost_comes_back(
    tenant_database: Cloned,
    directory_database: Cloned,
    postgres: Postgres,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    key, place = str(tmp_path / "operator"), str(tmp_path / "backups")
    with_key, sealed_to = ("--from", place, "--key", key), ("--to", place, "--recipient", f"{key}.pub")

    async def ran(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = await asyncio.to_thread(main, [*arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    async with one_network(tenant_database, directory_database, tmp_path):
        assert (await ran("backup-key", key))[0] == 0
        code, out, _ = await ran("backup", "--tenant", "oncomip", *sealed_to, "--json")
        assert (code, json.loads(out)["ledger"]["changes"]) == (0, 0)
        code, out, _ = await ran("backup", "--directory", *sealed_to)
        assert code == 0
        assert "faite" in out
        assert (await ran("backup", *sealed_to))[0] == 2
        assert (await ran("token", "revoke", "--jti", "n1", "--issuer", "https://issuer.test"))[0] == 0
        installation = Installation(Settings())
        written = await directory.keep(
            installation.directory.database, directory.ledger_of(installation), installation.clock
        )
        await installation.close()
        assert written > 0
        code, _, err = await ran("restore", "--tenant", "oncomip", *with_key)
        assert (code, "[RESTORE_NOT_EMPTY]" in err) == (4, True)
        code, _, err = await ran("restore", "--tenant", "oncomip", *with_key, "--rehearse")
        assert (code, "[REHEARSAL_DATABASE_REFUSED]" in err) == (4, True)

        async with await AsyncConnection.connect(postgres.url(), autocommit=True) as admin:
            await admin.execute("alter role passerelle_owner createdb")
            code, out, _ = await ran("restore", "--tenant", "oncomip", *with_key, "--rehearse")
            await admin.execute("alter role passerelle_owner nocreatedb")
            assert (code, "≠" in out, "se restaure" in out) == (0, False, True)
            for lost in (tenant_database, directory_database):
                await lost.database.close()
                await admin.execute(f"drop database {lost.name} with (force)".encode())
                await admin.execute(f"create database {lost.name} owner passerelle_owner".encode())
        await asyncio.to_thread(shutil.rmtree, tmp_path / "state" / "contents", ignore_errors=True)

        code, out, _ = await ran("restore", "--directory", *with_key, "--json")
        assert (code, json.loads(out)["replayed"]["changed"]["token_revocation"]) == (0, 1)
        code, out, _ = await ran("restore", "--tenant", "oncomip", *with_key, "--json")
        assert (code, json.loads(out)["loss"]["documents"]) == (0, [])
        assert (await ran("tenant", "list", "--json"))[0] == 0
        assert (await ran("verify", "journal", "--tenant", "oncomip"))[0] == 0
        assert (await ran("tenant", "create", "oncomip"))[0] == 0
        # What was brought back by other means: the ledger alone.
        code, out, _ = await ran("restore", "--tenant", "oncomip", "--ledger-only")
        assert code == 0
        assert "Aucun document n’est perdu" in out
        code, out, _ = await ran("backup-prune", "--directory", "--from", place, "--key", key, "--json")
        assert (code, json.loads(out)["archives"], json.loads(out)["done"]) == (0, [], False)
