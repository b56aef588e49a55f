"""The key under which the locator knows persons: one for the installation, in a file of its own.

The directory holds what it makes of an INS and never the INS, so that whoever reads the directory alone finds nobody.
It is none of the networks' keys: a pseudonym of the locator tells nothing of one within a network.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from passerelle.identities.ins import Ins
from passerelle.kernel.errors import Conflict
from passerelle.kernel.key_place import KeyPlace
from passerelle.kernel.keys import Keys

FILE_NAME: Final = "locator.key"


class LocatorKey:
    """Turns an INS into the person's key of the locator. Never shown, never pickled."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def __repr__(self) -> str:
        return "<LocatorKey>"

    @classmethod
    def load(cls, place: Path | KeyPlace) -> LocatorKey:
        """Read the file. Refused: as `KeyPlace.read`."""
        return cls(Keys.load(place))

    @classmethod
    def ensure(cls, where: Path | KeyPlace, *, is_used: bool) -> LocatorKey:
        """Read the file, or draw it where there is none yet: 0600, whole or not at all, never written over.

        Refused: LOCATOR_KEY_LOST when persons were located under it already (restore it), and as `load`.
        """
        place = KeyPlace.of(where)
        if not place.exists():
            if is_used:
                raise Conflict("LOCATOR_KEY_LOST", file=place.name)
            try:
                Keys.create(place)
            except Conflict:
                # Another process drew it in between: its key holds.
                return cls.load(place)
        return cls.load(place)

    def person_key(self, ins: Ins) -> str:
        """32 hexadecimal digits, the same however the matricule is written."""
        return self._keys.person_key(ins.oid, ins.matricule)
