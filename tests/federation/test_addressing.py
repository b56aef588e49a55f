"""Who is to hear of an event, as the kinds declare it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert

from passerelle.audit.outbox import Event, publish
from passerelle.audit.transactions import transaction
from passerelle.kernel.clock import SetClock
from passerelle_tenants.federation.addressing import address
from passerelle_tenants.federation.office import Office
from passerelle_tenants.federation.sending import send_due
from passerelle_tenants.federation.tables import patient_place
from passerelle_tenants.federation.taking_in import take_in
from passerelle_tenants.federation.travellers import Addressed, Audience, Kinds, Priority
from tests.conftest import Template
from tests.federation.exchange import Exchange, Note, exchange

NANTES, TOULOUSE, RENNES = "nantes", "toulouse", "rennes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said(Event):
    name: ClassVar[str] = "test.said"
    about: UUID | None = None
    network: str | None = None


class Kind(Note):
    """A note under another name, owed to others."""

    priority = Priority.RELATES

    def __init__(self, addressed: Addressed) -> None:
        super().__init__()
        self.kind = addressed.to.value + ("-carried" if addressed.carries else "")
        self.addressed = (addressed,)


KINDS = Kinds(
    [
        *(Kind(Addressed(events=(Said.name,), to=to)) for to in list(Audience)[:-1]),
        Kind(Addressed(events=("test.other", Said.name), to=Audience.NAMED, network="network", object_id="about")),
        Kind(Addressed(events=(Said.name,), to=Audience.PEERS, object_id="about", carries=True)),
    ]
)


@pytest.fixture(scope="module")
async def three(
    tenant_template: Template, directory_template: Template, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Exchange]:
    clock, folder = SetClock(datetime(2026, 11, 16, 9, 0, tzinfo=UTC)), tmp_path_factory.mktemp("networks")
    async with exchange(tenant_template, directory_template, folder, clock, NANTES, TOULOUSE, RENNES) as made:
        yield made


async def say(office: Office, *said: Said) -> None:
    async with transaction(office.context("essai", "essai")) as act:
        for each in said:
            await publish(act, each)


async def owed(three: Exchange, patient_id: UUID) -> dict[str, set[str]]:
    """What is owed of a patient: networks by kind."""
    rows = await three.rows(
        TOULOUSE, "select kind, to_tenant from federation_out where patient_id = :patient", patient=patient_id
    )
    found: dict[str, set[str]] = {}
    for kind, to_tenant in rows:
        found.setdefault(kind, set()).add(to_tenant)
    return found


async def test_each_audience_is_told_what_is_for_it(three: Exchange) -> None:
    office = replace(three.offices[TOULOUSE], kinds=KINDS)
    at_home, elsewhere, left, alone = uuid4(), uuid4(), uuid4(), uuid4()
    now = three.clock.now()
    places = [
        (at_home, NANTES, False, None),
        (at_home, RENNES, False, None),
        (elsewhere, NANTES, True, None),
        (elsewhere, RENNES, False, None),
        (left, NANTES, True, now - timedelta(days=1)),
        (left, RENNES, False, None),
    ]
    async with office.tenant.database.transaction() as connection:
        names = ("patient_id", "tenant_id", "is_home", "until")
        rows = [dict(zip(names, place, strict=True)) | {"since": now - timedelta(days=9)} for place in places]
        await connection.execute(insert(patient_place), rows)
    about = uuid4()
    await say(office, *(Said(patient_id=each) for each in (at_home, elsewhere, left)))
    await say(office, Said(patient_id=alone, about=about, network=RENNES))
    await say(office, Said(patient_id=alone, about=about, network="inconnu"))
    done = await address(office)

    others = {NANTES, RENNES}
    assert await owed(three, at_home) == {"places": others, "everywhere": others, "peers": others}
    assert await owed(three, elsewhere) == {"home": {NANTES}, "everywhere": others, "peers": others}
    assert await owed(three, left) == {"places": {RENNES}, "everywhere": {RENNES}, "peers": others}
    assert await owed(three, alone) == {"peers": others, "named": {RENNES}, "peers-carried": others}
    assert (done.events, done.owed) == (5, 6 + 5 + 4 + 5)
    assert (await address(office)).events == 0
    carried = await three.rows(
        TOULOUSE, "select object_id, priority, payload ->> 'about' from federation_out where kind = 'peers-carried'"
    )
    assert carried == [(about, Priority.RELATES, str(about))] * 2
    versions = await three.rows(TOULOUSE, "select version from federation_out where acked_version < version")
    assert len(set(versions)) == len(versions)
    await three.rows(TOULOUSE, "update federation_out set acked_version = version returning 1")


async def test_the_same_envelope_taken_in_twice_at_once_is_applied_once(three: Exchange) -> None:
    notes = [(uuid4(), f"note {n}") for n in range(120)]
    await three.write(TOULOUSE, *notes)
    await address(three.offices[TOULOUSE])
    await send_due(three.offices[TOULOUSE])
    for_nantes = [envelope for to_tenant, envelope in three.post.bag if to_tenant == NANTES]
    three.post.bag.clear()

    taken = await asyncio.gather(*(take_in(three.offices[NANTES], each) for each in for_nantes * 3))
    assert (sum(each.applied for each in taken), sum(each.stale for each in taken)) == (120, 240)
    assert {applied for _, applied in (await three.notes(NANTES)).values()} == {1}
    await three.deliver()
    [(left,)] = await three.rows(
        TOULOUSE, "select count(*) from federation_out where to_tenant = :to and acked_version < version", to=NANTES
    )
    assert left == 0
