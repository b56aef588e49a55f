"""One PostgreSQL connection held in pipeline mode: statements go out at once, answers come back in order.

A request is one write (parse, when the connection has not seen the statement; bind, execute, sync) and a
transaction of its own: the sync ends it, so that an error touches nobody else. The caller who has left (a cancelled
task) leaves its place in the order: the answer is read and dropped.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Any, Final, Protocol

from psycopg import AsyncConnection, OperationalError, pq
from psycopg.adapt import Transformer
from psycopg.errors import QueryCanceled, error_from_result
from psycopg.pq.abc import PGconn, PGresult
from psycopg.rows import TupleRow

# Statements that a connection keeps prepared: what is generated without end must not fill PostgreSQL's memory.
KEPT_STATEMENTS: Final = 256

_DONE: Final = int(pq.ExecStatus.COMMAND_OK), int(pq.ExecStatus.TUPLES_OK)
_ROWS: Final = int(pq.ExecStatus.TUPLES_OK)
_ERROR: Final = int(pq.ExecStatus.FATAL_ERROR)
_ABORTED: Final = int(pq.ExecStatus.PIPELINE_ABORTED)
_SYNC: Final = int(pq.ExecStatus.PIPELINE_SYNC)
_ALIVE: Final = int(pq.ConnStatus.OK)
# A name that is not there, a plan whose columns have changed since: prepared anew, the statement runs.
UNPREPARED_STATES: Final = ("26000", "0A000")


class Request:
    """One call: what is sent, and who waits for it. `as_bytes`: the one row as it came, else rows of objects."""

    __slots__ = ("as_bytes", "before", "failed", "future", "result", "sql", "values", "waits_since")

    def __init__(self, sql: bytes, values: Sequence[bytes | None], future: asyncio.Future[Any], as_bytes: bool) -> None:
        self.sql = sql
        self.values = values
        self.future = future
        self.as_bytes = as_bytes
        self.before = 0  # commands of ours that stand before the statement itself
        self.waits_since = 0.0  # where no line was free
        self.result: PGresult | None = None
        self.failed: PGresult | None = None


class Keeper(Protocol):
    """Who hands requests to a line and hears what becomes of it."""

    def freed(self, line: Line) -> None:
        """One more may be sent."""

    def lost(self, line: Line, *, was_working: bool) -> None:
        """The connection is gone. What was in flight has been told so."""


class Line:
    """One connection. `send` never waits; the answer is in the request's future."""

    def __init__(self, connection: AsyncConnection[TupleRow], keeper: Keeper, silence: float) -> None:
        self._connection = connection
        self._pgconn: PGconn = connection.pgconn
        self._keeper = keeper
        self._silence = silence
        self._loop = asyncio.get_running_loop()
        self._transformer = Transformer(connection)
        self._names: OrderedDict[bytes, bytes] = OrderedDict()
        self._prepared = 0
        self._flying: deque[Request] = deque()
        self.load = 0  # how many are in flight
        self._is_blocked = False
        self._watch: asyncio.TimerHandle | None = None
        self.heard_at = self._loop.time()
        self.is_retiring = False
        self.is_closed = False
        self._fd = self._pgconn.socket
        self._pgconn.nonblocking = 1
        self._pgconn.enter_pipeline_mode()
        self._loop.add_reader(self._fd, self._readable)

    @classmethod
    async def connect(cls, url: str, keeper: Keeper, *, set_up: str, seconds: float, silence: float) -> Line:
        """A connection on which `set_up` has run. Raises OperationalError, after `seconds` at the latest.

        One that has been asked and says nothing for `silence` seconds is taken for dead.
        """
        try:
            async with asyncio.timeout(seconds):
                connection = await AsyncConnection.connect(url, autocommit=True)
                try:
                    await connection.execute(set_up.encode())
                    return cls(connection, keeper, silence)
                except BaseException:
                    await connection.close()
                    raise
        except TimeoutError as slow:
            raise OperationalError("the connection took too long") from slow

    def send(self, request: Request) -> None:
        if not self._flying:
            self.heard_at = self._loop.time()
            if self._watch is None:
                self._watch = self._loop.call_later(self._silence, self._watched)
        self._flying.append(request)
        self.load += 1
        pgconn = self._pgconn
        try:
            name = self._names.get(request.sql)
            if name is None:
                name = self._prepare(request)
            else:
                self._names.move_to_end(request.sql)
            pgconn.send_query_prepared(name, request.values)
            pgconn.pipeline_sync()
            if pgconn.flush() and not self._is_blocked:
                self._is_blocked = True
                self._loop.add_writer(self._fd, self._writable)
        except OperationalError as lost:
            self._die(lost)

    def _prepare(self, request: Request) -> bytes:
        if len(self._names) >= KEPT_STATEMENTS:
            _, oldest = self._names.popitem(last=False)
            self._pgconn.send_query_params(b"deallocate " + oldest, None)
            request.before += 1
        self._prepared += 1
        name = self._names[request.sql] = b"p%d" % self._prepared
        self._pgconn.send_prepare(name, request.sql)
        request.before += 1
        return name

    def close(self) -> None:
        """Close it; what is still in flight is told that the connection is lost."""
        self._end(OperationalError("the connection was closed"))

    def _writable(self) -> None:
        try:
            if self._pgconn.flush():
                return
        except OperationalError as lost:
            self._die(lost)
            return
        self._is_blocked = False
        self._loop.remove_writer(self._fd)

    def _readable(self) -> None:
        try:
            self._pgconn.consume_input()
        except OperationalError as lost:
            self._take()  # what came before the end
            self._die(lost)
            return
        self._take()
        if not self.is_closed and self._pgconn.status != _ALIVE:
            self._die(OperationalError("the connection is lost"))

    def _take(self) -> None:
        """Hand out every answer that is whole."""
        pgconn, flying = self._pgconn, self._flying
        nothing = 0
        while flying and not self.is_closed and not pgconn.is_busy():
            result = pgconn.get_result()
            if result is None:  # the end of one command
                nothing += 1
                if nothing > 1:
                    return
                continue
            nothing = 0
            status = result.status
            if status == _SYNC:
                self.heard_at = self._loop.time()
                self.load -= 1
                self._answer(flying.popleft())
                self._keeper.freed(self)
                continue
            request = flying[0]
            if status == _ERROR:
                request.failed = request.failed or result
            elif status == _ABORTED:
                continue
            elif status not in _DONE:
                self._die(OperationalError("a statement that does not answer in rows"))
            elif request.before:
                request.before -= 1
            else:
                request.result = result

    def _answer(self, request: Request) -> None:
        future, failed = request.future, request.failed
        if failed is not None:
            error = error_from_result(failed)
            if request.before or error.sqlstate in UNPREPARED_STATES:
                self._names.pop(request.sql, None)
            if not future.done():
                future.set_exception(error)
        elif not future.done():
            try:
                future.set_result(self._read(request))
            except Exception as unread:  # noqa: BLE001 - it is the caller's, and must not stop the line
                future.set_exception(unread)

    def _read(self, request: Request) -> list[TupleRow] | tuple[bytes | None, ...]:
        result = request.result
        if result is None or result.status != _ROWS:
            return () if request.as_bytes else []
        if request.as_bytes:
            if result.ntuples != 1:
                raise LookupError(f"one row was expected, {result.ntuples} came")
            value = result.get_value
            return tuple([value(0, column) for column in range(result.nfields)])
        self._transformer.set_pgresult(result)
        return self._transformer.load_rows(0, result.ntuples, tuple)

    def _watched(self) -> None:
        self._watch = None
        if not self._flying:
            return
        left = self.heard_at + self._silence - self._loop.time()
        if left <= 0:
            self._die(QueryCanceled("the server has said nothing for too long"))
        else:
            self._watch = self._loop.call_later(left, self._watched)

    def _die(self, error: OperationalError) -> None:
        if not self.is_closed:
            was_working = bool(self._flying)
            self._end(error)
            self._keeper.lost(self, was_working=was_working)

    def _end(self, error: OperationalError) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        if self._watch is not None:
            self._watch.cancel()
        self._loop.remove_reader(self._fd)
        if self._is_blocked:
            self._loop.remove_writer(self._fd)
        self._pgconn.finish()
        self.load = 0
        while self._flying:
            request = self._flying.popleft()
            if not request.future.done():
                told = error_from_result(request.failed) if request.failed is not None else error
                request.future.set_exception(told)
