"""The least HTTP/1.1 client that keeps a connection open: a load generator must not be what is measured.

It reads a status and a body whose length the server says, which is all that our own answers need (RFC 9112).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and the octets of a body."""

    status: int
    body: bytes


class Connection(asyncio.Protocol):
    """One kept-alive connection, one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._expected = -1
        self._body_at = 0
        self._answer: asyncio.Future[Answer] | None = None

    async def ask(self, request: bytes) -> Answer:
        """Send a whole request, give its answer."""
        assert self._transport is not None  # noqa: S101 - `connected` gives it
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what a protocol of a stream is given
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._expected < 0:
            head = self._received.find(b"\r\n\r\n")
            if head < 0:
                return
            self._body_at = head + 4
            self._expected = self._body_at + _length(bytes(self._received[:head]))
        if len(self._received) >= self._expected and self._answer is not None:
            status = int(self._received[9:12])
            answer = Answer(status, bytes(self._received[self._body_at : self._expected]))
            self._received.clear()
            self._expected = -1
            if not self._answer.done():
                self._answer.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("the server closed the connection"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """A connection to the server of `url`."""
    where = urlsplit(url)
    _, connection = await asyncio.get_running_loop().create_connection(
        Connection, where.hostname or "127.0.0.1", where.port or 80
    )
    try:
        yield connection
    finally:
        connection.close()


def request(method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """The octets of a request, to be made once and sent often."""
    where = urlsplit(url)
    lines = [f"{method} {where.path} HTTP/1.1", f"host: {where.netloc}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    raise ValueError("an answer without a length")
