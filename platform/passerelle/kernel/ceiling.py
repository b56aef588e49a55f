"""How many connections all databases of an installation may open together.

Statements and transactions have a half each: a transaction that waits for a statement never waits for a connection
that another transaction holds. Who is quiet gives up to who is busy. Who has no connection at all comes before
whoever wants one more, if need be at the cost of the richest, who lets one go when its work is done: nobody waits
for ever.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol


class Holder(Protocol):
    """Who opens connections under a ceiling."""

    @property
    def used_at(self) -> float:
        """When it last did anything."""

    @property
    def held(self) -> int:
        """Connections that it has, or is opening."""

    def give_up(self, *, starving: bool) -> bool:
        """Let go of an idle connection: at once for who has none, else only of one that has long been idle.

        True when one is let go, now or in a moment; `Share.released` is then called.
        """

    def yield_one(self) -> None:
        """Let go of a connection as soon as its work is done."""

    def offered(self) -> bool:
        """There is room now, which there was not when it asked; true when it opens a connection."""


class Share:
    """One half. All calls come from one event loop."""

    def __init__(self, limit: int) -> None:
        self.limit = max(1, limit)
        self._holders: list[Holder] = []
        self._starving: deque[Holder] = deque()

    @property
    def taken(self) -> int:
        """Connections that are open, or opening."""
        return sum(holder.held for holder in self._holders)

    @property
    def is_wanted(self) -> bool:
        """Somebody has no connection and waits for one."""
        return bool(self._starving)

    def take(self, holder: Holder) -> bool:
        """True: it opens a connection now. False: it may not; one who has none hears `offered` when it may."""
        if holder not in self._holders:
            self._holders.append(holder)
        if self.taken >= self.limit:
            if holder in self._starving:
                return False
            self._make_room(holder)
            if self.taken >= self.limit:
                return False
        if holder in self._starving:
            self._starving.remove(holder)
        return True

    def released(self) -> None:
        """One connection less: there may be room for who has none."""
        while self._starving and self.taken < self.limit:
            self._starving.popleft().offered()

    def leave(self, holder: Holder) -> None:
        """It has closed its connections and opens no more."""
        if holder in self._holders:
            self._holders.remove(holder)
        if holder in self._starving:
            self._starving.remove(holder)
        self.released()

    def _make_room(self, holder: Holder) -> None:
        others = sorted((each for each in self._holders if each is not holder), key=lambda each: each.used_at)
        has_none = holder.held == 0
        gives_up = any(other.give_up(starving=has_none) for other in others)
        if not has_none or self.taken < self.limit:
            return
        self._starving.append(holder)
        if not gives_up and others:
            max(others, key=lambda each: each.held).yield_one()


class Ceiling:
    """`connections` in sum, halved."""

    def __init__(self, connections: int) -> None:
        self.statements = Share(connections - connections // 2)
        self.transactions = Share(connections // 2)
