"""A case that another network lent, as it lies here: under a key of its own, destroyed when it is given back."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from passerelle.kernel.context import Tenant
from passerelle.kernel.errors import BrokenIntegrity
from passerelle.kernel.keys import NONCE_BYTES

_SALT: Final = b"passerelle/lent-case/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """The columns of `recourse_case` that hold a case: null, both, once it is given back."""

    sealed: bytes
    wrapped_key: bytes


def sealed(tenant: Tenant, referral_id: UUID, content: Mapping[str, Any], wrapped_key: bytes | None = None) -> Sealed:
    """Seal what was lent, under a new key unless it has one."""
    wrapped = wrapped_key or tenant.keys.new_dossier_key(tenant.id, referral_id)
    nonce = secrets.token_bytes(NONCE_BYTES)
    octets = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    return Sealed(
        sealed=nonce + _cipher(tenant, referral_id, wrapped).encrypt(nonce, octets, referral_id.bytes),
        wrapped_key=wrapped,
    )


def opened(tenant: Tenant, referral_id: UUID, given: Sealed) -> dict[str, Any]:
    """What was sealed. Refused: LENT_CASE_ALTERED, DOSSIER_KEY_ALTERED."""
    nonce, rest = given.sealed[:NONCE_BYTES], given.sealed[NONCE_BYTES:]
    try:
        octets = _cipher(tenant, referral_id, given.wrapped_key).decrypt(nonce, rest, referral_id.bytes)
    except InvalidTag as altered:
        raise BrokenIntegrity("LENT_CASE_ALTERED") from altered
    content: dict[str, Any] = json.loads(octets)
    return content


def _cipher(tenant: Tenant, referral_id: UUID, wrapped: bytes) -> AESGCM:
    key = tenant.keys.dossier_key(tenant.id, referral_id, wrapped)
    return AESGCM(key.content_key(_SALT, referral_id.bytes))
