"""The least HTTP/1.1 client that keeps a connection open: a load generator must not be what is measured.

It reads a status, `Retry-After`, and a body whose length the server says or that comes in chunks (RFC 9112).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_UNKNOWN: Final = -1
_CHUNKED: Final = -2


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, the octets of a body, and when to come again if that was said."""

    status: int
    body: bytes
    retry_after: str = ""


class Connection(asyncio.Protocol):
    """One kept-alive connection, one request at a time; opened anew when the server closed it between two of them."""

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._head = b""
        self._expected = _UNKNOWN
        self._answer: asyncio.Future[Answer] | None = None

    async def open(self) -> None:
        """Connect to the server."""
        await asyncio.get_running_loop().create_connection(lambda: self, *self._address)

    async def ask(self, request: bytes) -> Answer:
        """Send a whole request, give its answer."""
        assert self._transport is not None  # noqa: S101 - `connected` gives it
        if self._transport.is_closing():
            await self.open()
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what a protocol of a stream is given
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._expected == _UNKNOWN:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            self._head = bytes(self._received[:end]).lower()
            del self._received[: end + 4]
            length = _field(self._head, b"content-length")
            self._expected = int(length) if length else _CHUNKED
        if self._expected == _CHUNKED:
            body = _joined(self._received)
        else:
            body = bytes(self._received) if len(self._received) >= self._expected else None
        if body is not None and self._answer is not None:
            answer = Answer(int(self._head[9:12]), body, _field(self._head, b"retry-after").decode("ascii"))
            self._received.clear()
            self._expected = _UNKNOWN
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
    connection = Connection(where.hostname or "127.0.0.1", where.port or 80)
    await connection.open()
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


def _field(head: bytes, name: bytes) -> bytes:
    """The value of a field, in a head in lower case; empty when it is not there."""
    found = head.find(b"\r\n" + name + b":")
    if found < 0:
        return b""
    end = head.find(b"\r\n", found + 2)
    return head[found + len(name) + 3 : end if end >= 0 else len(head)].strip()


def _joined(received: bytearray) -> bytes | None:
    """The body that came in chunks; None until its last one."""
    parts: list[bytes] = []
    at = 0
    while (end := received.find(b"\r\n", at)) >= 0:
        size = int(received[at:end].partition(b";")[0], 16)
        at = end + 2 + size + 2
        if at > len(received):
            return None
        if size == 0:
            return b"".join(parts)
        parts.append(bytes(received[end + 2 : end + 2 + size]))
    return None
