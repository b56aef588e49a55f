"""An alert reaches as many pharmacies as there are: more than a statement has places for values."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Text, cast, func, insert, literal, select

from passerelle.audit.tables import outbox
from passerelle.identities.tables import establishment
from passerelle.pharmacy import recall_delivery
from passerelle.pharmacy.recall_events import RecallToDeliver
from passerelle_ops.schedule import beat_context
from tests.pharmacy.recalls.counter import Counter

_MANY: Final = 16_500  # four values of each would be more than PostgreSQL's 65,535


async def test_an_alert_reaches_every_pharmacy_of_a_large_network(counter: Counter) -> None:
    tenant = counter.world.tenant
    numbers = select(func.generate_series(1, _MANY).label("number")).subquery()
    finess = literal("75", Text()) + func.lpad(cast(numbers.c.number, Text()), 7, "0")
    shop = {"name": "Pharmacie", "basin": "essai", "tenant_id": tenant.id, "category": "SA33"}
    shops = select(finess, *(literal(each) for each in shop.values())).select_from(numbers)
    async with counter.directory.database.transaction() as connection:
        await connection.execute(insert(establishment).from_select(["finess", *shop], shops))
    said = await counter.issue(None)
    context = beat_context(tenant, counter.world.clock)
    assert await recall_delivery.find_pharmacies(context, said.recall_id, counter.directory) == _MANY
    assert await recall_delivery.find_pharmacies(context, said.recall_id, counter.directory) == 0
    assert set((await counter.states(said.recall_id)).values()) == {"issued"}
    told = select(func.count()).where(outbox.c.name == RecallToDeliver.name)
    async with tenant.database.transaction() as connection:
        assert (await connection.execute(told)).scalar_one() == _MANY
