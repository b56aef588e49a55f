"""Two networks, one patient at home in one of them, and what goes between, bundle by bundle, without any transport."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.transactions import transaction
from passerelle.dossier import federated_documents, federated_dossiers, federated_marks
from passerelle.dossier.tables import document
from passerelle.identities.ins import Ins
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import SetClock
from passerelle_policies.vocabulary import ActorKind
from tests.builders import World, ins_of, network
from tests.conftest import Cloned

_OTHER = {"nantes": "toulouse", "toulouse": "nantes"}
_numbers = count(60_000)


@dataclass(slots=True)
class Networks:
    """Home and the network that the patient visits."""

    home: World
    away: World

    async def patient(self, *, born: str = "19800115") -> tuple[Ins, UUID, UUID, Actor, Actor]:
        """Somebody with an open record in both: his INS, his ids and himself, at home and away."""
        ins = ins_of(next(_numbers))
        at_home, himself = await self.home.patient(ins, born=born)
        away, himself_away = await self.away.patient(ins, born=born)
        return ins, at_home, away, himself, himself_away


def networks(home: Cloned, away: Cloned, premises: Path, clock: SetClock) -> Networks:
    trusted = {"1.2.250.1.213.1.4.10": "qualified"}
    pair = [
        World(
            tenant=replace(network(each.database, premises / id_, identity_status_when_unsaid=trusted), id=id_),
            clock=clock,
        )
        for id_, each in (("nantes", home), ("toulouse", away))
    ]
    return Networks(*pair)


async def sent(kind: Any, world: World, ids: Sequence[UUID], version: int = 1) -> Any:
    """What a network gathers now of some objects of a kind (the domain's module)."""
    versions = [version] * len(ids)
    async with world.tenant.database.transaction() as connection:
        if kind is federated_marks:
            return await federated_marks.gather(connection, _OTHER[world.tenant.id], ids, versions)
        return await kind.gather(connection, ids, versions)


async def taken(kind: Any, world: World, by: World, items: Any) -> dict[UUID, str]:
    """What becomes of it in another network."""
    system = Actor(kind=ActorKind.SYSTEM, id=f"federation:{by.tenant.id}", name=by.tenant.name)
    async with transaction(world.context(system)) as act:
        if kind in (federated_dossiers, federated_marks):
            return dict(await kind.apply(act, by.tenant.id, items, _all_of_them))
        if kind is federated_documents:
            return dict((await federated_documents.apply(act, by.tenant.id, items)).answers)
        return dict(await kind.apply(act, by.tenant.id, items))


async def _all_of_them(_: AsyncConnection, patient_ids: Collection[UUID]) -> set[UUID]:
    """The sender is home to whoever is meant."""
    return set(patient_ids)


async def carried(kind: Any, by: World, to: World, *ids: UUID) -> list[str]:
    """Gather and take in; the answers, in the order of the ids."""
    answers = await taken(kind, to, by, await sent(kind, by, ids))
    return [answers[each] for each in ids]


async def entry(world: World, document_id: UUID) -> dict[str, Any]:
    """A row of `document` as it stands."""
    async with world.tenant.database.transaction() as connection:
        found = await connection.execute(select(document).where(document.c.document_id == document_id))
        return dict(found.mappings().one())
