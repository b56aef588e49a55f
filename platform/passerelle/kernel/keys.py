"""One tenant's keys: what wraps dossier keys, what turns an INS into a pseudonym, what signs for the network.

One random root of 256 bits lies in a file that only its owner reads. Six keys are derived from it by HKDF
(RFC 5869, SHA-256), each with its own label, so that none tells anything of another or of the root.
A dossier key is wrapped with AES-256-GCM (NIST SP 800-38D); tenant and patient are its additional data, so
that a wrapped key copied to another row does not open. See docs/decisions/0020.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from passerelle.kernel.errors import BrokenIntegrity, Conflict, InvalidInput

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
MARK_BYTES: Final = 16
_FORMAT: Final = "passerelle-tenant-key/1"
_WRAPPED_VERSION: Final = b"\x01"
_WRAPPED_BYTES: Final = 1 + NONCE_BYTES + KEY_BYTES + 16
_FILE_LIMIT: Final = 4096
_PERSON_KEY_CHARACTERS: Final = 32
_MATRICULE_CHARACTERS: Final = 13
_MATRICULE_WITH_KEY_CHARACTERS: Final = 15


def derive(secret: bytes, *, info: bytes, salt: bytes | None = None) -> bytes:
    """A 256-bit key from `secret`, separate for each `info` and `salt` (RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=info).derive(secret)


def joined(*parts: bytes) -> bytes:
    """`parts` as one string of bytes that no other parts give: each is preceded by its length."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


class _Secret:
    """Never shown, never pickled: a key must not reach a log, a trace or the broker."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds a secret and is not serialised")


class DossierKey(_Secret):
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
class FederationKeys(_Secret):
    """What a tenant signs its envelopes with, and opens with those sealed to it. Only the public halves leave."""

    signing: Ed25519PrivateKey
    opening: X25519PrivateKey


class Keys(_Secret):
    """One tenant's keys. Made once by `create`, read at start by `load`."""

    __slots__ = ("_federation", "_ledger", "_marking", "_person", "_signing", "_wrapping", "public_key")

    def __init__(self, root: bytes) -> None:
        if len(root) != KEY_BYTES:
            raise ValueError("a tenant's root key has 32 bytes")
        self._wrapping = AESGCM(derive(root, info=b"passerelle/tenant/wrapping/1"))
        self._person = derive(root, info=b"passerelle/tenant/person/1")
        self._marking = derive(root, info=b"passerelle/tenant/marking/1")
        self._federation = derive(root, info=b"passerelle/tenant/federation/1")
        self._ledger = derive(root, info=b"passerelle/tenant/ledger/1")
        self._signing = Ed25519PrivateKey.from_private_bytes(derive(root, info=b"passerelle/tenant/signing/1"))
        self.public_key: bytes = self._signing.public_key().public_bytes_raw()
        """What anyone verifies this tenant's signatures with (32 bytes, RFC 8032)."""

    @classmethod
    def load(cls, path: Path) -> Keys:
        """Read the file that `create` made.

        Refused: KEY_FILE_MISSING, KEY_FILE_EXPOSED (someone else may read it), KEY_FILE_BROKEN.
        """
        try:
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                text = file.read(_FILE_LIMIT)
        except FileNotFoundError as missing:
            raise InvalidInput("KEY_FILE_MISSING", file=path.name) from missing
        except OSError as unreadable:
            raise InvalidInput("KEY_FILE_BROKEN", file=path.name) from unreadable
        if mode & 0o077:
            raise InvalidInput("KEY_FILE_EXPOSED", file=path.name)
        return cls(_root_in(text, path.name))

    @classmethod
    def create(cls, path: Path) -> Keys:
        """Draw a root key and write it, 0600 and on disk when this returns. Refused: KEY_FILE_EXISTS.

        The name appears with its whole content or not at all, and an existing key is never written over:
        losing it loses every content of the tenant.
        """
        root = secrets.token_bytes(KEY_BYTES)
        document = {"format": _FORMAT, "key": base64.b64encode(root).decode("ascii")}
        create_private_file(path, json.dumps(document).encode("ascii") + b"\n")
        return cls(root)

    def new_dossier_key(self, tenant_id: str, patient_id: UUID) -> bytes:
        """A fresh dossier key, wrapped for this tenant and patient: the only form that is stored."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._wrapping.encrypt(nonce, secrets.token_bytes(KEY_BYTES), _owner(tenant_id, patient_id))
        return _WRAPPED_VERSION + nonce + sealed

    def dossier_key(self, tenant_id: str, patient_id: UUID, wrapped: bytes) -> DossierKey:
        """Unwrap. Refused: DOSSIER_KEY_ALTERED (changed, of another patient, or of another tenant's key)."""
        if len(wrapped) != _WRAPPED_BYTES or wrapped[:1] != _WRAPPED_VERSION:
            raise BrokenIntegrity("DOSSIER_KEY_ALTERED")
        nonce, sealed = wrapped[1 : 1 + NONCE_BYTES], wrapped[1 + NONCE_BYTES :]
        try:
            return DossierKey(self._wrapping.decrypt(nonce, sealed, _owner(tenant_id, patient_id)))
        except InvalidTag as altered:
            raise BrokenIntegrity("DOSSIER_KEY_ALTERED") from altered

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

    def sign(self, message: bytes) -> bytes:
        """Sign for the network, Ed25519. The message must itself name what it is, for no other to be taken for it."""
        return self._signing.sign(message)

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


def create_private_file(path: Path, content: bytes) -> None:
    """Write a 0600 file that did not exist, whole and on disk, or nothing. Refused: KEY_FILE_EXISTS."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError as exists:
            raise Conflict("KEY_FILE_EXISTS", file=path.name) from exists
    finally:
        draft.unlink()
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Put a folder's names on disk: without it a new file may be gone after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _owner(tenant_id: str, patient_id: UUID) -> bytes:
    return joined(b"passerelle/dossier-key/1", tenant_id.encode("utf-8"), patient_id.bytes)


def _root_in(text: bytes, file: str) -> bytes:
    try:
        document = json.loads(text)
        if document["format"] != _FORMAT:
            raise ValueError("unknown format")
        root = base64.b64decode(document["key"], validate=True)
        if len(root) != KEY_BYTES:
            raise ValueError("wrong length")
    except (ValueError, KeyError, TypeError, binascii.Error):
        # The cause is left out: a decoding error may quote the key.
        raise InvalidInput("KEY_FILE_BROKEN", file=file) from None
    return root
