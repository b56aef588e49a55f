"""The outbox: a worker over a real broker delivers every event at least once, its effect once, whatever is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
import redis

from passerelle.audit import outbox
from passerelle.audit.transactions import transaction
from passerelle.identities.directory import Directory
from passerelle.kernel.clock import SetClock
from passerelle.kernel.context import Context
from passerelle.kernel.key_place import KeyPlace
from passerelle_ops.stack.valkey import Valkey
from passerelle_tenants.networks import Basin, DeclaredEstablishment, Network
from passerelle_tenants.onboarding import Site, onboard
from tests.audit.events import Rang
from tests.conftest import Cloned

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60.0
_DATABASE = 3  # of the broker: no other test's
NETWORK = Network(
    id="essai",
    name="Réseau d'essai",
    is_test=True,
    basins=(
        Basin(id="bassin", name="Bassin", establishments=(DeclaredEstablishment(finess="310000001", name="Hôpital"),)),
    ),
)

pytestmark = pytest.mark.timeout(180)  # worker processes start several times on a machine that may be busy


def eventually(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.02)


@dataclass(slots=True)
class Place:
    """One network with its outbox, and the workers that relay it."""

    state: Path
    context: Context
    owner_url: str
    environment: dict[str, str]
    broker: str
    set_up: Callable[[], Awaitable[None]]
    worker: subprocess.Popen[bytes] | None = None

    async def ring(self, times: list[int]) -> list[UUID]:
        """Publish one event for each number, ten in a transaction."""
        rung: list[UUID] = []
        for start in range(0, len(times), 10):
            async with transaction(self.context) as act:
                events = [Rang(patient_id=uuid4(), times=each) for each in times[start : start + 10]]
                rung += [await outbox.publish(act, each) for each in events]
        return rung

    def start(self) -> None:
        ready = self.state / "worker.ready"
        ready.unlink(missing_ok=True)
        with (self.state / "worker.log").open("ab") as log:
            self.worker = subprocess.Popen(
                [sys.executable, "-P", "-m", "tests.audit.listener"],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **self.environment, "PASSERELLE_READY_FILE": str(ready)},
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        assert self.worker is not None
        self.worker.kill()
        self.worker.wait()

    def stop(self) -> int:
        assert self.worker is not None
        self.worker.terminate()
        return self.worker.wait(SECONDS)

    def deliveries(self) -> Counter[str]:
        try:
            return Counter((self.state / "deliveries").read_text("ascii").split())
        except FileNotFoundError:
            return Counter()

    def rows(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.owner_url, autocommit=True) as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def waiting(self) -> int:
        [(count,)] = self.rows("select count(*) from outbox where relayed_at is null")
        assert isinstance(count, int)
        return count

    def heard(self) -> set[UUID]:
        return {row[0] for row in self.rows("select event_id from heard") if isinstance(row[0], UUID)}


@pytest.fixture
async def place(
    context: Context,
    tenant_database: Cloned,
    directory_database: Cloned,
    valkey: Valkey,
    tmp_path: Path,
    clock: SetClock,
) -> AsyncIterator[Place]:
    state = tmp_path / "state"
    (state / "keys").mkdir(mode=0o700, parents=True)
    with psycopg.connect(directory_database.owner_url, autocommit=True) as owner:
        owner.execute("delete from tenant")  # of the test before: its key lay in another state

    async def set_up() -> None:
        await onboard(
            NETWORK,
            Site(owner_url=tenant_database.owner_url, serving_url=tenant_database.url),
            keys=KeyPlace(state / "keys" / "essai.key"),
            directory=Directory(directory_database.database),
            migrate=lambda _: None,
            clock=clock,
        )

    with psycopg.connect(tenant_database.owner_url, autocommit=True) as owner:
        owner.execute("update outbox set relayed_at = now() where relayed_at is null")
        owner.execute("create table if not exists heard (event_id uuid primary key, times int not null)")
        owner.execute("truncate heard")
        owner.execute("grant select, insert on heard to passerelle_serving")
    place = Place(
        state=state,
        context=context,
        owner_url=tenant_database.owner_url,
        environment={
            "PASSERELLE_STATE": str(state),
            "PASSERELLE_DIRECTORY_URL": directory_database.url,
            "PASSERELLE_BROKER_URL": valkey.url(_DATABASE),
            "PASSERELLE_TENANT_ESSAI_URL": tenant_database.url,
        },
        broker=valkey.url(_DATABASE),
        set_up=set_up,
    )
    yield place
    if place.worker is not None and place.worker.poll() is None:
        place.kill()
    flush(place.broker)


def flush(broker: str) -> None:
    client = redis.Redis.from_url(broker)
    assert client.flushdb()
    client.close()


async def test_an_event_of_an_act_that_did_not_happen_is_never_relayed(place: Place) -> None:
    async def fail() -> None:
        async with transaction(place.context) as act:
            await outbox.publish(act, Rang(patient_id=uuid4(), times=1))
            raise OSError

    with pytest.raises(OSError):
        await fail()
    assert place.waiting() == 0


async def test_nothing_is_lost_when_the_worker_is_killed_and_the_broker_flushed(place: Place) -> None:
    await place.set_up()
    rung = await place.ring(list(range(1, 151)))
    place.start()
    eventually(lambda: len(place.deliveries()) >= 20, "some events are delivered")
    place.kill()
    cut_off = place.deliveries()
    assert 20 <= len(cut_off) < len(rung)
    assert place.waiting() > 0
    flush(place.broker)
    place.start()
    eventually(lambda: place.waiting() == 0, "every event is relayed")
    delivered = place.deliveries()
    assert {UUID(each) for each in delivered} == set(rung)
    # Cut off in its transaction, the first relay marked nothing: what it had delivered came again, to no effect.
    assert all(delivered[each] >= 2 for each in cut_off)
    assert place.heard() == set(rung)
    assert place.stop() == 0


async def test_a_worker_hears_of_a_network_that_is_set_up_after_its_start(place: Place) -> None:
    place.start()
    eventually((place.state / "worker.ready").exists, "the worker listens, to nothing yet")
    await place.set_up()
    rung = await place.ring([1, 2, 3])
    eventually(lambda: place.waiting() == 0, "its events are relayed")
    assert place.heard() == set(rung)
    assert place.stop() == 0


async def test_two_workers_share_an_outbox_and_a_deaf_subscriber_holds_nobody_up(place: Place) -> None:
    await place.set_up()
    deaf = await place.ring([0] * 120)  # more than one relay takes at once
    rung = await place.ring(list(range(1, 41)))
    other = replace(place)
    place.start()
    other.start()
    eventually(lambda: place.heard() == set(rung), "every event that can be heard is heard")
    eventually(lambda: place.waiting() == len(deaf), "what cannot be delivered waits, and nothing else")
    for each in (place, other):
        assert each.stop() == 0
    delivered = place.deliveries()
    assert [delivered[str(each)] for each in rung] == [1] * len(rung), "delivered twice without need"
    attempts = place.rows("select min(attempts) from outbox where relayed_at is null")
    assert attempts[0][0] != 0
