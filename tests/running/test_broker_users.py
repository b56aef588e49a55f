"""At the broker each network is a user of its own: it gives to others and takes from nobody but its own queues."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
from celery import Celery
from pydantic import SecretStr

from passerelle.kernel.errors import Conflict, TryLater
from passerelle_ops import broker_copies
from passerelle_ops.federating_carrier import LONGEST, TAKE, CeleryCarrier
from passerelle_ops.settings import Settings
from passerelle_ops.stack.addresses import Addresses
from passerelle_ops.stack.broker_users import FEDERATION, TURNS
from passerelle_ops.stack.one_tenant import environment_of_one
from passerelle_ops.stack.servers import Stack
from passerelle_ops.stack.state import StateFolder
from passerelle_ops.stack.valkey import Valkey

ONE, OTHER = "oncomip", "oncopl"
THEIRS = f"passerelle:{OTHER}:federation"


@pytest.fixture(scope="module")
def addresses(stack: Stack) -> Addresses:
    given = Addresses(stack.settings, stack.publish())
    for each in (ONE, OTHER):
        given.admit_to_broker(each)
    return given


@pytest.fixture
def own(valkey: Valkey) -> Iterator[redis.Redis]:
    """The installation's own user, and nothing of the two networks afterwards."""
    with redis.Redis.from_url(valkey.url()) as client:
        client.acl_log_reset()
        yield client
        for key in client.keys("passerelle:on*"):
            client.delete(key)


@pytest.fixture
def one(addresses: Addresses, own: redis.Redis) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(addresses.tenant_broker_url(ONE)) as client:
        yield client


async def test_an_envelope_is_one_message_in_the_queue_of_its_network(addresses: Addresses, own: redis.Redis) -> None:
    carrier = CeleryCarrier(addresses.tenant_broker_url(ONE))
    for envelope in (b"first", b"second"):
        await carrier.carry(OTHER, envelope)
    await carrier.carry(ONE, b"mine")
    carrier.close()

    assert sorted(own.keys("passerelle:on*")) == [f"passerelle:{ONE}:federation".encode(), THEIRS.encode()]
    last, first = (json.loads(each) for each in own.lrange(THEIRS, 0, -1))
    assert first["headers"]["task"] == TAKE
    assert [json.loads(each["body"])[0] for each in (first, last)] == [[OTHER, "first"], [OTHER, "second"]]
    assert own.acl_log() == []


def test_of_what_a_worker_takes_that_alone_is_stored_which_comes_back(addresses: Addresses, own: redis.Redis) -> None:
    options = {"global_keyprefix": f"passerelle:{ONE}:", "visibility_timeout": 600}
    soon, late = ((datetime.now(UTC) + timedelta(seconds=each)).isoformat() for each in (500, 3_600))
    app = Celery("taking", broker=addresses.tenant_broker_url(ONE), set_as_current=False)
    app.conf.update(broker_transport=f"{broker_copies.__name__}:Transport", broker_transport_options=options)
    with app.connection_for_read() as connection:
        channel = connection.default_channel
        for queue, expires in ((FEDERATION, late), (TURNS, soon), (TURNS, late), (TURNS, "nonsense")):
            with connection.SimpleQueue(queue, channel=channel) as simple:
                simple.put({}, headers={"expires": expires})
        taken = []
        for queue in (FEDERATION, TURNS, TURNS, TURNS):
            with connection.SimpleQueue(queue, channel=channel) as simple:
                taken.append(simple.get(timeout=5))
        stored = own.hlen(f"passerelle:{ONE}:unacked")
        for each in taken:
            each.ack()
    assert (stored, own.hlen(f"passerelle:{ONE}:unacked")) == (2, 0)


async def test_a_queue_that_nobody_empties_is_not_filled(addresses: Addresses, own: redis.Redis) -> None:
    own.lpush(THEIRS, *range(LONGEST))
    carrier = CeleryCarrier(addresses.tenant_broker_url(ONE))
    with pytest.raises(TryLater, match="QUEUE_FULL"):
        await carrier.carry(OTHER, b"envelope")
    assert own.llen(THEIRS) == LONGEST
    await carrier.carry(ONE, b"envelope")
    carrier.close()


async def test_a_broker_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    port = StateFolder(tmp_path).port("nothing")
    carrier = CeleryCarrier(f"redis://{ONE}:secret@127.0.0.1:{port}/0")
    for _ in range(2):  # the second is told at once
        with pytest.raises(TryLater, match="BROKER_AWAY"):
            await carrier.carry(OTHER, b"envelope")
    carrier.close()


_AT_THEIR_QUEUE = ("RPOP", "DEL", "PEXPIRE 1", "SET x", "LRANGE 0 -1", "DUMP", "BRPOP 1", "COPY mine", "TYPE")
_EVERYWHERE = (
    *("KEYS *", "SCAN 0", "FLUSHALL", "FLUSHDB", "CONFIG GET *", "ACL LIST", "MONITOR", "INFO", "CLIENT LIST"),
    *("PUBLISH a b", "SUBSCRIBE a", "PSUBSCRIBE *", "SCRIPT FLUSH", "SWAPDB 0 1", "SAVE", "SHUTDOWN"),
    *("EVAL return_redis.call('rpop',KEYS[1]) 1 " + THEIRS, f"LPUSH passerelle:{OTHER}:turns x", "LPUSH elsewhere x"),
    f"RENAME {THEIRS} passerelle:{ONE}:mine",
)


def test_a_network_takes_nothing_of_another_and_rules_nothing(one: redis.Redis, own: redis.Redis) -> None:
    own.lpush(THEIRS, "theirs")
    for command in _AT_THEIR_QUEUE:
        name, *more = command.split()
        with pytest.raises(redis.exceptions.NoPermissionError):
            one.execute_command(name, THEIRS, *more)  # type: ignore[no-untyped-call]
    for command in _EVERYWHERE:
        words = [word.replace("return_", "return ") for word in command.split()]
        with pytest.raises(redis.exceptions.NoPermissionError):
            one.execute_command(*words)  # type: ignore[no-untyped-call]
    assert own.lrange(THEIRS, 0, -1) == [b"theirs"]
    assert one.lpush(f"passerelle:{ONE}:federation", "mine") == 1
    assert one.rpop(f"passerelle:{ONE}:federation") == b"mine"


def test_a_worker_of_one_network_is_given_nothing_of_the_others(
    stack: Stack, addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSERELLE_TENANT_ONCOPL_URL", "postgresql://theirs")
    given = environment_of_one(stack.settings, ONE, stack.publish())
    assert "theirs" not in " ".join(given.values())
    secrets = [file.read_text() for file in (stack.state.path / "secrets").iterdir()]
    held = [each for each in secrets if each in " ".join(given.values())]
    assert len(held) == 2  # of its role, in its database and in the directory, and of its user of the broker

    for name in given:
        if name.startswith("PASSERELLE_"):
            monkeypatch.setenv(name, given[name])
    monkeypatch.delenv("PASSERELLE_TENANT_ONCOPL_URL")
    alone = Addresses(Settings())
    assert alone.tenant_broker_url(ONE) == addresses.tenant_broker_url(ONE)
    for refused in (alone.tenant_url, alone.tenant_broker_url):
        with pytest.raises(Conflict, match="TENANT_URL_MISSING"):
            refused(OTHER)


def test_users_outlive_a_restart_and_only_hashes_are_kept(tmp_path: Path) -> None:
    settings = Settings(state=tmp_path / "state", directory_url=SecretStr("postgresql://elsewhere.invalid/"))
    urls = []
    for start in ("first", "second"):
        with Stack(settings.state, durable=False, settings=settings) as stack:
            addresses = Addresses(settings, stack.start_servers())
            if start == "first":
                addresses.admit_to_broker(ONE)
            urls.append(addresses.tenant_broker_url(ONE))
            with redis.Redis.from_url(urls[-1]) as client:
                assert client.ping()
            assert stack.valkey is not None
            with redis.Redis(port=stack.valkey.port) as nobody, pytest.raises(redis.exceptions.AuthenticationError):
                nobody.ping()
            kept = (stack.valkey.data / "users.acl").read_text()
            assert stack.valkey.password not in kept
    assert urls[0] == urls[1]
    assert f"user passerelle_{ONE} " in kept
    assert urls[0].split(":")[2].split("@")[0] not in kept
