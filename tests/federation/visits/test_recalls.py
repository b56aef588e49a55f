"""A recall announced in one network reaches the pharmacies of the others, which tell how far it has come."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from passerelle.identities.directory import Establishment
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import Conflict
from passerelle.pharmacy import federated_recalls, recall_delivery, recalls
from passerelle.pharmacy.recalls import Announced, FollowUp, RecallLevel
from passerelle.pharmacy.tables import recall, recall_elsewhere
from passerelle_ops.recalling import bind_recalls
from passerelle_ops.relay import Subscribers, relay
from passerelle_policies.vocabulary import ActorKind
from tests.builders import at_the_counter
from tests.federation.visits.visiting import Visit

_numbers = count(1)
ANSM = Actor(kind=ActorKind.AUTHORITY, id="ansm", name="ANSM")


def announced(**more: Any) -> Announced:
    said = {"level": RecallLevel.URGENT, "message": "Retirer", "source": "ansm", "reference": f"F-{next(_numbers)}"}
    return Announced(**{**said, **more})


async def pharmacy_of(between: Visit, name: str) -> Actor:
    """A new pharmacy of a network, and its pharmacist."""
    finess = f"44{next(_numbers):07d}"
    known = Establishment(finess=finess, name=f"Pharmacie {finess}", basin="essai", tenant_id=name, category="SA33")
    await between.offices[name].directory.register_establishments([known])
    return at_the_counter(finess)


async def relayed(between: Visit) -> None:
    for office in between.offices.values():
        bound = Subscribers()
        bind_recalls(bound, lambda office=office: office.directory, between.clock)  # type: ignore[misc]
        for _ in range(2):
            await relay(office.tenant, bound, between.clock)
            between.clock.advance(timedelta(seconds=1))


async def followed(between: Visit, recall_id: UUID) -> FollowUp:
    found: FollowUp = await between.do(between.home, ANSM, recalls.follow_up, recall_id)
    return found


async def test_each_network_escalates_its_own_and_the_one_that_announced_it_hears(between: Visit) -> None:
    here, there, late = [await pharmacy_of(between, name) for name in ("nantes", "toulouse", "toulouse")]
    issued = await between.do(between.home, ANSM, recalls.issue, announced())
    assert (await followed(between, issued.recall_id)).told_by == ()
    await between.travel()
    told = await followed(between, issued.recall_id)
    assert (told.told_by, told.waiting) == (("toulouse",), 0)
    await relayed(between)
    await between.travel()
    told = await followed(between, issued.recall_id)
    assert (told.waiting, told.delivered) == (0, 3)

    waiting = await between.do(between.away, there, recalls.inbox, first=5)
    assert [each["recall_id"] for each in waiting] == [issued.recall_id]
    await between.do(between.away, there, recalls.acknowledge, issued.recall_id)
    between.clock.advance(timedelta(days=10))
    for office in between.offices.values():
        await recall_delivery.escalate_due(office.context(office.tenant.id, "essai"))
    await between.travel()
    told = await followed(between, issued.recall_id)
    assert (told.delivered, told.acknowledged, told.escalated) == (0, 1, 2)
    assert set(told.escalated_pharmacies) == {here.establishment, late.establishment}

    with pytest.raises(Conflict, match="RECALL_OF_ANOTHER_NETWORK"):
        await between.do(between.away, ANSM, recalls.close, issued.recall_id)
    await between.do(between.home, ANSM, recalls.close, issued.recall_id)
    await between.travel()
    (kept,) = await between.rows(between.away, select(recall).where(recall.c.recall_id == issued.recall_id))
    assert (kept.origin, kept.closed_at is None) == ("nantes", False)
    assert await between.owed() == []


async def test_what_both_networks_announce_is_one_in_each_unless_it_says_something_else(between: Visit) -> None:
    same, other = announced(), announced()
    mine = await between.do(between.away, ANSM, recalls.issue, same)
    await between.do(between.home, ANSM, recalls.issue, same)
    await between.do(between.away, ANSM, recalls.issue, other)
    await between.do(between.home, ANSM, recalls.issue, announced(reference=other.reference, message="Rapporter"))
    await between.travel()
    kept = select(recall.c.recall_id, recall.c.origin).where(recall.c.reference == same.reference)
    assert await between.rows(between.away, kept) == [(mine.recall_id, None)]
    assert await between.owed() == [("recall", federated_recalls.REFERENCE_TAKEN)] * 2
    of_others = select(recall_elsewhere).where(recall_elsewhere.c.recall_id == mine.recall_id)
    assert await between.rows(between.away, of_others) == []
