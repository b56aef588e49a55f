"""What a use case may ask other networks of a patient; where networks are bound, somebody answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from passerelle.kernel.errors import TryLater

if TYPE_CHECKING:
    from passerelle.kernel.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What became of one network's part of an answer: `state` is a word of the manifest, `as_of` how fresh it is."""

    network: str
    name: str
    state: str
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordElsewhere:
    """What a patient's home shows of his record to who asked from here, and every network's part.

    `documents` have the names of a document of the record; empty where nobody answered: `parts` says so.
    """

    home: str | None
    documents: Sequence[Mapping[str, Any]]
    has_next: bool
    total: int | None
    since: datetime | None
    parts: Sequence[Part]


class RecordsElsewhere(Protocol):
    """Asks the patient's home, which decides by its own rules on who asks; and the network that keeps a content."""

    async def record(self, context: Context, patient_id: UUID, asked: Mapping[str, Any], /) -> RecordElsewhere:
        """Open the record where it is at home, within the budget of a query. `asked`: filter, first, after."""
        ...

    def content(
        self, context: Context, network: str, document_id: UUID, start: int, stop: int | None, /
    ) -> AsyncIterator[bytes]:
        """`content[start:stop]` from the network that keeps it, under its decision.

        `Refused` with DOCUMENT_UNKNOWN as there; `TryLater` with NETWORK_AWAY when it does not answer.
        """
        ...


class NothingElsewhere:
    """Reaches nobody: what a request has that was given no other network."""

    async def record(self, context: Context, _patient_id: UUID, _asked: Mapping[str, Any], /) -> RecordElsewhere:
        here = Part(network=context.tenant.id, name=context.tenant.name, state="answered", as_of=context.clock.now())
        return RecordElsewhere(home=None, documents=(), has_next=False, total=None, since=None, parts=(here,))

    async def content(
        self, _context: Context, network: str, _document_id: UUID, _start: int, _stop: int | None, /
    ) -> AsyncIterator[bytes]:
        raise TryLater("NETWORK_AWAY", retry_after=30, network=network)
        yield b""
