"""Pharmacies at work: what they dispensed, what they are told, and the tasks that tell them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Table, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.tables import journal, outbox
from passerelle.audit.transactions import transaction
from passerelle.identities.directory import Directory, Establishment, Practice, Professional
from passerelle.kernel.actors import Actor
from passerelle.notices.tables import notice
from passerelle.pharmacy import recall_delivery, recalls
from passerelle.pharmacy.recalls import Announced, Recall, RecallLevel
from passerelle.pharmacy.tables import dispensation, dispensation_line, pharmacy_record
from passerelle.pharmacy.tables import recall_delivery as deliveries
from passerelle_ops.recalling import bind_recalls
from passerelle_ops.relay import Relayed, Subscribers, relay
from passerelle_ops.schedule import beat_context
from passerelle_policies.vocabulary import Setting
from tests import builders
from tests.builders import World

_numbers = count(1)


@dataclass
class Counter:
    """A network of pharmacies, one pharmacist each."""

    world: World
    directory: Directory
    pharmacists: dict[str, Actor] = field(default_factory=dict)

    @property
    def subscribers(self) -> Subscribers:
        bound = Subscribers()
        bind_recalls(bound, lambda: self.directory, self.world.clock)
        return bound

    async def pharmacy(self) -> str:
        """A new pharmacy, in the directory with its pharmacist; its FINESS number."""
        finess = f"31{next(_numbers):07d}"
        tenant = self.world.tenant.id
        at = Establishment(finess=finess, name=f"Pharmacie {finess}", basin="essai", tenant_id=tenant, category="SA33")
        await self.directory.register_establishments([at])
        pharmacist = builders.professional(builders.PHARMACIST, establishment=finess)
        here = Practice(tenant_id=tenant, finess=finess)
        for actor, profession in ((pharmacist, builders.PHARMACIST), (builders.professional("60"), "60")):
            known = Professional(
                rpps=actor.id, family_name="ESSAI", given_name="Dominique", profession=profession, practices=(here,)
            )
            await self.directory.register_professionals([known])
        self.pharmacists[finess] = replace(pharmacist, setting=Setting.PHARMACY)
        return finess

    async def patient(self, *, open_: bool = True) -> UUID:
        """A patient with an open pharmacy record."""
        patient_id, _ = await self.world.patient(open_=False)
        await self.open(patient_id, state="open" if open_ else "closed")
        return patient_id

    async def open(self, patient_id: UUID, *, state: str = "open") -> None:
        """Give a patient a pharmacy record."""
        async with self.world.tenant.database.transaction() as connection:
            await connection.execute(insert(pharmacy_record).values(patient_id=patient_id, state=state))

    async def dispense(
        self,
        pharmacy: str,
        patient_id: UUID,
        cip13: str,
        batch: str | None,
        *,
        ago: int = 0,
        status: str = "current",
        product_class: str = "medicine",
    ) -> UUID:
        """What a pharmacy dispensed `ago` days before today, as it lies in the tables; its id."""
        dispensation_id, at = uuid4(), self.world.clock.now() - timedelta(days=ago)
        async with self.world.tenant.database.transaction() as connection:
            await connection.execute(
                insert(dispensation).values(
                    patient_id=patient_id,
                    dispensation_id=dispensation_id,
                    pharmacy=pharmacy,
                    pharmacy_number=f"D{next(_numbers)}",
                    version=1,
                    status=status,
                    dispensed_at=at,
                    dispensed_by="professional:essai",
                    fingerprint="0",
                    recorded_at=at,
                )
            )
            await connection.execute(
                insert(dispensation_line).values(
                    patient_id=patient_id,
                    dispensation_id=dispensation_id,
                    number=1,
                    product_class=product_class,
                    cip13=cip13,
                    label="Produit d'essai",
                    substances=[],
                    quantity=1,
                    batch=batch,
                    is_prescribed=True,
                    dispensed_on=at.date(),
                )
            )
            event = {"event_id": uuid4(), "name": "pharmacy.dispensation_recorded", "patient_id": patient_id}
            payload = {"dispensation_id": str(dispensation_id)}
            await connection.execute(insert(outbox).values(**event, payload=payload, at=self.world.clock.now()))
        return dispensation_id

    async def issue(
        self,
        cip13: str | None,
        *batches: str,
        level: RecallLevel = RecallLevel.URGENT,
        reference: str | None = None,
        message: str = "Retirer du stock.",
        by: Actor | None = None,
    ) -> Recall:
        """The operator announces what the authority ordered."""
        said = Announced(
            level=level,
            message=message,
            source="essai",
            reference=reference or f"R{next(_numbers)}",
            cip13=cip13,
            batches=batches,
        )
        async with transaction(self.world.context(by or builders.operator())) as act:
            return await recalls.issue(act, said)

    async def relay(self) -> Relayed:
        """Every event that waits, by the subscribers of the worker, until none is left."""
        total = Relayed(0, 0)
        while True:
            done = await relay(self.world.tenant, self.subscribers, self.world.clock)
            total = Relayed(total.delivered + done.delivered, total.failed + done.failed)
            if not done.delivered:
                return total

    async def escalate(self) -> int:
        """One turn of the task."""
        return await recall_delivery.escalate_due(beat_context(self.world.tenant, self.world.clock))

    async def acknowledge(self, pharmacy: str, recall_id: UUID) -> object:
        async with transaction(self.world.context(self.pharmacists[pharmacy])) as act:
            return await recalls.acknowledge(act, recall_id)

    async def close(self, recall_id: UUID) -> None:
        async with transaction(self.world.context(builders.operator())) as act:
            await recalls.close(act, recall_id)

    async def may_dispense(self, pharmacy: str) -> None:
        """Refused while it must not."""
        async with transaction(self.world.context(self.pharmacists[pharmacy])) as act:
            await recalls.must_have_acknowledged(act, pharmacy)

    async def states(self, recall_id: UUID) -> dict[str, str]:
        """How far a recall has come, by pharmacy."""
        asked = select(deliveries.c.pharmacy, deliveries.c.state).where(deliveries.c.recall_id == recall_id)
        async with self.world.tenant.database.transaction() as connection:
            return {row.pharmacy: row.state for row in await connection.execute(asked)}

    async def notices_of(self, pharmacy: str, recall_id: UUID) -> list[str]:
        """The kinds of what a pharmacy's pharmacist was told of one recall."""
        own = (notice.c.recipient == self.pharmacists[pharmacy].subject) & notice.c.key.contains(str(recall_id))
        async with self.world.tenant.database.transaction() as connection:
            return list(await connection.scalars(select(notice.c.kind).where(own)))

    async def count(self, table: Table) -> int:
        """How many rows a table has."""
        async with self.world.tenant.database.transaction() as connection:
            return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())

    async def lines(self) -> Sequence[Any]:
        """The whole journal."""
        async with self.world.tenant.database.transaction() as connection:
            return (await connection.execute(select(journal).order_by(journal.c.line_id))).all()


def cip13(number: int) -> str:
    """A well-formed code that no other number has."""
    first = f"34009{number:07d}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(first))
    return f"{first}{-total % 10}"


async def events(connection: AsyncConnection, name: str, recall_id: UUID) -> list[str]:
    """The pharmacies of the events of a name that were published of one recall."""
    asked = select(outbox.c.payload).where(outbox.c.name == name)
    payloads = await connection.scalars(asked)
    return [each["pharmacy"] for each in payloads if each["recall_id"] == str(recall_id)]
