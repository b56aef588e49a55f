"""What a tenant's key file holds, and how keys are derived from it.

A file begins as one root of 256 bits, from which all keys are derived. Once a new wrapping key was prepared it holds
the derived keys one by one instead, so that a wrapping key that was retired is in it no more, not even as something
to be derived. See docs/decisions/0144.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, NoReturn

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from passerelle.kernel.errors import InvalidInput

KEY_BYTES: Final = 32
#: A wrapped key names its version in one octet.
LAST_VERSION: Final = 255
_ROOT_FORMAT: Final = "passerelle-tenant-key/1"
_KEYS_FORMAT: Final = "passerelle-tenant-key/2"


def derive(secret: bytes, *, info: bytes, salt: bytes | None = None) -> bytes:
    """A 256-bit key from `secret`, separate for each `info` and `salt` (RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=info).derive(secret)


def joined(*parts: bytes) -> bytes:
    """`parts` as one string of bytes that no other parts give: each is preceded by its length."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


class Secret:
    """Never shown, never pickled: a key must not reach a log, a trace or the broker."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds a secret and is not serialised")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class KeyMaterial(Secret):
    """One tenant's keys, as octets. Of those that wrap, new dossier keys go under `in_use`; all of them open.
    `next_signing` is ready to sign in the place of `signing`, and does once the network's journal says so."""

    wrapping: Mapping[int, bytes]
    in_use: int
    person: bytes
    marking: bytes
    federation: bytes
    ledger: bytes
    signing: bytes
    next_signing: bytes | None = None

    @classmethod
    def of_root(cls, root: bytes) -> KeyMaterial:
        """All keys of one root, each under its own label."""
        if len(root) != KEY_BYTES:
            raise ValueError("a tenant's root key has 32 bytes")
        rest = {name: derive(root, info=f"passerelle/tenant/{name}/1".encode()) for name in _ONE_EACH}
        return cls(wrapping={1: derive(root, info=b"passerelle/tenant/wrapping/1")}, in_use=1, **rest)

    @classmethod
    def read(cls, text: bytes, file: str) -> KeyMaterial:
        """What a file of that name says. Refused: KEY_FILE_BROKEN."""
        try:
            document = json.loads(text)
            if document["format"] == _ROOT_FORMAT:
                return cls.of_root(_octets(document["key"]))
            if document["format"] != _KEYS_FORMAT:
                raise ValueError("unknown format")
            wrapping = {int(version): _octets(key) for version, key in document["wrapping"].items()}
            found = cls(
                wrapping=wrapping,
                in_use=document["in_use"],
                next_signing=_octets(document["next_signing"]) if "next_signing" in document else None,
                **{name: _octets(document[name]) for name in _ONE_EACH},
            )
            if found.in_use not in wrapping or not all(1 <= version <= LAST_VERSION for version in wrapping):
                raise ValueError("no such version")
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
            # The cause is left out: a decoding error may quote the key.
            raise InvalidInput("KEY_FILE_BROKEN", file=file) from None
        return found

    @staticmethod
    def root_text(root: bytes) -> bytes:
        """A file that holds one root."""
        return _text({"format": _ROOT_FORMAT, "key": _ascii(root)})

    def text(self) -> bytes:
        """A file that holds each key."""
        wrapping = {str(version): _ascii(key) for version, key in self.wrapping.items()}
        rest = {name: _ascii(getattr(self, name)) for name in _ONE_EACH}
        ready = {"next_signing": _ascii(self.next_signing)} if self.next_signing else {}
        return _text({"format": _KEYS_FORMAT, "in_use": self.in_use, "wrapping": wrapping, **rest, **ready})

    def with_new_wrapping(self) -> KeyMaterial:
        """One wrapping key more, not in use yet."""
        version = max(self.wrapping) + 1
        return replace(self, wrapping={**self.wrapping, version: secrets.token_bytes(KEY_BYTES)})

    def using_newest(self) -> KeyMaterial:
        return replace(self, in_use=max(self.wrapping))

    def without_former(self) -> KeyMaterial:
        """The wrapping key in use alone."""
        return replace(self, wrapping={self.in_use: self.wrapping[self.in_use]})

    def with_new_signing(self) -> KeyMaterial:
        """A key that may sign next."""
        return replace(self, next_signing=secrets.token_bytes(KEY_BYTES))

    def signing_next(self) -> KeyMaterial:
        """The key that was ready signs, and the former is gone."""
        return replace(self, signing=self.next_signing or self.signing, next_signing=None)


_NOT_ONE_EACH: Final = {"wrapping", "in_use", "next_signing"}
_ONE_EACH: Final = tuple(each.name for each in fields(KeyMaterial) if each.name not in _NOT_ONE_EACH)


def _octets(text: Any) -> bytes:
    octets = base64.b64decode(text, validate=True)
    if len(octets) != KEY_BYTES:
        raise ValueError("wrong length")
    return octets


def _ascii(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _text(document: Mapping[str, object]) -> bytes:
    return json.dumps(document).encode("ascii") + b"\n"
