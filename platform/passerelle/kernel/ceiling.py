"""How many connections all databases of an installation may open together.

Statements and transactions have a half each: a transaction that waits for a statement never waits for a connection
that another transaction holds. Who is quiet gives up to who is busy; who has no connection at all is served before
whoever wants one more, if need be by the richest, who lets one go when it has done its work. So nobody waits for ever.
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
        """Let go of an idle connection: for one who has none any, else one that has long been idle.

        True when something is let go, at once or soon; it then calls `give_back`.
        """

    def yield_one(self) -> None:
        """Let go of a connection as soon as its work is done."""

    def offered(self) -> bool:
        """A connection may be opened now, which was wanted when there was none; true when it is taken."""


class Share:
    """One half. All calls come from one event loop."""

    def __init__(self, limit: int) -> None:
        self.limit = max(1, limit)
        self.taken = 0
        self._holders: list[Holder] = []
        self._starving: deque[Holder] = deque()

    @property
    def is_wanted(self) -> bool:
        """Somebody has no connection and waits for one."""
        return bool(self._starving)

    def take(self, holder: Holder) -> bool:
        """True: a connection may be opened, to be given back one day. False: not now.

        One who has none is remembered, and offered the next that is free.
        """
        if holder not in self._holders:
            self._holders.append(holder)
        if self.taken >= self.limit and holder not in self._starving:
            self._make_room(holder)
        if self.taken >= self.limit:
            return False
        self.taken += 1
        if holder in self._starving:
            self._starving.remove(holder)
        return True

    def give_back(self) -> None:
        """One connection less."""
        self.taken -= 1
        while self._starving and self.taken < self.limit:
            if self._starving.popleft().offered():
                self.taken += 1

    def leave(self, holder: Holder) -> None:
        """It opens no more; what it still has, it gives back."""
        if holder in self._holders:
            self._holders.remove(holder)
        if holder in self._starving:
            self._starving.remove(holder)

    def _make_room(self, holder: Holder) -> None:
        others = sorted((each for each in self._holders if each is not holder), key=lambda each: each.used_at)
        has_none = holder.held == 0
        for other in others:
            if other.give_up(starving=has_none):
                break
        if has_none and self.taken >= self.limit:
            self._starving.append(holder)
            richest = max(others, key=lambda each: each.held, default=None)
            if richest is not None:
                richest.yield_one()


class Ceiling:
    """`connections` in sum, halved."""

    def __init__(self, connections: int) -> None:
        self.statements = Share(connections - connections // 2)
        self.transactions = Share(connections // 2)
