"""A web process that is told to stop serves a while longer, then ends its streams, then stops.

Whoever routes requests to it hears of its end a moment later than it does, and keeps connections open: until then
everything is answered, with `Connection: close`, and `/health/ready` is 503. Streams end before uvicorn hears of it: it
closes every connection, and waits for what goes on, before it tells the application that it stops; whoever follows
would be cut off, and an event stream waited for in vain. So the signal comes here first.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import FrameType

from passerelle_graphql.following import Streams

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@asynccontextmanager
async def streams_end_first(streams: Streams, drain_seconds: float = 0.0) -> AsyncIterator[None]:
    """As long as this lasts, a signal to stop is heard here first, and goes to whom it went before after
    `drain_seconds` and the last words of the streams; a second at once."""
    if threading.current_thread() is not threading.main_thread():
        yield  # whoever runs a server in a thread stops it himself
        return
    loop, before = asyncio.get_running_loop(), {each: signal.getsignal(each) for each in _SIGNALS}
    ending: list[asyncio.Task[None]] = []
    hurried = asyncio.Event()

    async def end(number: int, frame: FrameType | None) -> None:
        streams.leaving = True
        with suppress(TimeoutError):
            await asyncio.wait_for(hurried.wait(), drain_seconds)
        await streams.close()
        _tell(number, frame)

    def _tell(number: int, frame: FrameType | None) -> None:
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)
        elif handler is signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    def told(number: int, frame: FrameType | None) -> None:
        if ending:
            loop.call_soon_threadsafe(hurried.set)
            _tell(number, frame)
        else:
            loop.call_soon_threadsafe(lambda: ending.append(asyncio.ensure_future(end(number, None))))

    for each in _SIGNALS:
        signal.signal(each, told)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        await streams.close()
