"""An eye on what travels: the post that loses it, and a traveller that says what it gathers and applies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.transactions import Act
from passerelle_tenants.federation.travellers import Addressed, Owed, Priority, Traveller
from tests.federation.oracle import Oracle

#: By kind and object: how many decisions of the sender an envelope holds.
Tags: TypeAlias = dict[tuple[str, UUID], int]


class Killed(BaseException):
    """The worker ends here."""


@dataclass(slots=True)
class Post:
    """What is on its way, and what the office that speaks has just gathered."""

    bag: list[tuple[str, bytes, Tags]] = field(default_factory=list)
    gathered: Tags = field(default_factory=dict)
    is_closed: bool = False

    async def carry(self, to_tenant: str, envelope: bytes) -> None:
        tags, self.gathered = self.gathered, {}
        if self.is_closed:
            raise ConnectionError("the broker is gone")
        self.bag.append((to_tenant, envelope, tags))


class Watching(Protocol):
    """What an eye on a traveller tells and asks."""

    oracle: Oracle
    post: Post
    applying: list[tuple[str, UUID]]
    is_killing: bool


class Watched:
    """A traveller, with an eye on what it gathers and what it applies."""

    def __init__(self, inner: Traveller, story: Watching) -> None:
        self._inner = inner
        self._story = story

    @property
    def kind(self) -> str:
        return self._inner.kind

    @property
    def priority(self) -> Priority:
        return self._inner.priority

    @property
    def addressed(self) -> Sequence[Addressed]:
        return self._inner.addressed

    async def gather(self, connection: AsyncConnection, to_tenant: str, owed: Sequence[Owed]) -> str | bytes:
        for each in owed:
            sheet = self._story.oracle.sheets.get(each.object_id)
            if sheet is not None:
                decisions = sheet.origin if self.kind == "document" else sheet.home
                self._story.post.gathered[self.kind, each.object_id] = len(decisions)
        return await self._inner.gather(connection, to_tenant, owed)

    async def apply(self, act: Act, from_tenant: str, items: str) -> Mapping[UUID, str]:
        answers = await self._inner.apply(act, from_tenant, items)
        assert set(answers.values()) == {"applied"}, answers
        self._story.applying += [(self.kind, each) for each in answers]
        if self._story.is_killing:
            raise Killed
        return answers
