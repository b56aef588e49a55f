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


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Which octets of a content: `[start:stop]`, and whether they continue a reading that has its journal line."""

    start: int = 0
    stop: int | None = None
    continues: bool = False


class RecordsElsewhere(Protocol):
    """Asks the patient's home, which decides by its own rules on who asks; and the network that keeps a content."""

    async def record(self, context: Context, patient_id: UUID, asked: Mapping[str, Any], /) -> RecordElsewhere:
        """Open the record where it is at home, within the budget of a query. `asked`: filter, first, after."""
        ...

    async def about(self, context: Context, network: str, document_id: UUID, continues: bool, /) -> Mapping[str, Any]:
        """`mime_type`, `sha256` and `size` of a content, decided upon and journalled there, unless it `continues`.

        `Refused` with DOCUMENT_UNKNOWN as there; `TryLater` with NETWORK_AWAY when it does not answer.
        """
        ...

    def content(self, context: Context, network: str, document_id: UUID, span: Span, /) -> AsyncIterator[bytes]:
        """The octets of a span of a content, under the decision of the network that gives them; refused as `about`."""
        ...


class NothingElsewhere:
    """Reaches nobody: what a request has that was given no other network."""

    async def record(self, context: Context, _patient_id: UUID, _asked: Mapping[str, Any], /) -> RecordElsewhere:
        here = Part(network=context.tenant.id, name=context.tenant.name, state="answered", as_of=context.clock.now())
        return RecordElsewhere(home=None, documents=(), has_next=False, total=None, since=None, parts=(here,))

    async def about(
        self, _context: Context, network: str, _document_id: UUID, _continues: bool, /
    ) -> Mapping[str, Any]:
        raise TryLater("NETWORK_AWAY", retry_after=30, network=network)

    async def content(
        self, _context: Context, network: str, _document_id: UUID, _span: Span, /
    ) -> AsyncIterator[bytes]:
        raise TryLater("NETWORK_AWAY", retry_after=30, network=network)
        yield b""
