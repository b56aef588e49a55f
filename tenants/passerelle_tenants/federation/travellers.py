"""What travels: each kind says how its states are gathered and applied, and when one is owed.

A domain offers the two statements; the traveller that wraps them stands in this floor's `kinds`. Everything about one
bundle is one statement in PostgreSQL on either side: Python sees bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.transactions import Act

#: What a bundle holds at most.
BUNDLE = 100
#: The answers of a traveller: done, or come again (what it needs has not arrived yet), else a code: refused.
APPLIED, LATER = "applied", "later"


class Priority(IntEnum):
    """What goes first: what narrows a view before what widens or fills it; last, what tells of what was done."""

    NARROWS = 0
    RELATES = 1
    FILLS = 2
    TELLS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """One object that a peer must hear of: `payload` is JSON text for what is said once, null for a state."""

    object_id: UUID
    patient_id: UUID
    version: int
    payload: str | None = None


class Audience(StrEnum):
    """Who is to hear, of a patient that lives in several networks. Of any other patient, nobody."""

    HOME = "home"
    """His home; nobody when that is here."""
    PLACES = "places"
    """Every other place, when home is here; nobody when it is not."""
    EVERYWHERE = "everywhere"
    """Every other place, wherever home is."""
    PEERS = "peers"
    """Every other network, of whomever the event is."""
    NAMED = "named"
    """The network that the event names, in `network` of the declaration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressed:
    """One reason to owe an object of a kind: an event of one of these names.

    `object_id` and `network` are keys of the event's payload; without `object_id` the object is the patient. An event
    whose payload has null there owes nothing. `carries`: the payload itself is what travels, said once.
    """

    events: tuple[str, ...]
    to: Audience
    object_id: str | None = None
    network: str | None = None
    carries: bool = False


class Traveller(Protocol):
    """One kind of what travels."""

    @property
    def kind(self) -> str: ...

    @property
    def priority(self) -> Priority: ...

    @property
    def addressed(self) -> Sequence[Addressed]: ...

    async def gather(self, connection: AsyncConnection, to_tenant: str, owed: Sequence[Owed]) -> str | bytes:
        """JSON text: an array of objects, each with `id` (object_id), `version` and whatever `apply` needs; or octets,
        the same in columns (`dossier.federated_columns`).

        The current state, read now. An object that is no more is said as such (`"gone": true`), never left out: what is
        left out stays owed.
        """
        ...

    async def apply(self, act: Act, from_tenant: str, items: Any) -> Mapping[UUID, str]:
        """Take in what another network's `gather` gave, JSON text or octets, in the caller's transaction.

        By object: `APPLIED`, `LATER`, or the code of a refusal. Given only items that are newer than what was applied
        before. Raises nothing for one item that is wrong: the others of its bundle are applied.
        """
        ...


class Kinds:
    """Every kind that travels, in the order in which those of one bundle are applied."""

    def __init__(self, travellers: Sequence[Traveller]) -> None:
        self._by_kind = {each.kind: each for each in travellers}
        if len(self._by_kind) < len(travellers):
            raise ValueError("two travellers of one kind")

    def __iter__(self) -> Iterator[Traveller]:
        return iter(self._by_kind.values())

    def get(self, kind: str) -> Traveller | None:
        return self._by_kind.get(kind)
