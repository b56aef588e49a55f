"""`passerelle tenant rotate-key`: what wraps the keys of a network's records, changed while it serves."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import LargeBinary

from passerelle.kernel import key_rotation, metadata
from passerelle.kernel.errors import TryLater
from passerelle.kernel.keys import Keys
from passerelle_ops.cli import main
from passerelle_ops.wrapping_keys import HELD
from tests.conftest import Cloned
from tests.running.one_network import one_network

_RECORDS = [UUID(int=number) for number in range(1, 8)]
_AWAITED = (
    "select 1 from pg_locks join pg_database on pg_database.oid = database"
    " where datname = current_database() and mode = 'ShareRowExclusiveLock' and not granted"
)
_SAID, _ERASED, _BROKEN = UUID(int=90), UUID(int=91), UUID(int=92)


class Ground:
    """One network whose key file, records and words are at hand; `keys` is what a process that runs has of it."""

    def __init__(self, owner_url: str, folder: Path) -> None:
        self.owner_url = owner_url
        self.file = folder / "state" / "keys" / "oncomip.key"
        self.kept = folder / "kept.key"
        self.keys = Keys.load(self.file)

    def records(self) -> dict[UUID, bytes]:
        with psycopg.connect(self.owner_url) as owner:
            found = owner.execute("select patient_id, wrapped_key from dossier where wrapped_key is not null")
            return {patient_id: bytes(wrapped) for patient_id, wrapped in found}

    def said(self) -> bytes:
        with psycopg.connect(self.owner_url) as owner:
            row = owner.execute("select payload from federation_out where kind = 'recourse'").fetchone()
        assert row is not None
        assert "\n" not in row[0]["key"]
        return base64.b64decode(row[0]["key"])

    def opened(self) -> dict[UUID, bytes]:
        found = {**self.records(), _SAID: self.said()}
        found.pop(_BROKEN, None)
        return {owner: self.opens(owner, wrapped) for owner, wrapped in found.items()}

    def opens(self, owner: UUID, wrapped: bytes) -> bytes:
        return self.keys.dossier_key("oncomip", owner, wrapped).content_key(b"salt", b"binding")


@pytest.fixture(scope="module")
async def ground(
    tenant_database: Cloned, directory_database: Cloned, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ground]:
    """Seven records, one that was erased, and a word that is owed to another network."""
    folder = tmp_path_factory.mktemp("rotated")
    async with one_network(tenant_database, directory_database, folder):
        found = Ground(tenant_database.owner_url, folder)
        with psycopg.connect(tenant_database.owner_url) as owner:
            for patient_id in _RECORDS:
                owner.execute(
                    "insert into dossier (patient_id, state, wrapped_key) values (%s, 'open', %s)",
                    (patient_id, found.keys.new_dossier_key("oncomip", patient_id)),
                )
            owner.execute("insert into dossier (patient_id, state) values (%s, 'purged')", (_ERASED,))
            key = base64.b64encode(found.keys.new_dossier_key("oncomip", _SAID)).decode()
            for kind, payload in (
                ("recourse", {"word": "lent", "referral": str(_SAID), "sealed": "AAAA", "key": key}),
                ("other", {"key": "no base64 at all"}),
            ):
                owner.execute(
                    "insert into federation_out (to_tenant, kind, object_id, patient_id, priority, version, since,"
                    " next_attempt_at, payload) values ('oncopl', %s, %s, %s, 0, 1, now(), now(), %s)",
                    (kind, _SAID, UUID(int=0), json.dumps(payload)),
                )
        yield found


async def _run(*words: str) -> int:
    return await asyncio.to_thread(main, ["tenant", "rotate-key", "oncomip", *words])


async def _told(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    assert await _run(*words, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_no_place_where_keys_lie_wrapped_is_forgotten() -> None:
    columns = {
        each.name
        for each in metadata.tenant.tables.values()
        if any("key" in column.name and isinstance(column.type, LargeBinary) for column in each.columns)
    }
    assert {each.table.name for each in HELD} == columns | {"federation_out"}


async def test_keys_are_wrapped_anew_while_a_process_serves_and_the_former_version_leaves_last(
    ground: Ground, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, wrapped = ground.opened(), ground.records()
    assert await _run() != 0  # nothing was prepared
    assert await _told(capsys, "--prepare") == {"network": "oncomip", "version": 2}
    assert await _run("--retire", str(ground.kept)) != 0  # it does not wrap yet
    assert ground.records() == wrapped

    # Cut off after the second batch: what was done stays done, and all opens.
    writes = 0
    write = key_rotation.WrappedKeys.write

    async def cut_off(self: key_rotation.WrappedKeys, *said: Any) -> None:
        nonlocal writes
        writes += 1
        if writes > 2:
            raise TryLater("DATABASE_AWAY", retry_after=1)
        await write(self, *said)

    with monkeypatch.context() as patch:
        patch.setattr(key_rotation, "BATCH", 2)
        patch.setattr(key_rotation.WrappedKeys, "write", cut_off)
        assert await _run() != 0
    assert sorted(each[0] for each in ground.records().values()) == [1, 1, 1, 2, 2, 2, 2]
    assert ground.opened() == before

    # Not before nothing is under the former: neither the file nor the copy changes.
    held = ground.file.read_bytes()
    capsys.readouterr()
    assert await _run("--retire", str(ground.kept)) != 0
    assert "(4)" in capsys.readouterr().err
    assert (ground.file.read_bytes(), ground.kept.exists()) == (held, False)

    assert await _told(capsys) == {"network": "oncomip", "version": 2, "rewrapped": 4, "unopened": 0}
    assert {each[0] for each in ground.records().values()} == {ground.said()[0]} == {2}
    assert ground.opened() == before

    # Who wrapped under the former and has not committed is waited for, and counts.
    with psycopg.connect(ground.owner_url) as late:
        one = _RECORDS[0]
        late.execute("update dossier set wrapped_key = %s where patient_id = %s", (wrapped[one], one))
        retiring = asyncio.create_task(_run("--retire", str(ground.kept)))
        with psycopg.connect(ground.owner_url, autocommit=True) as watching:
            while not watching.execute(_AWAITED).fetchone():
                assert not retiring.done()
                await asyncio.sleep(0.02)
    assert await retiring != 0
    assert (ground.file.read_bytes(), ground.kept.exists()) == (held, False)
    assert (await _told(capsys))["rewrapped"] == 1

    assert (await _told(capsys, "--retire", str(ground.kept)))["version"] == 2
    assert ground.kept.read_bytes() == held
    assert ground.kept.stat().st_mode & 0o777 == 0o600
    assert list(json.loads(ground.file.read_bytes())["wrapping"]) == ["2"]

    # Who had wrapped a key under the former before all this, and comes with it only now.
    with psycopg.connect(ground.owner_url) as late, pytest.raises(psycopg.errors.SerializationFailure):
        late.execute("update dossier set wrapped_key = %s where patient_id = %s", (wrapped[one], one))
    with psycopg.connect(ground.owner_url) as late, pytest.raises(psycopg.errors.SerializationFailure):
        late.execute(
            "update federation_out set payload = jsonb_set(payload, '{key}', to_jsonb(%s::text))"
            " where kind = 'recourse'",
            (base64.b64encode(wrapped[one]).decode(),),
        )
    ground.keys = Keys.load(ground.file)
    assert ground.opened() == before


async def test_a_key_that_does_not_open_stays_and_keeps_the_former_version(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(ground.owner_url) as owner:
        altered = ground.keys.new_dossier_key("oncomip", _ERASED)  # of another record
        owner.execute(
            "insert into dossier (patient_id, state, wrapped_key) values (%s, 'open', %s)", (_BROKEN, altered)
        )
    before = ground.opened()
    await _told(capsys, "--prepare")
    capsys.readouterr()
    assert await _run() == 1
    assert "verify contents" in capsys.readouterr().out
    assert ground.records()[_BROKEN] == altered
    assert ground.opened() == before
    assert await _run("--retire", str(ground.kept.with_name("other.key"))) != 0


async def test_each_step_is_journalled(ground: Ground) -> None:
    with psycopg.connect(ground.owner_url) as owner:
        lines = owner.execute(
            "select facts ->> 'reason' from journal where kind = 'exchange' and rule = 'exchange-operator'"
        ).fetchall()
    assert {reason for (reason,) in lines} == {
        "une clé d'enveloppe nouvelle est préparée",
        "la clé d'enveloppe préparée est mise en service",
        "l'ancienne clé d'enveloppe est retirée",
    }


async def test_what_signs_is_changed_by_two_steps(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    async def run(*words: str) -> Any:
        capsys.readouterr()
        done = await asyncio.to_thread(main, ["tenant", *words, "--json"])
        return json.loads(capsys.readouterr().out) if done == 0 else done

    former = (await run("show", "oncomip"))["key_id"]
    assert await run("rotate-sealing", "oncomip") == 4  # nothing was prepared
    ready = await run("rotate-sealing", "oncomip", "--prepare")
    assert (await run("show", "oncomip"))["key_id"] == former
    assert await run("rotate-sealing", "oncomip") == ready == {"network": "oncomip", "key_id": ready["key_id"]}
    assert (await run("show", "oncomip"))["key_id"] == ready["key_id"] != former
