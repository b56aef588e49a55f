"""What the networks of one installation tell each other of their boards, asked for as it is wanted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from passerelle.identities.directory import Directory
from passerelle.kernel.boards_elsewhere import BoardElsewhere
from passerelle.kernel.context import Tenant
from passerelle.kernel.errors import PasserelleError
from passerelle.kernel.experts import Elsewhere, Expert
from passerelle.oncology import elsewhere
from passerelle_ops import logs

_log = structlog.get_logger("passerelle.elsewhere")


@dataclass(frozen=True, slots=True)
class OtherNetworks:
    """The other networks of an installation, each asked in turn. One that is away is left out, and logged."""

    networks: Callable[[], Awaitable[tuple[Tenant, ...]]]
    directory: Directory

    async def meeting(self, tenant_id: str, at: datetime, /) -> tuple[BoardElsewhere, ...]:
        """`kernel.boards_elsewhere.BoardsElsewhere`."""
        found = []
        for tenant in await self._but(tenant_id):
            try:
                async with tenant.database.transaction() as connection:
                    rows = await elsewhere.meeting(connection, at)
            except PasserelleError as away:
                _log.warning("not asked", tenant=tenant.id, **logs.place(away))
                continue
            found += [BoardElsewhere(network=tenant.id, network_name=tenant.name, **row._mapping) for row in rows]
        return tuple(found)

    async def of_specialty(self, tenant_id: str, specialty: str, at: datetime, /) -> Elsewhere:
        """`kernel.experts.ElsewhereExperts`; `was_asked` once every other network answered."""
        experts, was_asked = [], True
        for tenant in await self._but(tenant_id):
            try:
                async with tenant.database.transaction() as connection:
                    rows = await elsewhere.sitting(connection, specialty, at)
            except PasserelleError as away:
                _log.warning("not asked", tenant=tenant.id, **logs.place(away))
                was_asked = False
                continue
            for row in rows:
                place = await self._place(row.subject.partition(":")[2], tenant.id)
                experts.append(Expert(name=row.name, establishment=place, network=tenant.name))
        return Elsewhere(was_asked=was_asked, experts=tuple(experts))

    async def _but(self, tenant_id: str) -> tuple[Tenant, ...]:
        return tuple(each for each in await self.networks() if each.id != tenant_id)

    async def _place(self, rpps: str, tenant_id: str) -> str:
        """The name of the establishment where somebody works in a network; empty for a practice of his own."""
        known = await self.directory.professional(rpps)
        for each in known.practices_in(tenant_id) if known is not None else ():
            if each.finess and (place := await self.directory.establishment(each.finess)) is not None:
                return place.name
        return ""
