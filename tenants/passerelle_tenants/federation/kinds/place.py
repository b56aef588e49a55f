"""`place`: another network holds something of a patient, or his home is another. The message says who is meant; what is
so, the directory says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.transactions import Act
from passerelle.kernel.errors import PasserelleError
from passerelle_tenants.federation import places
from passerelle_tenants.federation.kinds.identity import meet, said
from passerelle_tenants.federation.places import PLACE
from passerelle_tenants.federation.travellers import APPLIED, Addressed, Owed, Priority
from passerelle_tenants.locator import Locator


@dataclass(frozen=True, slots=True)
class Place:
    """Owed by `places.enter` to the networks that a newcomer finds, and by a new home to all (`home_moves`)."""

    locator: Locator
    kind: ClassVar[str] = PLACE
    priority: ClassVar[Priority] = Priority.RELATES
    addressed: ClassVar[Sequence[Addressed]] = ()

    async def gather(self, connection: AsyncConnection, to_tenant: str, owed: Sequence[Owed]) -> str:  # noqa: ARG002
        """`Traveller.gather`: who the patients are."""
        return await said(connection, owed)

    async def apply(self, act: Act, from_tenant: str, items: str) -> Mapping[UUID, str]:  # noqa: ARG002
        """`Traveller.apply`: ask the directory of the patients who are known here. Of the others nothing is kept."""
        answers: dict[UUID, str] = {}
        keys: dict[UUID, str] = {}
        for item in json.loads(items):
            answers[UUID(item["id"])] = await self._one(act, item, keys)
        if keys:
            await places.take_turns(act.connection)
            await places.mirror(act, self.locator, keys)
        return answers

    async def _one(self, act: Act, item: Mapping[str, Any], keys: dict[UUID, str]) -> str:
        try:
            met = await meet(act, item)
        except PasserelleError as wrong:
            return wrong.code
        if met is not None:
            meant, patient_id = met
            if patient_id is not None:
                keys[patient_id] = self.locator.person_key(meant.ins)
        return APPLIED
