"""Where the text of a key file comes from and goes to, and who seals it: the one way to a network's keys.

    from   a file that its owner alone reads (0600), or the environment
    seal   none, or a key service that never gives its own key away (`KeySeal`): the text is then closed without it

A sealed text says whose keys it holds, so that another network's does not open in its place. What was sealed is sealed
again when it changes. See docs/decisions/0148.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle.kernel.key_material import KeyMaterial, Secret
from passerelle.kernel.private_files import create_private_file, in_turn, read_private_file, replace_private_file

_SEALED_FORMAT: Final = "passerelle-tenant-key/sealed-1"


class KeySeal(Protocol):
    """A key service. `about` is authenticated with the text: what was wrapped about one does not open about another.

    Both refuse with codes of their own, as TryLater when it does not answer.
    """

    def wrap(self, text: bytes, about: str) -> str: ...

    def unwrap(self, sealed: str, about: str) -> bytes: ...


@dataclass(frozen=True, slots=True, repr=False)
class KeyPlace(Secret):
    """Where one network's keys are. `given` stands for the file at `path`; whose they are is the file's name."""

    path: Path
    given: bytes | None = None
    seal: KeySeal | None = None

    @classmethod
    def of(cls, place: Path | KeyPlace) -> KeyPlace:
        return place if isinstance(place, KeyPlace) else cls(place)

    @property
    def name(self) -> str:
        """As refusals call it."""
        return self.path.name

    def exists(self) -> bool:
        return self.given is not None or self.path.exists()

    def state(self) -> tuple[int, ...]:
        """What changes when the file is replaced; nothing when there is none."""
        if self.given is not None:
            return ()
        try:
            found = self.path.stat()
        except OSError:
            return ()
        return (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)

    def read(self) -> KeyMaterial:
        """Refused: KEY_FILE_MISSING, KEY_FILE_EXPOSED (someone else may read it), KEY_FILE_BROKEN, KEY_SEAL_MISSING (it
        is sealed and no key service is set), and as `KeySeal`."""
        text = self._text()
        sealed = _sealed(text)
        if sealed is None:
            return KeyMaterial.read(text, self.name)
        if self.seal is None:
            raise InvalidInput("KEY_SEAL_MISSING", file=self.name)
        return KeyMaterial.read(self.seal.unwrap(sealed, self._about), self.name)

    def is_sealed(self) -> bool:
        """Refused as `read`, but for what the key service would say."""
        return _sealed(self._text()) is not None

    def create(self, text: bytes, at: Path | None = None) -> None:
        """Write a file that did not exist, whole and on disk; `at` another path, a copy of it.

        Refused: KEY_FILE_EXISTS, KEY_GIVEN (the environment gives it), and as `KeySeal`.
        """
        self._must_be_a_file()
        create_private_file(at or self.path, self._closed(text))

    def open_copy(self, at: Path) -> None:
        """Write what it holds, open, to a file that did not exist. Refused: KEY_FILE_EXISTS, and as `read`."""
        create_private_file(at, self.read().text())

    def replace(self, material: KeyMaterial) -> None:
        """Put these keys in the place of the ones that are there. Refused: KEY_GIVEN, and as `KeySeal`."""
        self._must_be_a_file()
        replace_private_file(self.path, self._closed(material.text()))

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """Those who read and replace it take turns. Refused: KEY_GIVEN."""
        self._must_be_a_file()
        with in_turn(self.path.parent):
            yield

    @property
    def _about(self) -> str:
        return self.path.stem

    def _text(self) -> bytes:
        return read_private_file(self.path) if self.given is None else self.given

    def _closed(self, text: bytes) -> bytes:
        if self.seal is None:
            return text
        said = {"format": _SEALED_FORMAT, "sealed": self.seal.wrap(text, self._about)}
        return json.dumps(said).encode("ascii") + b"\n"

    def _must_be_a_file(self) -> None:
        if self.given is not None:
            raise Conflict("KEY_GIVEN", file=self.name)


def _sealed(text: bytes) -> str | None:
    """What a key service wrapped; null for a text that is open, or no key file at all."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_sealed = isinstance(said, dict) and said.get("format") == _SEALED_FORMAT
    return said["sealed"] if is_sealed and isinstance(said.get("sealed"), str) else None
