"""A channel is handed a notice under one id, and the proof is one row, whatever dies in between."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from passerelle.audit.transactions import transaction
from passerelle.kernel.context import Tenant
from passerelle.notices.delivery import Notice, deliver
from passerelle.notices.posting import NoticeKind, post
from passerelle_ops.channels import bind_channel
from passerelle_ops.relay import Relayed, Subscribers, delay_after, relay
from tests.builders import World, professional
from tests.conftest import Cloned

RECIPIENT = "person:essai"


@dataclass
class Pigeon:
    """A channel that notes what it is handed, and may fail."""

    name: str = "pigeon"
    fails: int = 0
    handed: list[Notice] = field(default_factory=list)

    async def send(self, tenant: Tenant, notice: Notice) -> str:
        self.handed.append(notice)
        if self.fails:
            self.fails -= 1
            raise ConnectionError("rain")
        await asyncio.sleep(0.01)
        return f"{tenant.id}/{notice.notice_id}"


async def _posted(world: World) -> UUID:
    patient_id, key = uuid4(), str(uuid4())
    async with transaction(world.context(professional())) as act:
        await post(
            act, recipient=RECIPIENT, key=key, kind=NoticeKind.NEWCOMER, patient_id=patient_id, about={"name": "Dr A"}
        )
    async with world.tenant.database.transaction() as connection:
        found = await connection.execute(text("select notice_id from notice where key = :key"), {"key": key})
        return UUID(str(found.scalar_one()))


async def _proofs(world: World, notice_id: UUID) -> dict[str, tuple[datetime, str]]:
    async with world.tenant.database.transaction() as connection:
        rows = await connection.execute(
            text("select channel, at, proof from notice_delivery where notice_id = :id"), {"id": notice_id}
        )
        found = [(row.channel, (row.at, row.proof)) for row in rows]
    assert len(found) == len(dict(found))
    return dict(found)


async def test_a_channel_is_handed_a_notice_once_and_its_answer_is_the_proof(world: World) -> None:
    pigeon, notice_id = Pigeon(), await _posted(world)

    assert await deliver(world.tenant, pigeon, RECIPIENT, notice_id, world.clock)
    assert not await deliver(world.tenant, pigeon, RECIPIENT, notice_id, world.clock)

    (handed,) = pigeon.handed
    assert (handed.notice_id, handed.sentence.startswith("Dr A ")) == (notice_id, True)
    proofs = await _proofs(world, notice_id)
    assert proofs.keys() == {"inbox", "pigeon"}
    assert proofs["pigeon"] == (world.clock.now(), f"essai/{notice_id}")


async def test_two_at_once_hand_it_over_once(world: World) -> None:
    pigeon, notice_id = Pigeon(), await _posted(world)
    done = await asyncio.gather(*(deliver(world.tenant, pigeon, RECIPIENT, notice_id, world.clock) for _ in range(4)))
    assert (sorted(done), len(pigeon.handed)) == ([False, False, False, True], 1)


async def test_what_a_channel_did_not_take_has_no_proof_and_is_handed_again(world: World) -> None:
    pigeon, notice_id = Pigeon(fails=1), await _posted(world)

    with pytest.raises(ConnectionError):
        await deliver(world.tenant, pigeon, RECIPIENT, notice_id, world.clock)
    assert (await _proofs(world, notice_id)).keys() == {"inbox"}
    assert await deliver(world.tenant, pigeon, RECIPIENT, notice_id, world.clock)
    assert [each.notice_id for each in pigeon.handed] == [notice_id] * 2


async def test_a_notice_of_nobody_is_not_delivered(world: World) -> None:
    pigeon = Pigeon()
    assert not await deliver(world.tenant, pigeon, RECIPIENT, uuid4(), world.clock)
    assert pigeon.handed == []


async def test_a_bound_channel_is_handed_every_notice_posted_until_it_takes_it(world: World) -> None:
    pigeon, subscribers = Pigeon(fails=1), Subscribers()
    while (await relay(world.tenant, subscribers, world.clock)).delivered:
        pass  # what the tests before posted
    bind_channel(subscribers, pigeon, world.clock)
    notice_id = await _posted(world)

    assert await relay(world.tenant, subscribers, world.clock) == Relayed(0, 1)
    world.clock.advance(delay_after(1))
    assert await relay(world.tenant, subscribers, world.clock) == Relayed(1, 0)
    assert await relay(world.tenant, subscribers, world.clock) == Relayed(0, 0)
    assert [each.notice_id for each in pigeon.handed] == [notice_id] * 2
    assert (await _proofs(world, notice_id)).keys() == {"inbox", "pigeon"}


DYING = """
import asyncio, sys
from datetime import UTC, datetime
from uuid import UUID
from passerelle.kernel.clock import SystemClock
from passerelle.kernel.database import Database
from passerelle.notices.delivery import deliver

class Tenant:
    id = "essai"
    database = Database(sys.argv[1])

class Pigeon:
    name = "pigeon"
    async def send(self, tenant, notice):
        with open(sys.argv[4], "a") as loft:
            print(notice.notice_id, file=loft, flush=True)
        await asyncio.sleep(3600)

asyncio.run(deliver(Tenant(), Pigeon(), sys.argv[2], UUID(sys.argv[3]), SystemClock()))
"""


async def test_a_process_that_dies_between_handing_over_and_recording(
    world: World, tenant_database: Cloned, tmp_path: Path
) -> None:
    """The channel has it twice under one id; the proof is one row."""
    notice_id, loft = await _posted(world), tmp_path / "loft"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", DYING, tenant_database.url, RECIPIENT, str(notice_id), str(loft)
    )
    end = time.monotonic() + 30
    while not (loft.exists() and loft.read_text()):
        assert process.returncode is None
        assert time.monotonic() < end
        await asyncio.sleep(0.02)
    process.kill()
    await process.wait()
    assert (await _proofs(world, notice_id)).keys() == {"inbox"}

    pigeon = Pigeon()
    assert await deliver(world.tenant, pigeon, RECIPIENT, notice_id, world.clock)
    assert [UUID(each) for each in loft.read_text().split()] == [each.notice_id for each in pigeon.handed]
    assert (await _proofs(world, notice_id)).keys() == {"inbox", "pigeon"}
