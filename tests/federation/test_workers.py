"""Two networks, each with a worker of its own, over a real broker: whatever is killed or emptied, all of it arrives."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
import redis
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from passerelle.kernel.keys import Keys
from passerelle_ops.settings import Settings
from passerelle_ops.stack.addresses import Addresses
from passerelle_ops.stack.children import Command
from passerelle_ops.stack.one_tenant import environment_of_one
from passerelle_ops.stack.servers import Stack
from passerelle_tenants.locator_key import FILE_NAME, LocatorKey
from passerelle_tenants.registry import declared_folder, read_network
from tests.conftest import Cloned, Template
from tests.federation.exchange import PATIENT, NoteWritten
from tests.running.house import AT_ONCE, ROOT, eventually

pytestmark = pytest.mark.timeout(600)
HERE, THERE = "oncomip", "oncopl"
_QUICK = {"federation.retry_seconds": 1, "federation.retry_seconds_max": 2}
_NOTES = (
    "create table note (note_id uuid primary key, text text not null, version bigint not null default 0,"
    " applied int not null default 0); grant select, insert, update on note to passerelle_serving"
)
_WRITE = "insert into note (note_id, text) values (%s, %s) on conflict (note_id) do update set text = excluded.text"
_TELL = "insert into outbox (event_id, name, patient_id, payload, at) values (gen_random_uuid(), %s, %s, %s, now())"


@dataclass(slots=True)
class Ground:
    """The broker, the workers, and the databases of both networks."""

    stack: Stack
    networks: Mapping[str, Cloned]

    def environment(self, network: str) -> Mapping[str, str]:
        return environment_of_one(self.stack.settings, network, self.stack.publish())

    def start(self, network: str) -> None:
        ready = self.stack.state.path / f"{network}.ready"
        ready.unlink(missing_ok=True)
        self.stack.spawn(
            network,
            Command(
                argv=[sys.executable, "-m", "tests.federation.note_worker"],
                environment={**self.environment(network), "PASSERELLE_READY_FILE": str(ready)},
                folder=ROOT,
            ),
        )

    def is_ready(self, network: str) -> bool:
        child = self.stack.children[network]
        assert child.code is None, child.last_words()
        return (self.stack.state.path / f"{network}.ready").exists()

    def kill(self, name: str) -> None:
        self.stack.children.pop(name).kill()

    def start_broker(self) -> None:
        assert self.stack.valkey is not None
        self.stack.spawn("valkey", self.stack.valkey.command())
        eventually(self.stack.valkey.is_ready, "the broker is back")

    @contextmanager
    def broker(self) -> Iterator[redis.Redis]:
        assert self.stack.valkey is not None
        with redis.Redis.from_url(self.stack.valkey.url()) as client:
            yield client

    def write(self, network: str, notes: Mapping[UUID, str]) -> None:
        with psycopg.connect(self.networks[network].url) as connection, connection.cursor() as cursor:
            cursor.executemany(_WRITE, list(notes.items()))
            cursor.executemany(
                _TELL, [(NoteWritten.name, PATIENT, Jsonb({"note_id": str(note_id)})) for note_id in notes]
            )

    def notes(self, network: str) -> dict[UUID, tuple[str, int]]:
        with psycopg.connect(self.networks[network].url) as connection:
            rows = connection.execute("select note_id, text, applied from note").fetchall()
        return {note_id: (said, applied) for note_id, said, applied in rows}

    def owes(self, network: str) -> int:
        """What it owes, or has not yet addressed."""
        with psycopg.connect(self.networks[network].url) as connection:
            row = connection.execute(
                "select (select count(*) from federation_out where acked_version < version)"
                " + (select count(*) from outbox where addressed_at is null)"
            ).fetchone()
        assert row is not None
        return int(row[0])


@pytest.fixture
async def ground(
    tenant_template: Template, directory_template: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Ground]:
    clones = [directory_template.clone(), tenant_template.clone(), tenant_template.clone()]
    directory, *tenants = [await anext(each) for each in clones]
    networks = dict(zip((HERE, THERE), tenants, strict=True))
    settings = Settings(
        state=tmp_path / "state",
        directory_url=SecretStr(directory.url),
        tenant_urls={name: SecretStr(each.url) for name, each in networks.items()},
    )
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with psycopg.connect(directory.owner_url) as owner:
        for name in networks:
            declared = read_network(declared_folder() / f"{name}.toml").model_copy(update={"parameters": _QUICK})
            owner.execute(
                "insert into tenant values (%s, %s, true, %s, now())",
                (name, declared.name, Jsonb(declared.model_dump(mode="json"))),
            )
    for name, other in ((HERE, THERE), (THERE, HERE)):
        with psycopg.connect(networks[name].owner_url) as owner:
            owner.execute(_NOTES)
            owner.execute(
                "insert into patient_place (patient_id, tenant_id, since, owed_at) values (%s, %s, now(), now())",
                (PATIENT, other),
            )
    with Stack(settings.state, durable=False, settings=settings) as stack:
        info = stack.start_servers()
        LocatorKey.ensure(stack.state.path / FILE_NAME, is_used=False)
        for name in networks:
            Keys.create(stack.state.folder("keys") / f"{name}.key")
            Addresses(settings, info).admit_to_broker(name)
        yield Ground(stack, networks)
    for each in clones:
        async for _ in each:
            pass


def test_everything_arrives_whatever_is_killed_emptied_or_started_again(ground: Ground) -> None:
    first = {uuid4(): f"Mme Martin, note {number}" for number in range(150)}
    later = {uuid4(): f"M. Bernard, note {number}" for number in range(150)}
    changed = dict.fromkeys(list(first)[:40], "Mme Martin, corrigé")
    for network in (HERE, THERE):
        ground.start(network)
    eventually(lambda: ground.is_ready(HERE) and ground.is_ready(THERE), "both work")

    ground.write(HERE, first)
    eventually(lambda: len(ground.notes(THERE)) > 0, "the first arrive", every=AT_ONCE)
    ground.kill(THERE)
    ground.write(HERE, later)
    with ground.broker() as broker:
        queue = f"passerelle:{THERE}:federation"
        eventually(lambda: int(broker.llen(queue)) > 0, "messages wait")
        waiting = b"".join(broker.lrange(queue, 0, -1))  # type: ignore[arg-type]
        assert not [word for word in (b"Martin", b"Bernard", b"note", *map(_hex, later)) if word in waiting]
        broker.flushall()
    ground.kill("valkey")
    ground.write(HERE, changed)
    ground.kill(HERE)
    ground.start_broker()
    for network in (HERE, THERE):
        ground.start(network)

    expected = {**first, **later, **changed}
    eventually(lambda: {key: said for key, (said, _) in ground.notes(THERE).items()} == expected, "all of it arrived")
    eventually(lambda: ground.owes(HERE) == 0, "all of it is acknowledged")
    times = {key: count for key, (_, count) in ground.notes(THERE).items()}
    assert all(count <= (2 if key in changed else 1) for key, count in times.items())
    for network in (HERE, THERE):
        assert ground.stack.children[network].code is None
    with ground.broker() as broker:
        assert broker.acl_log() == []


def test_the_credentials_of_one_network_open_nothing_of_the_other(ground: Ground) -> None:
    given = ground.environment(HERE)
    url = given[f"PASSERELLE_TENANT_{HERE.upper()}_URL"]
    with psycopg.connect(url) as connection:
        assert connection.execute("select count(*) from note").fetchone() == (0,)
    theirs = url.replace(f"/{ground.networks[HERE].name}", f"/{ground.networks[THERE].name}")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(theirs)
    with redis.Redis.from_url(given[f"PASSERELLE_TENANT_{HERE.upper()}_BROKER_URL"]) as own:
        with pytest.raises(redis.exceptions.NoPermissionError):
            own.rpop(f"passerelle:{THERE}:federation")
        assert own.rpop(f"passerelle:{HERE}:federation") is None


def _hex(note_id: UUID) -> bytes:
    return note_id.hex.encode()
