"""The signing keys of the demo's issuer, in a folder that only its owner reads."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, KeySetSerialization

from passerelle.kernel.errors import InvalidInput

ALGORITHM: Final = "ES256"
_KEPT: Final = 2


class SigningKeys:
    """The keys in `folder`, the newest first: it signs, and the one before it is still published.

    Drawn at first use. Several processes may read them and one rotate them at once. Refused:
    DEMO_ISSUER_KEYS_BROKEN when the file is not ours to trust.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "keys.json"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._alone():
            if not self._file.exists():
                self._write([_draw()])

    def newest(self) -> ECKey:
        """The key that signs."""
        return self._read()[0]

    def published(self) -> KeySetSerialization:
        """The public keys, as a JWKS."""
        return KeySet(list(self._read())).as_dict(private=False)

    def rotate(self) -> str:
        """Sign with a new key from now on. Gives its name; tokens of the one before stay good."""
        with self._alone():
            fresh = _draw()
            self._write([fresh, *self._read()][:_KEPT])
        return str(fresh.kid)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _read(self) -> Sequence[ECKey]:
        try:
            with self._file.open("rb") as file:
                if os.fstat(file.fileno()).st_mode & 0o077:
                    raise InvalidInput("DEMO_ISSUER_KEYS_BROKEN", file=self._file.name)
                keys = [ECKey.import_key(each) for each in json.load(file)["keys"]]
        except (OSError, ValueError, KeyError, TypeError, JoseError):
            # The cause is left out: a decoding error may quote a key.
            raise InvalidInput("DEMO_ISSUER_KEYS_BROKEN", file=self._file.name) from None
        if not keys or not all(key.is_private for key in keys):
            raise InvalidInput("DEMO_ISSUER_KEYS_BROKEN", file=self._file.name)
        return keys

    def _write(self, keys: Sequence[ECKey]) -> None:
        draft = self._folder / f".keys.{secrets.token_hex(8)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            json.dump(KeySet(list(keys)).as_dict(private=True), file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._file)


def _draw() -> ECKey:
    return ECKey.generate_key("P-256", {"use": "sig", "alg": ALGORITHM}, private=True, auto_kid=True)
