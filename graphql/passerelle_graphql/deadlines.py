"""Ends operations that take longer than they may, by one timer for all: each one's own would cost every request more
than reading its token does."""

from __future__ import annotations

import asyncio


class Deadlines:
    """Each operation may take `seconds`, or a tenth more. One event loop."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._every = seconds / 10
        self._ends: dict[asyncio.Timeout, float] = {}  # what ends first comes first
        self._is_looking = False

    def begin(self) -> asyncio.Timeout:
        """What to enter at once: it raises TimeoutError when the time is over. Whoever leaves it tells `end`."""
        loop = asyncio.get_running_loop()
        begun = asyncio.timeout(None)
        self._ends[begun] = loop.time() + self._seconds
        if not self._is_looking:
            self._is_looking = True
            loop.call_later(self._every, self._look, loop)
        return begun

    def end(self, begun: asyncio.Timeout) -> None:
        """It was left."""
        self._ends.pop(begun, None)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for each in [each for each, end in self._ends.items() if end <= now]:
            del self._ends[each]
            each.reschedule(now)
        self._is_looking = bool(self._ends)
        if self._is_looking:
            loop.call_later(self._every, self._look, loop)
