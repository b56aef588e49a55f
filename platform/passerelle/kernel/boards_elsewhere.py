"""Which boards of other networks a case may be referred to; where networks are bound, somebody answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardElsewhere:
    """A validated board of another network, and when its next session begins."""

    network: str
    network_name: str
    board_id: UUID
    name: str
    kind: str
    organ: str | None
    next_session_at: datetime


class BoardsElsewhere(Protocol):
    """Asks the other networks for their boards that meet; no patient is in what is asked."""

    async def meeting(self, tenant_id: str, at: datetime, /) -> tuple[BoardElsewhere, ...]:
        """The validated boards of networks other than `tenant_id` that have a session to come."""
        ...


class NoBoardsElsewhere:
    """Knows of none: what a request has that was given no other network."""

    async def meeting(self, _tenant_id: str, _at: datetime, /) -> tuple[BoardElsewhere, ...]:
        return ()
