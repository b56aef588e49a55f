"""Tokens that are believed no more before they expire: one of them, or all that a subject was given until then.

To revoke is the issuer's (RFC 7009), and what it says of a token (RFC 7662) would be a question at each request. A
token that must not wait for its end here is denied by ourselves: a line in the directory, which every process hears
of within seconds (docs/decisions/0101). Lines hold digests: neither a token nor who it was given to.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Final

from sqlalchemy import BigInteger, DateTime, bindparam, insert, or_, select

from passerelle.identities.tables import token_revocation
from passerelle.kernel.clock import Clock
from passerelle.kernel.database import Database, Statement
from passerelle.kernel.errors import TryLater

HEARD_SECONDS: Final = 1.0
"""How often the directory is asked for what is new, while tokens come."""
LATEST_SECONDS: Final = 3.0
"""How old what we know may be while another request is asking."""
DEAF_SECONDS: Final = 60.0
"""How long tokens are believed while the directory does not answer."""
_ANSWER_SECONDS: Final = 2.0
_OVERLAP: Final = 1_000  # places are given before they are committed: a few before the last are read again

_NEWS: Final = Statement(
    select(token_revocation.c.place, token_revocation.c.mark, token_revocation.c.revoked_at)
    .where(
        token_revocation.c.place > bindparam("after", type_=BigInteger()),
        or_(
            token_revocation.c.until.is_(None),
            token_revocation.c.until > bindparam("now", type_=DateTime(timezone=True)),
        ),
    )
    .order_by(token_revocation.c.place)
)


@dataclass(frozen=True, slots=True)
class Marks:
    """By what a verified token may be found denied."""

    own: tuple[str, ...]
    subject: str
    issued_at: datetime | None


def token_mark(token: str) -> str:
    """Of a token as it is signed: its signature may be written in several ways."""
    return _mark("token", token.rpartition(".")[0])


def id_mark(issuer: str, token_id: str) -> str:
    """Of the `jti` that an issuer gave (RFC 7519 §4.1.7)."""
    return _mark("jti", issuer, token_id)


def subject_mark(issuer: str, subject: str) -> str:
    """Of all the tokens of a `sub`."""
    return _mark("sub", issuer, subject)


class Revocations:
    """What the directory denies, as this process knows it."""

    def __init__(self, database: Database, clock: Clock, *, timer: Callable[[], float] = monotonic) -> None:
        self._database = database
        self._clock = clock
        self._timer = timer
        self._denied: dict[str, datetime] = {}
        self._last = 0
        self._heard_at = float("-inf")
        self._ask_at = float("-inf")
        self._asking = asyncio.Lock()

    def deny(self, marks: Marks) -> bool:
        """Whether a token of these marks is denied: itself, or all of its subject's that are as old as that."""
        denied = self._denied
        if not denied:
            return False
        if any(each in denied for each in marks.own):
            return True
        since = denied.get(marks.subject)
        return since is not None and (marks.issued_at is None or marks.issued_at <= since)

    async def hear(self) -> None:
        """Know what is new, where it is due. Raises `TryLater` DATABASE_AWAY when nothing was heard for a minute."""
        now = self._timer()
        if now >= self._ask_at and not (self._asking.locked() and now - self._heard_at < LATEST_SECONDS):
            async with self._asking:
                if self._timer() >= self._ask_at:
                    await self._ask()
        if now - self._heard_at > DEAF_SECONDS:
            raise TryLater("DATABASE_AWAY", retry_after=2)

    async def revoke(self, mark: str, *, until: datetime | None = None) -> None:
        """Deny a token or a subject from now on, here at once; `until` when the token would have expired anyway."""
        now = self._clock.now()
        async with self._database.transaction() as connection:
            await connection.execute(insert(token_revocation).values(mark=mark, revoked_at=now, until=until))
        self._denied[mark] = now

    async def _ask(self) -> None:
        asked_at = self._timer()
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                rows = await self._database.fetch(_NEWS, {"after": self._last - _OVERLAP, "now": self._clock.now()})
        except (TryLater, TimeoutError):
            return
        finally:
            self._ask_at = self._timer() + HEARD_SECONDS
        for place, mark, revoked_at in rows:
            self._denied[mark] = max(revoked_at, self._denied.get(mark, revoked_at))
            self._last = max(self._last, place)
        self._heard_at = asked_at


def _mark(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8")).hexdigest()
