"""`home`: the network that a patient leaves hands his home on: what it decided of each of his documents."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.transactions import Act
from passerelle.dossier import federated_bundles as bundles
from passerelle.dossier import handing_over
from passerelle.identities import carried, patients
from passerelle_tenants.federation import home_moves
from passerelle_tenants.federation.home_moves import HOME
from passerelle_tenants.federation.kinds.identity import meet
from passerelle_tenants.federation.tables import home_move
from passerelle_tenants.federation.travellers import APPLIED, LATER, Addressed, Owed, Priority
from passerelle_tenants.locator import HomeState, Locator

#: Who says that he hands a patient on is not his home, or hands him to somebody else.
NOT_HANDED = "HOME_NOT_HANDED"


@dataclass(frozen=True, slots=True)
class HandedHome:
    """Owed by `home_moves.hand_over` to the network that becomes a patient's home."""

    locator: Locator
    kind: ClassVar[str] = HOME
    priority: ClassVar[Priority] = Priority.NARROWS
    addressed: ClassVar[Sequence[Addressed]] = ()

    async def gather(self, connection: AsyncConnection, to_tenant: str, owed: Sequence[Owed]) -> str:
        """`Traveller.gather`: who is meant, and what was decided here of each document."""
        each, person = bundles.owed(), patients.identity()
        last = (
            select(func.max(home_move.c.version))
            .where(home_move.c.patient_id == each.c.id, home_move.c.to_tenant == to_tenant)
            .scalar_subquery()
        )
        rows = select(
            each.c.id,
            each.c.version,
            case((person.c.person_key.is_(None), True), else_=None).label("gone"),
            *carried.columns(person),
            last.label("home_version"),
            handing_over.decided_here(each.c.id).label("decisions"),
        ).select_from(each.outerjoin(person, person.c.patient_id == each.c.id))
        values = bundles.owed_values([one.object_id for one in owed], [one.version for one in owed])
        return str(await connection.scalar(bundles.gathered(rows), values))

    async def apply(self, act: Act, from_tenant: str, items: str) -> Mapping[UUID, str]:
        """`Traveller.apply`: become home. `LATER` while the patient is not known here; NOT_HANDED."""
        return {UUID(item["id"]): await self._one(act, from_tenant, item) for item in json.loads(items)}

    async def _one(self, act: Act, from_tenant: str, item: Mapping[str, Any]) -> str:
        met = await meet(act, item)
        if met is None or met[1] is None:
            return LATER
        meant, patient_id = met[0], met[1]
        key = self.locator.person_key(meant.ins)
        found = (await self.locator.find([key])).get(key)
        home, here = found.home if found is not None else None, act.context.tenant.id
        is_handed = home is not None and home.state is HomeState.HANDED and home.claimed_by == here
        if home is None or not ((is_handed and home.tenant_id == from_tenant) or home.tenant_id == here):
            return NOT_HANDED
        await home_moves.take(
            act,
            patient_id,
            version=item["home_version"],
            from_tenant=from_tenant,
            decisions=json.dumps(item["decisions"]),
        )
        return APPLIED
