"""One tenant's keys: what wraps dossier keys, what turns an INS into a pseudonym, what signs for the network.

One random root of 256 bits lies in a file that only its owner reads. Six keys are derived from it by HKDF
(RFC 5869, SHA-256), each with its own label, so that none tells anything of another or of the root.
A dossier key is wrapped with AES-256-GCM (NIST SP 800-38D); tenant and patient are its additional data, so
that a wrapped key copied to another row does not open. Its first octet names the version of the key that wrapped it:
what wraps is changed beside a running network (`key_rotation`). See docs/decisions/0020 and 0144.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from passerelle.kernel.errors import BrokenIntegrity, PasserelleError, TryLater
from passerelle.kernel.key_material import KEY_BYTES, KeyMaterial, Secret, derive, joined
from passerelle.kernel.key_place import KeyPlace

__all__ = ["KEY_BYTES", "MARK_BYTES", "NONCE_BYTES", "DossierKey", "FederationKeys", "Keys", "joined"]

NONCE_BYTES: Final = 12
MARK_BYTES: Final = 16
_AGAIN_SECONDS: Final = 30.0
_WRAPPED_BYTES: Final = 1 + NONCE_BYTES + KEY_BYTES + 16
_PERSON_KEY_CHARACTERS: Final = 32
_MATRICULE_CHARACTERS: Final = 13
_MATRICULE_WITH_KEY_CHARACTERS: Final = 15


class DossierKey(Secret):
    """The key of one dossier's contents, unwrapped. Destroying its wrapped form purges them."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise ValueError("a dossier key has 32 bytes")
        self._secret = secret

    def content_key(self, salt: bytes, binding: bytes) -> bytes:
        """The key of one stored object: no two objects share one, whatever their number."""
        return derive(self._secret, salt=salt, info=joined(b"passerelle/content/1", binding))


@dataclass(frozen=True, slots=True, repr=False)
class FederationKeys(Secret):
    """What a tenant signs its envelopes with, and opens with those sealed to it. Only the public halves leave."""

    signing: Ed25519PrivateKey
    opening: X25519PrivateKey


@dataclass(frozen=True, slots=True, repr=False)
class _Changing(Secret):
    """What is changed while we run, as the file said it when it was read: what wraps, by version, and who signs, by
    public key."""

    ciphers: Mapping[int, AESGCM]
    in_use: int
    signers: Mapping[bytes, Ed25519PrivateKey]
    public_key: bytes
    read_from: tuple[int, ...]

    @classmethod
    def of(cls, material: KeyMaterial, read_from: tuple[int, ...] = ()) -> _Changing:
        secrets_ = [each for each in (material.signing, material.next_signing) if each is not None]
        signers = [Ed25519PrivateKey.from_private_bytes(each) for each in secrets_]
        by_public = {each.public_key().public_bytes_raw(): each for each in signers}
        ciphers = {version: AESGCM(key) for version, key in material.wrapping.items()}
        return cls(ciphers, material.in_use, by_public, next(iter(by_public)), read_from)


class Keys(Secret):
    """One tenant's keys. Made once by `create`, read at start by `load`.

    What wraps and what signs follow the file while we run: it is looked at before a key is wrapped, and when one is met
    that a newer version wrapped, or that is to sign and is not known. The rest stays as it was read.
    """

    __slots__ = ("_changing", "_federation", "_ledger", "_marking", "_not_before", "_person", "_place")

    def __init__(self, root: bytes) -> None:
        self._take(KeyMaterial.of_root(root))

    def _take(self, material: KeyMaterial, place: KeyPlace | None = None, read_from: tuple[int, ...] = ()) -> None:
        self._place = place
        self._not_before = 0.0
        self._changing = _Changing.of(material, read_from)
        self._person = material.person
        self._marking = material.marking
        self._federation = material.federation
        self._ledger = material.ledger

    @property
    def public_key(self) -> bytes:
        """What anyone verifies this tenant's signatures with (32 bytes, RFC 8032), as its file says; who signs in its
        journal is `audit.successions`."""
        return self._changing.public_key

    @classmethod
    def load(cls, where: Path | KeyPlace) -> Keys:
        """Read what `create` made. Refused: as `KeyPlace.read`."""
        keys, place = cls.__new__(cls), KeyPlace.of(where)
        read_from = place.state()  # before it is read: should it be replaced meanwhile, it is read again
        keys._take(place.read(), place, read_from)
        return keys

    @classmethod
    def create(cls, where: Path | KeyPlace) -> Keys:
        """Draw a root key and write it, 0600 and on disk when this returns. Refused: as `KeyPlace.create`.

        The name appears with its whole content or not at all, and an existing key is never written over:
        losing it loses every content of the tenant.
        """
        KeyPlace.of(where).create(KeyMaterial.root_text(secrets.token_bytes(KEY_BYTES)))
        return cls.load(where)

    @property
    def wrapping_version(self) -> int:
        """The version under which a key is wrapped now."""
        self._follow()
        return self._changing.in_use

    def new_dossier_key(self, tenant_id: str, patient_id: UUID) -> bytes:
        """A fresh dossier key, wrapped for this tenant and patient: the only form that is stored."""
        return self._wrapped(secrets.token_bytes(KEY_BYTES), tenant_id, patient_id)

    def dossier_key(self, tenant_id: str, patient_id: UUID, wrapped: bytes) -> DossierKey:
        """Unwrap. Refused: DOSSIER_KEY_ALTERED (changed, of another patient, or of another tenant's key);
        DOSSIER_KEY_VERSION (wrapped under a version that our file has not)."""
        return DossierKey(self._unwrapped(tenant_id, patient_id, wrapped))

    def rewrapped(self, tenant_id: str, patient_id: UUID, wrapped: bytes) -> bytes:
        """The same dossier key under the version in use. Refused as `dossier_key`."""
        return self._wrapped(self._unwrapped(tenant_id, patient_id, wrapped), tenant_id, patient_id)

    def _wrapped(self, secret: bytes, tenant_id: str, patient_id: UUID) -> bytes:
        self._follow()
        changing, nonce = self._changing, secrets.token_bytes(NONCE_BYTES)
        sealed = changing.ciphers[changing.in_use].encrypt(nonce, secret, _owner(tenant_id, patient_id))
        return bytes((changing.in_use,)) + nonce + sealed

    def _unwrapped(self, tenant_id: str, patient_id: UUID, wrapped: bytes) -> bytes:
        if len(wrapped) != _WRAPPED_BYTES:
            raise BrokenIntegrity("DOSSIER_KEY_ALTERED")
        version, nonce, sealed = wrapped[0], wrapped[1 : 1 + NONCE_BYTES], wrapped[1 + NONCE_BYTES :]
        if version not in self._changing.ciphers:
            self._follow()
        cipher = self._changing.ciphers.get(version)
        if cipher is None:
            raise BrokenIntegrity("DOSSIER_KEY_VERSION", version=version)
        try:
            return cipher.decrypt(nonce, sealed, _owner(tenant_id, patient_id))
        except InvalidTag as altered:
            raise BrokenIntegrity("DOSSIER_KEY_ALTERED") from altered

    def _follow(self) -> None:
        """Read what wraps and signs anew if the file is another than the one that was read.

        A file that is gone, does not read or is of another root changes nothing: what was read at start holds.
        """
        if self._place is None or (now := self._place.state()) in ((), self._changing.read_from):
            return
        if monotonic() < self._not_before:
            return
        try:
            material = self._place.read()
        except TryLater:  # the key service is away: what it delays must not be each request
            self._not_before = monotonic() + _AGAIN_SECONDS
            return
        except PasserelleError:
            return
        if material.person == self._person:
            self._changing = _Changing.of(material, now)

    def person_key(self, oid: str, value: str) -> str:
        """The pseudonym of an INS within this tenant: 32 hexadecimal digits.

        The same for a matricule given with its two key digits or without, in any case and spacing; a wrong
        key digit does not change it. An identifier of another length is taken whole.
        """
        matricule = "".join(value.split()).upper()
        if len(matricule) == _MATRICULE_WITH_KEY_CHARACTERS:
            matricule = matricule[:_MATRICULE_CHARACTERS]
        message = joined(oid.strip().encode("utf-8"), matricule.encode("utf-8"))
        return hmac.digest(self._person, message, "sha256").hex()[:_PERSON_KEY_CHARACTERS]

    def may_sign_as(self, public_key: bytes) -> bool:
        """Whether our file holds this key, in use or ready."""
        if public_key not in self._changing.signers:
            self._follow()
        return public_key in self._changing.signers

    def sign(self, message: bytes, public_key: bytes | None = None) -> bytes:
        """Sign for the network, Ed25519, by the key that our file says or by another that it holds. The message must
        itself name what it is, for no other to be taken for it."""
        by = public_key or self.public_key
        if not self.may_sign_as(by):
            raise LookupError("a key that our file does not hold")
        return self._changing.signers[by].sign(message)

    @property
    def public_keys(self) -> tuple[bytes, ...]:
        """Of all the keys by which our file may sign: the one in use, and the one that is ready."""
        return tuple(self._changing.signers)

    def federation_keys(self, generation: int) -> FederationKeys:
        """The keys of one generation, the same each time: nothing of them is stored."""
        number = generation.to_bytes(8, "big")
        return FederationKeys(
            Ed25519PrivateKey.from_private_bytes(derive(self._federation, info=joined(b"signing", number))),
            X25519PrivateKey.from_private_bytes(derive(self._federation, info=joined(b"opening", number))),
        )

    def ledger_key(self) -> DossierKey:
        """What the ledger of what narrowed is sealed under, outside the database that it protects."""
        return DossierKey(self._ledger)

    def mark(self, *parts: bytes) -> bytes:
        """A mark of 128 bits that only this tenant can put on these parts: a row that was changed is told by it."""
        return hmac.digest(self._marking, joined(*parts), "sha256")[:MARK_BYTES]


def _owner(tenant_id: str, patient_id: UUID) -> bytes:
    return joined(b"passerelle/dossier-key/1", tenant_id.encode("utf-8"), patient_id.bytes)
