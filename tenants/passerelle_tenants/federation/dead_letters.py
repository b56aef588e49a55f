"""What is not sent any more until somebody looks at it: refused by the other network, or never ready there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select, update

from passerelle.audit.transactions import Act
from passerelle.kernel.context import Tenant
from passerelle_tenants.federation.tables import federation_out

#: Why a state is owed no more that the other network does not have.
DROPPED: Final = "FEDERATION_GIVEN_UP"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One state that another network does not have. Ids and codes: no datum of a patient."""

    to_tenant: str
    kind: str
    object_id: UUID
    version: int
    since: datetime
    attempts: int
    dead_at: datetime
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which dead letters: all of them, unless told otherwise."""

    to_tenant: str | None = None
    kind: str | None = None
    object_id: UUID | None = None

    def condition(self) -> ColumnElement[bool]:
        """SQL condition: a row is one of them."""
        out = federation_out
        given = {"to_tenant": self.to_tenant, "kind": self.kind, "object_id": self.object_id}
        asked = (out.c[name] == value for name, value in given.items() if value is not None)
        return and_(out.c.dead_at.is_not(None), out.c.acked_version < out.c.version, *asked)


async def dead(tenant: Tenant, which: Which, first: int = 100) -> Sequence[DeadLetter]:
    """The dead letters, the oldest first."""
    columns = [federation_out.c[name] for name in DeadLetter.__dataclass_fields__]
    found = select(*columns).where(which.condition()).order_by(federation_out.c.dead_at).limit(first)
    async with tenant.database.transaction() as connection:
        return [DeadLetter(**row) for row in (await connection.execute(found)).mappings()]


async def retry(act: Act, which: Which) -> int:
    """Send them again, as they stand now; how many."""
    again = {"dead_at": None, "code": None, "attempts": 0, "deferred": 0, "next_attempt_at": act.now}
    return await _change(act, which, again)


async def drop(act: Act, which: Which) -> int:
    """Owe them no more, until their object changes again; how many."""
    out = federation_out
    return await _change(
        act, which, {"acked_version": out.c.version, "payload": None, "dead_at": None, "code": DROPPED}
    )


async def _change(act: Act, which: Which, changed: Mapping[str, Any]) -> int:
    """Locked in the order of the key, as by whoever else locks several."""
    out = federation_out
    keys = [out.c[name] for name in ("to_tenant", "kind", "object_id")]
    chosen = select(*keys).where(which.condition()).order_by(*keys).with_for_update().cte("chosen")
    changing = update(out).where(*(each == chosen.c[each.name] for each in keys)).values(**changed)
    return len((await act.connection.execute(changing.returning(out.c.object_id))).all())
