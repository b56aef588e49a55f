"""A tenant of the pharmacy record, and short ways to make things happen in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from passerelle.audit.tables import outbox
from passerelle.audit.transactions import transaction
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import SetClock
from passerelle.pharmacy import presence, records
from passerelle.pharmacy.presence import PresenceProof
from passerelle.pharmacy.tables import dispensation, dispensation_line, pharmacy_record, pharmacy_record_act
from tests.builders import World, at_the_counter, network
from tests.conftest import Cloned

TABLES = (pharmacy_record, pharmacy_record_act, dispensation, dispensation_line, outbox)


@dataclass(slots=True)
class Pharmacy(World):
    """A world with a counter."""

    async def do(self, actor: Actor, use_case: Callable[..., Awaitable[Any]], *given: Any, **named: Any) -> Any:
        """One use case in a transaction of its own."""
        async with transaction(self.context(actor)) as act:
            return await use_case(act, *given, **named)

    async def comes_to(self, pharmacist: Actor, patient_id: UUID) -> None:
        """The patient is at the counter."""
        await self.do(pharmacist, presence.attest_presence, patient_id, shown=PresenceProof.VITALE_CARD)

    async def opened(self, patient_id: UUID, pharmacist: Actor | None = None) -> Actor:
        """A pharmacy record opened at the counter; the pharmacist who did it."""
        pharmacist = pharmacist or at_the_counter()
        await self.comes_to(pharmacist, patient_id)
        await self.do(pharmacist, records.open_, patient_id, proof="accord au comptoir")
        return pharmacist

    async def kept(self) -> dict[str, list[Any]]:
        """All that these tables hold: what a refusal must not change."""
        async with self.tenant.database.transaction() as connection:
            return {table.name: sorted(map(str, (await connection.execute(select(table))).all())) for table in TABLES}

    async def count(self, table: Any) -> int:
        async with self.tenant.database.transaction() as connection:
            return int(await connection.scalar(select(func.count()).select_from(table)) or 0)


@pytest.fixture
def world(tenant_database: Cloned, tmp_path_factory: pytest.TempPathFactory) -> Pharmacy:
    premises = tmp_path_factory.mktemp("premises")
    clock = SetClock(datetime(2026, 11, 16, 9, tzinfo=UTC))
    return Pharmacy(tenant=network(tenant_database.database, premises), clock=clock)
