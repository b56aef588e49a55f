"""What travels: each kind says how its states are gathered and applied, and when one is owed.

A domain offers the two statements; the traveller that wraps them stands in this floor's `kinds`. Everything about one
bundle is one statement in PostgreSQL on either side: Python sees bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.transactions import Act

#: What a bundle holds at most.
BUNDLE = 100
#: The answers of a traveller: done, or come again (what it needs has not arrived yet), else a code: refused.
APPLIED, LATER = "applied", "later"


class Priority(IntEnum):
    """What goes first: what narrows a view before what widens or fills it."""

    NARROWS = 0
    RELATES = 1
    FILLS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """One object that a peer must hear of: `payload` is JSON text for what is said once, null for a state."""

    object_id: UUID
    patient_id: UUID
    version: int
    payload: str | None = None


class Traveller(Protocol):
    """One kind of what travels."""

    @property
    def kind(self) -> str: ...

    @property
    def priority(self) -> Priority: ...

    async def gather(self, connection: AsyncConnection, to_tenant: str, owed: Sequence[Owed]) -> str:
        """JSON text: an array of objects, each with `id` (object_id), `version` and whatever `apply` needs.

        The current state, read now. An object that is no more is said as such (`"gone": true`), never left out: what is
        left out stays owed.
        """
        ...

    async def apply(self, act: Act, from_tenant: str, items: str) -> Mapping[UUID, str]:
        """Take in what another network's `gather` gave (JSON text), in the caller's transaction.

        By object: `APPLIED`, `LATER`, or the code of a refusal. Given only items that are newer than what was applied
        before. Raises nothing for one item that is wrong: the others of its bundle are applied.
        """
        ...
