"""What lasts longer than a request: who follows what, how many may, and until when (docs/decisions/0102).

A `Visit` is someone let in, who is let in anew every few seconds: a token that expired or was revoked, a person whom
the network no longer knows, ends what he follows. `Followed.follow` asks the rules as often.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar
from uuid import UUID

from passerelle.audit.feed import Feeds, Fresh
from passerelle.dossier import access, following
from passerelle.kernel.context import Context
from passerelle.kernel.database import Statement
from passerelle.kernel.errors import NotAuthenticated, Refused, TryLater
from passerelle_graphql.authentication import Door, admit, new_request_id
from passerelle_graphql.context import Asked
from passerelle_graphql.heading import Heading
from passerelle_policies.vocabulary import Kind

_Told = TypeVar("_Told")


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """The ceilings of what lasts, in one process. What is past them is told to come back, or let go."""

    connections: int = 1_000
    subscriptions: int = 1_000
    subscriptions_of_actor: int = 50
    subscriptions_of_connection: int = 20
    message_bytes: int = 128 * 1024
    init_seconds: float = 5.0  # for who connects to say who he is
    send_seconds: float = 10.0  # for who follows to take what he is sent
    keep_alive_seconds: float = 12.0
    poll_seconds: float = 0.5  # between two questions to the database, about all that is followed
    retry_seconds: float = 1.0  # before a database that was away is asked again
    stop_seconds: float = 3.0  # for the last words of a process that stops


class Streams:
    """Everything that lasts in this process."""

    def __init__(self, limits: StreamLimits | None = None) -> None:
        self.limits = limits or StreamLimits()
        self.connections = 0
        # Told to stop, and serving for a while: whoever keeps a connection is asked to make another elsewhere.
        self.leaving = False
        self._by_actor: Counter[str] = Counter()

    @cached_property
    def feeds(self) -> Feeds:
        return Feeds(self.limits.poll_seconds)

    @cached_property
    def stopping(self) -> asyncio.Event:
        """Set once the process stops: nothing new begins."""
        return asyncio.Event()

    @property
    def subscriptions(self) -> int:
        return self._by_actor.total()

    @contextmanager
    def place(self, subject: str) -> Iterator[None]:
        """A place for one more subscription of an actor. Refused: SERVER_STOPPING, TOO_MANY_SUBSCRIPTIONS."""
        if self.stopping.is_set():
            raise TryLater("SERVER_STOPPING", retry_after=2)
        if (
            self.subscriptions >= self.limits.subscriptions
            or self._by_actor[subject] >= self.limits.subscriptions_of_actor
        ):
            raise TryLater("TOO_MANY_SUBSCRIPTIONS", retry_after=10)
        self._by_actor[subject] += 1
        try:
            yield
        finally:
            self._by_actor[subject] -= 1
            if not self._by_actor[subject]:
                del self._by_actor[subject]

    async def close(self) -> None:
        """End all of it, each with its last word, as far as they are taken in `stop_seconds`."""
        self.stopping.set()
        await self.feeds.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.limits.stop_seconds):
                while self.subscriptions or self.connections:  # noqa: ASYNC110 - it happens once
                    await asyncio.sleep(0.02)


@dataclass(slots=True)
class Visit:
    """Someone who was let in, and what he said at the door. `context` is as of the last time he was."""

    door: Door
    tenant_id: str
    head: Heading
    context: Context

    @classmethod
    async def begin(cls, door: Door, tenant_id: str, head: Heading) -> Visit:
        """Let someone in. Refused as `authentication.admit`."""
        return cls(door, tenant_id, head, await admit(door, tenant_id, head, new_request_id()))

    async def renew(self) -> None:
        """Let him in again, for the same request. Refused as `authentication.admit`."""
        self.context = await admit(self.door, self.tenant_id, self.head, self.context.request_id)

    async def again(self) -> Visit:
        """The same person with another request. Refused as `authentication.admit`."""
        return await Visit.begin(self.door, self.tenant_id, self.head)


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed(Asked):
    """One subscription: as `Asked`, with what it lasts by."""

    visit: Visit
    streams: Streams

    async def follow(self, patient_id: UUID, kind: Kind, source: Statement) -> AsyncGenerator[list[Fresh], None]:
        """What comes from now on about a patient; nothing first, once it is heard.

        `kind`: what is followed (DOSSIER, JOURNAL), whose opening is journalled. Ends by raising what refuses it
        (`Refused`, `NotAuthenticated`) within `subscriptions.check_seconds`, or `TryLater` (`audit.feed`). Refusals
        are told at those instants alone: told earlier, they would tell that something had happened.
        """
        visit, loop = self.visit, asyncio.get_running_loop()
        await following.begin(visit.context, patient_id, kind)
        if self.streams.stopping.is_set():  # meanwhile: the feeds have ended whom they knew
            raise TryLater("SERVER_STOPPING", retry_after=2)
        every = access.number(visit.context, "subscriptions.check_seconds")
        due = loop.time() + every
        async with self.streams.feeds.of(visit.context.tenant.database, source).follow(patient_id) as heard:
            yield []
            while True:
                if loop.time() >= due:
                    await self._check(patient_id, kind)
                    due = max(due + every, loop.time())
                try:
                    async with asyncio.timeout_at(due):
                        fresh = await heard.next()
                except TimeoutError:
                    continue
                yield fresh

    async def _check(self, patient_id: UUID, kind: Kind) -> None:
        try:
            await self.visit.renew()
            await following.must_still(self.visit.context, patient_id, kind)
        except TryLater:
            """What cannot be asked now is asked next time; until it can, nothing can be told either."""

    async def answered(self, ask: Callable[[Context], Awaitable[_Told]]) -> _Told | None:
        """What the database answers, once it does; None when this is no longer his right, of which `follow` tells."""
        while True:
            try:
                await self.visit.renew()
                return await ask(self.visit.context)
            except TryLater:
                await asyncio.sleep(self.streams.limits.retry_seconds)
            except (Refused, NotAuthenticated):
                return None


def fields_of(said: object) -> dict[bytes, bytes]:
    """The header fields that a client writes into a message, where it can send none: texts by name.

    What is not a text by a name is left out.
    """
    if not isinstance(said, dict):
        return {}
    return {
        name.strip().lower().encode("ascii"): value.encode("latin-1")
        for name, value in said.items()
        if isinstance(value, str) and name.isascii() and all(ord(each) < 256 for each in value)
    }
