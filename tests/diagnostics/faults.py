"""Faults of an installation of one network, each made and taken back; what `passerelle doctor` must find then."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import create_server
from uuid import uuid4

import psycopg
import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from passerelle.audit.verifier import SUCCESSION_FORM, succession_text
from passerelle.kernel import key_rotation
from passerelle.kernel.clock import Clock, SetClock, SystemClock
from passerelle.kernel.key_material import KeyMaterial
from passerelle.kernel.key_place import KeyPlace
from passerelle.kernel.keys import Keys
from passerelle.kernel.private_files import replace_private_file
from passerelle_ops.installation import Installation
from passerelle_ops.settings import Settings
from passerelle_tenants.federation.keys import publish
from tests.conftest import Cloned

NETWORK = "oncomip"
STATED = {"form": SUCCESSION_FORM, "at": "", "tree_size": 0, "root": "", "head": "", "pruned": 0}
NOWHERE = "postgresql://nobody:secret@127.0.0.1:1/none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """An installation that is well. `patch` sets what its environment says, for one test."""

    tenant: Cloned
    directory: Cloned
    broker_url: str
    folder: Path
    patch: pytest.MonkeyPatch

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def set(self, name: str, value: str) -> None:
        self.patch.setenv(f"PASSERELLE_{name}", value)

    @contextmanager
    def owned(self, of: Cloned, done: str, undone: str, *values: object) -> Iterator[None]:
        """A statement that only a database's owner may run, and one that takes it back."""
        with psycopg.connect(of.owner_url, autocommit=True) as owner:
            owner.execute(done.encode(), values or None)
            yield
            owner.execute(undone.encode())


@dataclass(frozen=True, slots=True)
class Fault:
    """What is broken; which checks must say so and of what; by which clock it is looked at."""

    make: Callable[[Ground], AbstractAsyncContextManager[None]]
    expected: frozenset[tuple[str, str, str]]
    clock: Callable[[], Clock] = SystemClock


FAULTS: dict[str, Fault] = {}
_Maker = Callable[[Ground], AsyncIterator[None]]


def _fault(*expected: tuple[str, str, str], clock: Callable[[], Clock] = SystemClock) -> Callable[[_Maker], _Maker]:
    def keep(make: _Maker) -> _Maker:
        FAULTS[make.__name__] = Fault(asynccontextmanager(make), frozenset(expected), clock)
        return make

    return keep


@_fault(("database", "directory", "DATABASE_UNREACHABLE"))
async def directory_away(ground: Ground) -> AsyncIterator[None]:
    ground.set("DIRECTORY_URL", NOWHERE)
    yield


@_fault(("database", NETWORK, "DATABASE_UNREACHABLE"))
async def network_away(ground: Ground) -> AsyncIterator[None]:
    ground.set("TENANT_ONCOMIP_URL", NOWHERE)
    yield


@_fault(("migrations", NETWORK, "SCHEMA_BEHIND"))
async def schema_behind(ground: Ground) -> AsyncIterator[None]:
    with ground.owned(
        ground.tenant,
        "create table kept as select * from alembic_version; delete from alembic_version",
        "insert into alembic_version select * from kept; drop table kept",
    ):
        yield


@_fault(("broker", "", "BROKER_UNREACHABLE"))
async def broker_away(ground: Ground) -> AsyncIterator[None]:
    ground.set("BROKER_URL", "redis://127.0.0.1:1/0")
    yield


@_fault(("queues", NETWORK, "QUEUE_LONG"))
async def no_worker(ground: Ground) -> AsyncIterator[None]:
    key = f"passerelle:{NETWORK}:turns"
    with redis.Redis.from_url(ground.broker_url) as client:
        client.rpush(key, *range(301))
        yield
        client.delete(key)


@_fault(("outbox", NETWORK, "OUTBOX_BEHIND"))
async def relay_behind(ground: Ground) -> AsyncIterator[None]:
    event = "(gen_random_uuid(), 'essai', gen_random_uuid(), '{}', now() - interval '11 min')"
    with ground.owned(
        ground.tenant,
        f"insert into outbox (event_id, name, patient_id, payload, at) values {event}",
        "delete from outbox where name = 'essai'",
    ):
        yield


@_fault(("object_store", NETWORK, "CONTENT_STORE_UNREACHABLE"))
async def store_away(ground: Ground) -> AsyncIterator[None]:
    file = ground.folder / "no-folder"
    file.touch()
    ground.set("CONTENTS_URL", (file / "contents").as_uri())
    yield


@_fault(
    *(("clock", each, "CLOCK_OFF") for each in ("directory", "broker", NETWORK)),
    clock=lambda: SetClock(datetime.now(UTC) + timedelta(minutes=2)),
)
async def clock_off(_ground: Ground) -> AsyncIterator[None]:
    yield


@_fault(("certificate", "", "CERTIFICATE_ENDS"))
async def certificate_near_its_end(ground: Ground) -> AsyncIterator[None]:
    with _served(ground.folder, datetime.now(UTC) + timedelta(days=3)) as port:
        ground.set("ISSUER", f"https://127.0.0.1:{port}")
        yield


@_fault(("keys", NETWORK, "KEY_FILE_MISSING"))
async def key_lost(ground: Ground) -> AsyncIterator[None]:
    file = ground.state / "keys" / f"{NETWORK}.key"
    file.rename(file.with_suffix(".away"))
    yield
    file.with_suffix(".away").rename(file)


@_fault(("keys", NETWORK, "KEY_SERVICE_AWAY"), ("keys", "locator", "KEY_NOT_SEALED"))
async def key_service_away(ground: Ground) -> AsyncIterator[None]:
    file, token = ground.state / "keys" / f"{NETWORK}.key", ground.folder / "token"
    text = file.read_bytes()
    token.write_text("s.token")
    ground.set("VAULT_URL", "http://127.0.0.1:1")
    ground.set("VAULT_TOKEN_FILE", str(token))
    replace_private_file(file, b'{"format": "passerelle-tenant-key/sealed-1", "sealed": "vault:v1:AAAA"}')
    yield
    replace_private_file(file, text)


@_fault(("keys", "locator", "KEY_FILE_EXPOSED"))
async def key_exposed(ground: Ground) -> AsyncIterator[None]:
    file = ground.state / "locator.key"
    file.chmod(0o644)
    yield
    file.chmod(0o600)


@_fault(("keys", NETWORK, "KEY_ENDS"))
async def key_near_its_end(ground: Ground) -> AsyncIterator[None]:
    await _published(ground)
    ends = "update tenant_key set valid_until = now() + interval '3 days'"
    with ground.owned(ground.directory, ends, "delete from tenant_key"):
        yield


@_fault(("keys", NETWORK, "KEY_OF_ANOTHER_FILE"))
async def key_of_another(ground: Ground) -> AsyncIterator[None]:
    await _published(ground)
    file = ground.state / "keys" / f"{NETWORK}.key"
    file.rename(file.with_suffix(".away"))
    Keys.create(file)
    with ground.owned(ground.directory, "select", "delete from tenant_key"):
        yield
    file.with_suffix(".away").replace(file)


@_fault(("keys", NETWORK, "SEALING_KEY_SUPERSEDED"))
async def sealing_key_left_behind(ground: Ground) -> AsyncIterator[None]:
    file = ground.state / "keys" / f"{NETWORK}.key"
    ours, text = Keys.load(file), file.read_bytes()
    key_rotation.prepare_signing(KeyPlace(file))
    newer = KeyMaterial.read(file.read_bytes(), file.name).signing_next()
    replace_private_file(file, newer.text())
    keys = Keys.load(file)
    said = {**STATED, "tenant": NETWORK, "former": ours.public_key.hex(), "key": keys.public_key.hex()}
    both = {"by_former": ours.sign(succession_text(said)).hex(), "by_key": keys.sign(succession_text(said)).hex()}
    replace_private_file(file, text)
    with ground.owned(
        ground.tenant,
        "insert into journal_key values (%s, %s, %s)",
        "truncate journal_key",
        *(keys.public_key.hex(), ours.public_key.hex(), json.dumps({**said, **both})),
    ):
        yield


@_fault(("sealing", NETWORK, "SEALING_BEHIND"))
async def sealing_behind(ground: Ground) -> AsyncIterator[None]:
    columns = "patient_id, at, actor_kind, actor_id, actor_name, action, kind, outcome, rule, pack, mode, purpose,"
    values = "gen_random_uuid(), now() - interval '6 min', 'system', 'e', 'e', 'read', 'dossier', 'allowed', 'r', 'p',"
    with ground.owned(
        ground.tenant,
        f"insert into journal ({columns} request_id, facts) values ({values} 'normal', 'care', 'q', '{{}}')",
        "truncate journal, journal_leaf, journal_seal",
    ):
        yield


@_fault(("ledger", NETWORK, "LEDGER_BEHIND"))
async def ledger_behind(ground: Ground) -> AsyncIterator[None]:
    with ground.owned(
        ground.tenant,
        "insert into narrowing (what, said, at) values ('document', '{}', now() - interval '3 min')",
        "delete from narrowing",
    ):
        yield


@_fault(("federation", f"{NETWORK} → oncopl", "NEIGHBOUR_AWAY"))
async def neighbour_away(ground: Ground) -> AsyncIterator[None]:
    with ground.owned(
        ground.tenant,
        "insert into federation_peer (tenant_id, name, heard_at, away_since, acked)"
        " values ('oncopl', 'ONCOPL', now() - interval '2 min', now() - interval '1 min', 0)",
        "delete from federation_peer",
    ):
        yield


@_fault(("orphans", NETWORK, "CONTENTS_ORPHANED"))
async def content_of_nobody(ground: Ground) -> AsyncIterator[None]:
    name = str(uuid4())
    file = ground.state / "contents" / NETWORK / name[-2:] / name
    file.parent.mkdir(parents=True)
    file.write_bytes(b"-")
    yield
    file.unlink()


async def _published(_ground: Ground) -> None:
    installation = Installation(Settings())
    try:
        tenant = await (await installation.registry()).tenant(NETWORK)
        await publish(tenant, installation.directory.database, SystemClock())
    finally:
        await installation.close()


@contextmanager
def _served(folder: Path, until: datetime) -> Iterator[int]:
    """A server of TLS whose certificate ends then; its port."""
    key, name = Ed25519PrivateKey.generate(), x509.Name([])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(until - timedelta(days=90))
        .not_valid_after(until)
    )
    file = folder / "server.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(secret + made.sign(key, None).public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            taken, _ = listening.accept()
            with context.wrap_socket(taken, server_side=True):
                pass

        thread = threading.Thread(target=greet)
        thread.start()
        yield int(listening.getsockname()[1])
        thread.join()
