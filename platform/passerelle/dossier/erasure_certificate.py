"""The certificate of an erasure: a statement that anyone can verify with the network's public key.

The statement is canonical JSON (as the journal's, `audit.verifier`) and names nobody: the record is told by the
opaque id under which the network knew it. Sources: RGPD, art. 5-2 and 17; CSP R.1111-36.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from passerelle.audit.successions import Signers
from passerelle.audit.verifier import canonical, is_signed, key_id_of, read_json
from passerelle.kernel.errors import BrokenIntegrity

FORM: Final = "passerelle-erasure-certificate/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A statement as signed, its Ed25519 signature, and the key that verifies it."""

    certificate_id: UUID
    issued_at: datetime
    statement: str
    signature: bytes
    key_id: str


def certified(by: Signers, certificate_id: UUID, issued_at: datetime, said: Mapping[str, Any]) -> Certificate:
    """Sign what was done. `said` holds counts, codes, ids and instants; never a name or a health datum."""
    headed = {"form": FORM, "certificate": str(certificate_id), "issued_at": instant(issued_at), "key_id": by.key_id}
    statement = canonical({**said, **headed})
    return Certificate(
        certificate_id=certificate_id,
        issued_at=issued_at,
        statement=statement.decode(),
        signature=by.sign(statement),
        key_id=by.key_id,
    )


def verify(statement: str, signature: bytes, public_key: bytes) -> dict[str, Any]:
    """What a certificate states, once its signature holds; needs nothing but the network's public key.

    Refused: CERTIFICATE_ALTERED, for a changed statement, another key, or a text that is no certificate.
    """
    if not is_signed(statement.encode(), signature, public_key):
        raise BrokenIntegrity("CERTIFICATE_ALTERED")
    said = read_json(statement)
    if not isinstance(said, dict) or said.get("form") != FORM or said.get("key_id") != key_id_of(public_key):
        raise BrokenIntegrity("CERTIFICATE_ALTERED")
    return said


def instant(at: datetime) -> str:
    """An instant in UTC, as statements have it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
