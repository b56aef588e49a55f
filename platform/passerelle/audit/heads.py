"""A head of the journal: so many lines, that root, at that instant, after that head; signed for the network."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.successions import Signers
from passerelle.audit.tables import journal_seal
from passerelle.audit.verifier import HEAD_FORM, head_text, is_signed, key_id_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """One signed head. `previous_head` is the SHA-256 of the one before, zeros for the first."""

    tenant: str
    tree_size: int
    root: bytes
    sealed_at: datetime
    previous_head: bytes
    key_id: str
    signature: bytes = b""

    def document(self) -> dict[str, Any]:
        """As it is exported and, without its signature, signed."""
        return {
            "form": HEAD_FORM,
            "tenant": self.tenant,
            "tree_size": self.tree_size,
            "root": self.root.hex(),
            "sealed_at": self.sealed_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "previous_head": self.previous_head.hex(),
            "key_id": self.key_id,
            "signature": self.signature.hex(),
        }

    def text(self) -> bytes:
        return head_text(self.document())

    def hash(self) -> bytes:
        return hashlib.sha256(self.text()).digest()

    def is_signed_by(self, signers: Signers) -> bool:
        """Did the network's key of then sign it, and is it the head that the key after vouches for."""
        key = signers.of_head(self.tree_size)
        last = [each["head"] for each in signers.successions if each["tree_size"] == self.tree_size]
        return (
            self.key_id == key_id_of(key)
            and all(each == self.hash().hex() for each in last)
            and is_signed(self.text(), self.signature, key)
        )


def select_heads() -> Select[Any]:
    """Every head with the notes beside it, oldest first."""
    return select(journal_seal).order_by(journal_seal.c.tree_size)


def head_of(tenant_id: str, row: Row[Any]) -> Head:
    return Head(
        tenant=tenant_id,
        tree_size=row.tree_size,
        root=bytes(row.root),
        sealed_at=row.sealed_at,
        previous_head=bytes(row.previous_head),
        key_id=row.key_id,
        signature=bytes(row.signature),
    )


async def newest_head(connection: AsyncConnection, tenant_id: str) -> Head | None:
    """The head under which the whole journal stands, but for its youngest lines."""
    row = (await connection.execute(select(journal_seal).order_by(journal_seal.c.tree_size.desc()).limit(1))).first()
    return None if row is None else head_of(tenant_id, row)


async def head_at(connection: AsyncConnection, tenant_id: str, tree_size: int) -> Head | None:
    """The head of exactly that many lines."""
    row = (await connection.execute(select(journal_seal).where(journal_seal.c.tree_size == tree_size))).first()
    return None if row is None else head_of(tenant_id, row)
