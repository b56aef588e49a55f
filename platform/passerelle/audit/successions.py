"""Which key of the network signs, and which signed before: each change is stated by both keys.

A statement names the last head that the former key signed, with its hash: from then on the newer key vouches for all
that precedes, and whoever has the former one cannot write it anew. Exports carry the statements, so that whoever knows
one key of the network follows it to the next. See docs/decisions/0147.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, LargeBinary, case, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.tables import journal_key
from passerelle.audit.verifier import (
    EMPTY_ROOT,
    FIRST_HEAD,
    SUCCESSION_FORM,
    is_succession,
    key_at,
    key_id_of,
    succession_text,
)
from passerelle.kernel.context import Tenant
from passerelle.kernel.errors import Conflict
from passerelle.kernel.keys import Keys

Statement = Mapping[str, Any]
_MALFORMED: Final = (TypeError, ValueError, KeyError, AttributeError)


@dataclass(frozen=True, slots=True)
class Signers:
    """The keys of one network: `public_key` signs now, the ones before stand in `successions`, oldest first."""

    keys: Keys
    public_key: bytes
    successions: Sequence[Statement]

    @property
    def key_id(self) -> str:
        return key_id_of(self.public_key)

    def sign(self, message: bytes) -> bytes:
        """By the key that signs now. Refused: as `must_sign`."""
        self.must_sign()
        return self.keys.sign(message, self.public_key)

    def must_sign(self) -> None:
        """Refused: SEALING_KEY_SUPERSEDED when our file has not the key that signs now."""
        if not self.keys.may_sign_as(self.public_key):
            raise Conflict("SEALING_KEY_SUPERSEDED", key=self.key_id)

    def of_head(self, tree_size: int) -> bytes:
        """The public key of whoever signs a head of that size."""
        return key_at(self.successions, tree_size, self.public_key)

    def of_pruning(self, below: int) -> bytes:
        """The same of a pruning below that place."""
        return key_at(self.successions, below, self.public_key, "pruned")

    def named(self, key_id: str) -> bytes:
        """The key of that fingerprint, as certificates name theirs; the one of now when none is."""
        former = (bytes.fromhex(each["former"]) for each in self.successions)
        return next((each for each in former if key_id_of(each) == key_id), self.public_key)


async def signers(connection: AsyncConnection, tenant: Tenant) -> Signers:
    """Who signs and signed for this network, found from the key of its file on: a statement of others says nothing."""
    said = (await connection.execute(select(journal_key.c.statement))).scalars()
    return chained(tenant, [each for each in said if _holds(each, tenant.id)])


def chained(tenant: Tenant, statements: Iterable[Statement]) -> Signers:
    """The chain of these statements, each of which both its keys signed, that goes through the key of our file."""
    left, newest = list(statements), tenant.keys.public_key.hex()
    after: list[Statement] = []
    before: list[Statement] = []
    while following := [each for each in left if each["former"] == newest]:
        # A journal that was restored may know of two: the key that our file has is the one.
        said = max(following, key=lambda each: tenant.keys.may_sign_as(bytes.fromhex(each["key"])))
        left = [each for each in left if each["former"] != newest]
        after.append(said)
        newest = said["key"]
    oldest = tenant.keys.public_key.hex()
    while preceding := [each for each in left if each["key"] == oldest]:
        left = [each for each in left if each["key"] != oldest]
        before.insert(0, preceding[0])
        oldest = preceding[0]["former"]
    return Signers(tenant.keys, bytes.fromhex(newest), (*before, *after))


@dataclass(frozen=True, slots=True)
class LastSigned:
    """What the former key leaves: the size, root and hash of its last head, and below which place was pruned."""

    tree_size: int = 0
    root: str = EMPTY_ROOT.hex()
    head: str = FIRST_HEAD
    pruned: int = 0


async def succeed(connection: AsyncConnection, tenant: Tenant, key: bytes, at: datetime, left: LastSigned) -> Statement:
    """Have `key`, which our file holds, sign from now on, by a statement of both keys. Refused: SEALING_KEY_SUPERSEDED.

    Whoever calls holds up the sealing (`sealing.take_turn`), so that no head comes in between.
    """
    before = await signers(connection, tenant)
    statement: dict[str, Any] = {
        "form": SUCCESSION_FORM,
        "tenant": tenant.id,
        "at": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "former": before.public_key.hex(),
        "key": key.hex(),
        "tree_size": left.tree_size,
        "root": left.root,
        "head": left.head,
        "pruned": left.pruned,
    }
    text = succession_text(statement)
    statement |= {"by_former": before.sign(text).hex(), "by_key": tenant.keys.sign(text, key).hex()}
    values = {"key_id": key_id_of(key), "former_id": before.key_id, "statement": statement}
    await connection.execute(insert(journal_key).values(values))
    return statement


def public_key_named(key_id: ColumnElement[str], otherwise: ColumnElement[bytes]) -> ColumnElement[bytes]:
    """SQL: the public key of that fingerprint, as a succession gives it; `otherwise` when none does."""
    key = case((journal_key.c.former_id == key_id, "former"), else_="key")
    found = (
        select(func.decode(journal_key.c.statement.op("->>")(key), "hex", type_=LargeBinary()))
        .where((journal_key.c.former_id == key_id) | (journal_key.c.key_id == key_id))
        .limit(1)
        .scalar_subquery()
    )
    return func.coalesce(found, otherwise, type_=LargeBinary())


def _holds(said: Any, tenant_id: str) -> bool:
    try:
        return is_succession(said, tenant_id)
    except _MALFORMED:
        return False
