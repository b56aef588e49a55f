"""The lines of one database: which one a statement takes, how many there are, who waits and who is told to go.

Each line takes `depth` requests at once; what finds none free waits in a room of bounded size, and beyond it is
told DATABASE_BUSY at once. A statement that met a dead connection runs once more on a living one: when one line
dies at work its neighbours take nothing new either, since what killed it is mostly the server's end.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from time import perf_counter
from typing import Any, Final

import psycopg

from passerelle.kernel.ceiling import Share
from passerelle.kernel.errors import TryLater
from passerelle.kernel.outages import AWAY, BUSY, is_away, outages_told
from passerelle.kernel.pipeline import UNPREPARED_STATES, Line, Request
from passerelle.kernel.sql_tallies import FULL, SQL, WAITS

# A line that was idle for so long may go to another database that wants one more.
_QUIET_SECONDS: Final = 1.0
# After a refusal of the ceiling, how long one does not ask again.
_REFUSED_SECONDS: Final = 0.1
# Beyond its statement time-out, what a server has to say that it stopped.
SILENCE_SECONDS: Final = 5.0


class Pipelines:
    """The connections for single statements. Opened when first asked; one event loop."""

    def __init__(
        self,
        url: str,
        *,
        set_up: str,
        size: int,
        depth: int,
        room: int,
        timeout: float,
        statement_seconds: float,
        share: Share,
    ) -> None:
        self._url = url
        self._set_up = f"{set_up}; set statement_timeout = {max(1, round(statement_seconds * 1000))}"
        self._size = size
        self._depth = depth
        self._room = room
        self._timeout = timeout
        self._silence = statement_seconds + SILENCE_SECONDS
        self._share = share
        self._lines: list[Line] = []
        self._retiring: set[Line] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._waiting: deque[Request] = deque()
        self._refused_until = 0.0
        self._is_closing = False
        self._owes_one = False
        self.used_at = 0.0

    @property
    def held(self) -> int:
        return len(self._lines) + len(self._retiring) + len(self._opening)

    @property
    def waiting(self) -> int:
        """Requests that no line has taken yet."""
        return len(self._waiting)

    async def ask(self, sql: bytes, values: Sequence[bytes | None], *, as_bytes: bool) -> Any:
        """One statement, as its own transaction. Raises `TryLater`, or psycopg's error of the statement."""
        began = perf_counter()
        try:
            return await self._asked(sql, values, as_bytes)
        except psycopg.Error as failed:
            with outages_told():
                if not _is_worth_another(failed):
                    raise
                return await self._asked(sql, values, as_bytes)
        finally:
            SQL.add(perf_counter() - began, "statement")

    async def _asked(self, sql: bytes, values: Sequence[bytes | None], as_bytes: bool) -> Any:
        if self._is_closing:
            raise TryLater(AWAY, retry_after=2)
        loop = asyncio.get_running_loop()
        self.used_at = now = loop.time()
        request = Request(sql, values, loop.create_future(), as_bytes)
        line = self._least_loaded()
        if line is None or line.load:
            self._want_more(now)
            line = line or self._least_loaded()
        if line is not None and line.load < self._depth:
            line.send(request)
            return await request.future
        return await self._waited(request, loop)

    async def _waited(self, request: Request, loop: asyncio.AbstractEventLoop) -> Any:
        if len(self._waiting) >= self._room:
            FULL.add("statements")
            raise TryLater(BUSY, retry_after=1)
        request.waits_since = perf_counter()
        self._waiting.append(request)
        given_up = loop.call_later(self._timeout, self._dismiss, request)
        try:
            return await request.future
        finally:
            given_up.cancel()
            if request in self._waiting:
                self._waiting.remove(request)

    def _dismiss(self, request: Request) -> None:
        if request in self._waiting and not request.future.done():
            FULL.add("statements")
            request.future.set_exception(TryLater(BUSY, retry_after=1))

    def _least_loaded(self) -> Line | None:
        least = None
        for line in self._lines:  # in one order, so that what is too many stays idle
            if not line.load:
                return line
            if least is None or line.load < least.load:
                least = line
        return least

    def _want_more(self, now: float) -> None:
        held = self.held
        if held >= self._size or len(self._opening) > len(self._waiting) or (held and now < self._refused_until):
            return
        if self._share.take(self):
            self._open()
        else:
            self._refused_until = now + _REFUSED_SECONDS

    def _open(self) -> None:
        task = asyncio.get_running_loop().create_task(self._opened())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _opened(self) -> None:
        try:
            line = await Line.connect(
                self._url, self, set_up=self._set_up, seconds=self._timeout, silence=self._silence
            )
        except psycopg.Error as failed:
            self._opening.discard(asyncio.current_task())
            self._share.released()
            self._tell_waiting(failed)
        except BaseException:
            self._share.released()
            raise
        else:
            self._opening.discard(asyncio.current_task())
            self._lines.append(line)
            self.freed(line)
            if self._owes_one and line in self._lines:
                self._owes_one = False
                self._retire(line)

    def _tell_waiting(self, failed: psycopg.Error) -> None:
        """Whoever waits for a line hears that there is none, unless others live."""
        if self._lines or self._opening:
            return
        for request in self._waiting:
            if not request.future.done():
                later = TryLater(AWAY, retry_after=2)
                later.__cause__ = failed
                request.future.set_exception(later)

    def freed(self, line: Line) -> None:
        if line.is_retiring:
            if not line.load:
                self._drop(line)
            return
        while self._waiting and line.load < self._depth and not line.is_closed:
            request = self._waiting.popleft()
            if not request.future.done():
                WAITS.add(perf_counter() - request.waits_since, "statements")
                line.send(request)
        if not line.load and self._share.is_wanted and not line.is_closed:
            self._drop(line)

    def lost(self, line: Line, *, was_working: bool) -> None:
        self._forget(line)
        if was_working:
            for each in list(self._lines):
                self._retire(each)
        self._share.released()
        if self._waiting:
            self._want_more(asyncio.get_running_loop().time())

    def _retire(self, line: Line) -> None:
        line.is_retiring = True
        self._lines.remove(line)
        self._retiring.add(line)
        if not line.load:
            self._drop(line)

    def _drop(self, line: Line) -> None:
        self._forget(line)
        line.close()
        self._share.released()
        if self._waiting and not self._lines:
            self._want_more(asyncio.get_running_loop().time())

    def _forget(self, line: Line) -> None:
        self._retiring.discard(line)
        if line in self._lines:
            self._lines.remove(line)

    def give_up(self, *, starving: bool) -> bool:
        now = asyncio.get_running_loop().time()
        for line in reversed(self._lines):
            if not line.load and (starving or now - line.heard_at >= _QUIET_SECONDS):
                self._drop(line)
                return True
        return False

    def yield_one(self) -> None:
        if self._lines:
            self._retire(min(self._lines, key=lambda line: line.load))
        elif self._opening:
            self._owes_one = True  # when it has come, and served those who wait for it

    def offered(self) -> bool:
        if self._is_closing or not self._waiting or self.held >= self._size:
            return False
        self._open()
        return True

    def _is_busy(self) -> bool:
        return bool(self._opening or self._waiting) or any(line.load for line in (*self._lines, *self._retiring))

    async def close(self) -> None:
        """Refuse what is new, wait for what is in flight or waits, close the lines."""
        self._is_closing = True
        while self._is_busy():  # noqa: ASYNC110 - once in a life, and bounded by the time-outs
            await asyncio.sleep(0.005)
        for line in (*self._lines, *self._retiring):
            self._drop(line)
        self._share.leave(self)


def _is_worth_another(failed: psycopg.Error) -> bool:
    """The connection was dead, or had lost what it had prepared."""
    state = failed.sqlstate
    if state is None:
        return isinstance(failed, psycopg.OperationalError)
    return is_away(state) or state in UNPREPARED_STATES
