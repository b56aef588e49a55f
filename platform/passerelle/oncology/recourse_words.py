"""What two networks say to each other about a case referred by one to a board of the other, and how it travels.

    home                                  where the experts are
    CASE      the case, as it is now  ──▶
              ◀──  RECEIVED · DECLINED · READ · OPINION
    TAKEN_BACK                        ──▶

Each side tells how things stand, so that a word said twice, late or after the next one changes nothing: whoever
listens goes only forward. Decision 0126.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID


class Word(StrEnum):
    """What is said."""

    CASE = "case"
    TAKEN_BACK = "taken_back"
    RECEIVED = "received"
    DECLINED = "declined"
    READ = "read"
    OPINION = "opinion"


class DeclinedBecause(StrEnum):
    """Why experts give a case back without an opinion; a word, for no sentence about a patient to stay with them."""

    NETWORK_UNKNOWN = "network_unknown"
    BOARD_UNKNOWN = "board_unknown"
    NO_SESSION = "no_session"
    SESSION_OVER = "session_over"
    NOT_COMPETENT = "not_competent"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One word about one referral. `body` holds health data: a transport keeps it sealed on its way."""

    word: Word
    referral_id: UUID
    from_network: str
    to_network: str
    body: Mapping[str, Any]


class NetworkUnknown(Exception):
    """No such network: what is sent to it comes to nothing."""


class RecourseTransport(Protocol):
    """Carries messages between networks: each at least once, in any order, after a while.

    It gives each to `recourse_arrivals` in the network it is for, and returns once nothing on its way loses it. Of what
    it holds until then of one referral, only the newest word of each side needs to arrive, and every `READ`.

    It raises `NetworkUnknown`, or anything else for what is to be tried again.
    """

    async def send(self, message: Message, /) -> None: ...
