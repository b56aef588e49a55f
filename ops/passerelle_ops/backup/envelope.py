"""What leaves the house sealed to the operator's key, piece by piece, and signed for the network.

    file    = magic(5) ‖ length of head(4) ‖ head ‖ signature(64) ‖ segment 0 ‖ … ‖ segment n-1
    head    = JSON: what it is a backup of, `ephemeral`, `wrapped`
    wrapped = AES-256-GCM(HKDF-SHA256(X25519(ephemeral, recipient)), file key)
    segment = AES-256-GCM(file key, nonce = index(11) ‖ last?(1), up to 64 KiB, AAD = SHA-256(head))

STREAM, as `kernel.segments`, of a length that is not known when it begins; the file key is used once, so that its
nonces need no random part. Whoever makes backups holds no key that opens them. The signature is over the head: who did
not make the file, and cannot open it, does not know the file key and can write no segment of it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from passerelle.kernel.errors import BrokenIntegrity, InvalidInput, Refused
from passerelle.kernel.key_material import derive, joined
from passerelle.kernel.private_files import create_private_file

FORM: Final = "passerelle-backup/1"
_MAGIC: Final = b"PSRB\x01"
_PUBLIC_FORM, _PRIVATE_FORM = "passerelle-backup-recipient/1", "passerelle-backup-key/1"
_SEGMENT: Final = 64 * 1024
_SEALED: Final = _SEGMENT + 16
_SIGNATURE: Final = 64
_HEAD_LIMIT: Final = 64 * 1024
_LABEL: Final = b"passerelle/backup/1"
_NO_NONCE: Final = bytes(12)  # a wrapping key wraps one file key


class Recipient:
    """Whom backups are sealed to: an X25519 public key, read from a file. Refused: BACKUP_KEY_FILE."""

    def __init__(self, key: X25519PublicKey) -> None:
        self.key = key
        self.id = hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]

    @classmethod
    def load(cls, path: Path) -> Recipient:
        return cls(X25519PublicKey.from_public_bytes(_read(path, _PUBLIC_FORM)))


class Opener:
    """Who opens backups: the operator's private key, of which no server needs to know. Refused: BACKUP_KEY_FILE."""

    def __init__(self, key: X25519PrivateKey) -> None:
        self.key = key
        self.recipient = Recipient(key.public_key())

    def __repr__(self) -> str:
        return "<Opener>"

    @classmethod
    def load(cls, path: Path) -> Opener:
        return cls(X25519PrivateKey.from_private_bytes(_read(path, _PRIVATE_FORM)))


def create_keys(private: Path, public: Path) -> str:
    """Draw a pair of keys and write both files; the id of the recipient. Refused: KEY_FILE_EXISTS."""
    opener = Opener(X25519PrivateKey.generate())
    create_private_file(private, _written(_PRIVATE_FORM, opener.key.private_bytes_raw()))
    create_private_file(public, _written(_PUBLIC_FORM, opener.recipient.key.public_bytes_raw()))
    return opener.recipient.id


async def sealed(
    pieces: AsyncIterator[bytes], recipient: Recipient, sign: Callable[[bytes], bytes], about: Mapping[str, Any]
) -> AsyncIterator[bytes]:
    """The octets of the file around `pieces`, of any size each; `about` stands in its head, in clear."""
    ephemeral, file_key = X25519PrivateKey.generate(), secrets.token_bytes(32)
    public = ephemeral.public_key().public_bytes_raw()
    wrapping = _wrapping(ephemeral.exchange(recipient.key), public, recipient.key)
    head = json.dumps(
        {
            **about,
            "form": FORM,
            "recipient": recipient.id,
            "ephemeral": _text(public),
            "wrapped": _text(wrapping.encrypt(_NO_NONCE, file_key, None)),
        },
        sort_keys=True,
    ).encode()
    yield _MAGIC + len(head).to_bytes(4, "big") + head + sign(_signed(head))
    cipher, aad = AESGCM(file_key), hashlib.sha256(head).digest()
    held, index = bytearray(), 0
    async for piece in pieces:
        held += piece
        at = 0
        while len(held) - at > _SEGMENT:  # one is always kept back: the last one is marked
            yield cipher.encrypt(_nonce(index, is_last=False), bytes(held[at : at + _SEGMENT]), aad)
            at, index = at + _SEGMENT, index + 1
        del held[:at]
    yield cipher.encrypt(_nonce(index, is_last=True), bytes(held), aad)


class Opened:
    """A file of `sealed`, as it comes in. `head` is read and believed first: `await opened.begin(...)`."""

    def __init__(self, octets: AsyncIterator[bytes]) -> None:
        self._octets = octets
        self._held = bytearray()
        self._raw = b""
        self._file_key = b""
        self.head: dict[str, Any] = {}

    async def begin(self, opener: Opener, public_key: Callable[[Mapping[str, Any]], bytes]) -> Mapping[str, Any]:
        """Its head; `public_key` says by whom a file with such a head must be signed.

        Refused: BACKUP_NOT_ONE, BACKUP_OTHER_VERSION, BACKUP_KEY_WRONG, BACKUP_SIGNATURE, BACKUP_CUT.
        """
        prefix = await self._take(len(_MAGIC) + 4)
        if prefix[:4] != _MAGIC[:4]:
            raise InvalidInput("BACKUP_NOT_ONE")
        length = int.from_bytes(prefix[-4:], "big")
        if prefix[4:5] != _MAGIC[4:5] or length > _HEAD_LIMIT:
            raise InvalidInput("BACKUP_OTHER_VERSION")
        self._raw, signature = await self._take(length), await self._take(_SIGNATURE)
        try:
            self.head = json.loads(self._raw)
            ephemeral, wrapped = (base64.b64decode(self.head[name]) for name in ("ephemeral", "wrapped"))
            peer = X25519PublicKey.from_public_bytes(ephemeral)
            is_ours = self.head["recipient"] == opener.recipient.id
            is_known = self.head["form"] == FORM
        except (ValueError, KeyError, TypeError):
            raise BrokenIntegrity("BACKUP_ALTERED") from None
        if not is_known:
            raise InvalidInput("BACKUP_OTHER_VERSION")
        if not is_ours:
            raise Refused("BACKUP_KEY_WRONG", recipient=str(self.head["recipient"])[:16])
        try:
            Ed25519PublicKey.from_public_bytes(public_key(self.head)).verify(signature, _signed(self._raw))
        except InvalidSignature:
            raise BrokenIntegrity("BACKUP_SIGNATURE") from None
        wrapping = _wrapping(opener.key.exchange(peer), ephemeral, opener.recipient.key)
        try:
            self._file_key = wrapping.decrypt(_NO_NONCE, wrapped, None)
        except InvalidTag:
            raise BrokenIntegrity("BACKUP_ALTERED") from None
        return self.head

    async def pieces(self) -> AsyncIterator[bytes]:
        """What was sealed, each piece authenticated before it is given. Refused: BACKUP_ALTERED, BACKUP_CUT."""
        cipher, aad, index = AESGCM(self._file_key), hashlib.sha256(self._raw).digest(), 0
        while True:
            segment, is_last = await self._segment()
            try:
                clear = cipher.decrypt(_nonce(index, is_last=is_last), segment, aad)
            except InvalidTag:
                code = "BACKUP_CUT" if is_last and _opens(cipher, index, segment, aad) else "BACKUP_ALTERED"
                raise BrokenIntegrity(code) from None
            yield clear
            if is_last:
                return
            index += 1

    async def _segment(self) -> tuple[bytes, bool]:
        while len(self._held) <= _SEALED:
            piece = await anext(self._octets, None)
            if piece is None:
                if len(self._held) < 16:
                    raise BrokenIntegrity("BACKUP_CUT")
                last, self._held = bytes(self._held), bytearray()
                return last, True
            self._held += piece
        segment = bytes(self._held[:_SEALED])
        del self._held[:_SEALED]
        return segment, False

    async def _take(self, count: int) -> bytes:
        while len(self._held) < count:
            piece = await anext(self._octets, None)
            if piece is None:
                raise BrokenIntegrity("BACKUP_CUT")
            self._held += piece
        taken = bytes(self._held[:count])
        del self._held[:count]
        return taken


def _opens(cipher: AESGCM, index: int, segment: bytes, aad: bytes) -> bool:
    """Whether what stands last is a whole segment that others followed."""
    try:
        cipher.decrypt(_nonce(index, is_last=False), segment, aad)
    except InvalidTag:
        return len(segment) < _SEALED  # cut within a segment: nothing tells it from an altered one but its length
    return True


def _wrapping(shared: bytes, ephemeral: bytes, recipient: X25519PublicKey) -> AESGCM:
    return AESGCM(derive(shared, info=joined(_LABEL, ephemeral, recipient.public_bytes_raw())))


def _signed(head: bytes) -> bytes:
    return joined(_LABEL, head)


def _nonce(index: int, *, is_last: bool) -> bytes:
    return index.to_bytes(11, "big") + bytes([is_last])


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _written(form: str, key: bytes) -> bytes:
    return json.dumps({"format": form, "key": _text(key)}).encode() + b"\n"


def _read(path: Path, form: str) -> bytes:
    try:
        document = json.loads(path.read_bytes()[:4096])
        key = base64.b64decode(document["key"], validate=True)
        if document["format"] != form or len(key) != 32:
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError):
        # The cause is left out: a decoding error may quote the key.
        raise InvalidInput("BACKUP_KEY_FILE", file=path.name) from None
    return key
