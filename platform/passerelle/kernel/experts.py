"""Who of another network could sit on a board for lack of one here; floor 3 answers, where networks are bound."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Expert:
    """A professional of another network, by his name and where he works."""

    name: str
    establishment: str
    network: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """What was heard. `was_asked` is false where nobody was: no expert then means nothing."""

    was_asked: bool
    experts: tuple[Expert, ...] = ()


class ElsewhereExperts(Protocol):
    """Asks the other networks for those of one specialty who sit on a board there."""

    async def of_specialty(self, tenant_id: str, specialty: str, at: datetime, /) -> Elsewhere:
        """For a session of a network, at an instant. `specialty` is a word that a quorum counts by; no patient is in
        what is asked."""
        ...


class NobodyAsked:
    """Asks nobody, and says so: what a request has that was given no other network."""

    async def of_specialty(self, _tenant_id: str, _specialty: str, _at: datetime, /) -> Elsewhere:
        return Elsewhere(was_asked=False)
