"""The connections of one database for transactions: SQLAlchemy's, their number and their queue bounded.

At most `size` at once; `room` more wait, `timeout` seconds at most; who comes then hears DATABASE_BUSY at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from select import POLLIN, poll
from time import perf_counter
from typing import Any, Final, cast

from sqlalchemy.engine import Dialect, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from passerelle.kernel import tracing
from passerelle.kernel.ceiling import Share
from passerelle.kernel.errors import TryLater
from passerelle.kernel.outages import BUSY
from passerelle.kernel.sql_tallies import FULL, SQL, WAITS

# Connections that were idle for so long may go to another database that wants one more.
_QUIET_SECONDS: Final = 1.0


def _listen_before_asking(dialect: Dialect) -> None:
    """Have a pooled connection asked whether it lives only where something came on it while it was idle: a server that
    went away has closed it, and said so."""
    ask = dialect.do_ping

    def is_alive(connection: Any) -> bool:
        driver = connection.driver_connection
        if driver.closed:
            return ask(connection)
        heard = poll()
        heard.register(driver.fileno(), POLLIN)
        return not heard.poll(0) or ask(connection)

    dialect.do_ping = is_alive  # type: ignore[method-assign, assignment]


class Transactions:
    """SQLAlchemy's pool, under a share of the ceiling. One event loop."""

    def __init__(self, url: str, *, size: int, room: int, timeout: float, share: Share) -> None:
        self._engine: AsyncEngine = create_async_engine(
            make_url(url).set(drivername="postgresql+psycopg"),
            pool_size=size,
            max_overflow=0,
            pool_timeout=timeout,
            pool_pre_ping=True,
            hide_parameters=True,  # an error's text must not quote a row
        )
        _listen_before_asking(self._engine.sync_engine.dialect)
        tracing.listen_to(self._engine.sync_engine)
        self._size = size
        self._room = room
        self._timeout = timeout
        self._share = share
        self._active = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_yielding = False
        self._letting_go: asyncio.Task[None] | None = None
        self.used_at = 0.0

    @property
    def held(self) -> int:
        return max(self._pooled, self._active)

    @property
    def _pooled(self) -> int:
        pool = cast(QueuePool, self._engine.pool)
        return pool.checkedin() + pool.checkedout()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """Commit on leaving, roll back on any exception. Raises `TryLater` (DATABASE_BUSY), and SQLAlchemy's own."""
        await self._enter()
        began = perf_counter()
        try:
            async with self._engine.begin() as connection:
                yield connection
        finally:
            SQL.add(perf_counter() - began, "transaction")
            self._active -= 1
            self.used_at = asyncio.get_running_loop().time()
            if not self._active and (self._is_yielding or self._share.is_wanted):
                await self._let_go()
            self._start_waiting()

    async def _enter(self) -> None:
        if not self._waiting and self._may_start():
            self._active += 1
            return
        if len(self._waiting) >= self._room:
            FULL.add("transactions")
            raise TryLater(BUSY, retry_after=1)
        began = perf_counter()
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self._timeout):
                await turn
            WAITS.add(perf_counter() - began, "transactions")
        except BaseException as left:
            if turn in self._waiting:
                self._waiting.remove(turn)
            if turn.done() and not turn.cancelled():  # it came just as its owner left
                self._active -= 1
                if not self._active and self._is_yielding:
                    self._letting_go = asyncio.get_running_loop().create_task(self._let_go())
                self._start_waiting()
            if isinstance(left, TimeoutError):
                FULL.add("transactions")
                raise TryLater(BUSY, retry_after=1) from left
            raise

    def _may_start(self) -> bool:
        if self._is_yielding or self._active >= self._size:
            return False
        return self._pooled > self._active or self._share.take(self)

    def _start_waiting(self) -> None:
        while self._waiting and self._may_start():
            self._start_one()

    def _start_one(self) -> bool:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                self._active += 1
                turn.set_result(None)
                return True
        return False

    async def _let_go(self) -> None:
        """Close what is idle, while nothing is at work."""
        self._is_yielding = True
        try:
            await self._engine.dispose()
        finally:
            self._is_yielding = False
            self._share.released()
            self._start_waiting()

    def give_up(self, *, starving: bool) -> bool:
        loop = asyncio.get_running_loop()
        is_quiet = starving or loop.time() - self.used_at >= _QUIET_SECONDS
        if self._active or self._is_yielding or not self._pooled or not is_quiet:
            return False
        self._is_yielding = True  # nobody starts until it is done
        self._letting_go = loop.create_task(self._let_go())
        return True

    def yield_one(self) -> None:
        if not self.give_up(starving=True) and self._active:
            self._is_yielding = True

    def offered(self) -> bool:
        return self._active < self._size and not self._is_yielding and self._start_one()

    async def close(self) -> None:
        """Close what is idle; who is at work closes its own."""
        await self._engine.dispose()
        self._share.leave(self)
