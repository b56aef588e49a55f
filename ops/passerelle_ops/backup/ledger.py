"""The ledger: what narrowed in a network or in the directory, and what was filed, written down outside its database;
append-only.

An entry is an object named by its number, created and never written over, sealed under a key of the network's root and
bound to its network and number. Each holds the hash of the one before, so that a missing or exchanged entry is found;
that the newest ones are gone, only the database can tell, whose queue says what it gave (`audit.narrowings`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from passerelle.kernel import segments
from passerelle.kernel.clock import Clock
from passerelle.kernel.errors import BrokenIntegrity, Conflict, TryLater
from passerelle.kernel.keys import Keys
from passerelle_ops.backup.archive import as_json
from passerelle_ops.backup.places import Place

_FORM: Final = "passerelle-ledger/1"
_IN_A_FOLDER: Final = 1000
_TRIES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What was written down at once. `narrowed`: {what, at, said}; `filed`: documents, as `losses.filed` gives;
    `head`: the journal's newest then; `restored`: the backup from which the network was restored at this point."""

    number: int
    at: str
    narrowed: Sequence[Mapping[str, Any]] = ()
    filed: Sequence[Mapping[str, Any]] = ()
    head: Mapping[str, Any] | None = None
    restored: str | None = None


class Owner(Protocol):
    """Whose ledger it is: a network, or the directory."""

    @property
    def id(self) -> str: ...

    @property
    def keys(self) -> Keys: ...


class Ledger:
    """The ledger of one database in its place."""

    def __init__(self, place: Place, owner: Owner) -> None:
        self._place = place
        self.owner = owner
        self._key = owner.keys.ledger_key()
        self._last: tuple[int, str] | None = None

    async def last(self) -> int:
        """The number of the newest entry; 0 when there is none."""
        folders = sorted((each for each in await self._place.folders() if each.isdigit()), key=int, reverse=True)
        for folder in folders:  # a folder stays behind, empty, when a write was cut off
            if numbers := [int(each) for each in await self._place.names(folder) if each.isdigit()]:
                return max(numbers)
        return 0

    async def append(
        self,
        clock: Clock,
        *,
        narrowed: Sequence[Mapping[str, Any]] = (),
        filed: Sequence[Mapping[str, Any]] = (),
        head: Mapping[str, Any] | None = None,
        restored: str | None = None,
    ) -> int:
        """Write an entry; its number. On disk, or with S3, when this returns. Refused: BACKUP_PLACE_AWAY."""
        for _ in range(_TRIES):
            number, previous = await self._newest()
            number += 1
            document = {
                "form": _FORM,
                "tenant": self.owner.id,
                "number": number,
                "previous": previous,
                "at": clock.now().isoformat(),
                "narrowed": [*narrowed],
                "filed": [*filed],
                "head": head,
                "restored": restored,
            }
            sealed = segments.encrypt(as_json(document), self._key, self._binding(number))
            if await self._place.create(_name(number), sealed):
                self._last = (number, hashlib.sha256(sealed).hexdigest())
                return number
            self._last = None  # another wrote it: go on from there
        raise TryLater("BACKUP_PLACE_AWAY", retry_after=5)

    async def since(self, after: int) -> AsyncIterator[Entry]:
        """The entries after that number, oldest first; all of them from the very first, after 0. Refused:
        LEDGER_BROKEN, with the number of the entry that is missing, exchanged or altered. That a place is empty which
        should not be, only the database can tell (`restoring.must_be_its_ledger`)."""
        last, before = await self.last(), None
        if after > 0:
            if after > last:
                raise BrokenIntegrity("LEDGER_BROKEN", number=after)
            before = hashlib.sha256(await self._read(after)).hexdigest()
        for number in range(after + 1, last + 1):
            sealed = await self._read(number)
            document = self._opened(sealed, number)
            if before is not None and document["previous"] != before:
                raise BrokenIntegrity("LEDGER_BROKEN", number=number)
            before = hashlib.sha256(sealed).hexdigest()
            yield Entry(**{name: document[name] for name in Entry.__dataclass_fields__})

    async def _read(self, number: int) -> bytes:
        try:
            return await self._place.read(_name(number))
        except Conflict:
            raise BrokenIntegrity("LEDGER_BROKEN", number=number) from None

    def _opened(self, sealed: bytes, number: int) -> dict[str, Any]:
        try:
            document: dict[str, Any] = json.loads(segments.decrypt(sealed, self._key, self._binding(number)))
        except BrokenIntegrity:
            raise BrokenIntegrity("LEDGER_BROKEN", number=number) from None
        return document

    async def _newest(self) -> tuple[int, str]:
        if self._last is None:
            number = await self.last()
            sealed = await self._place.read(_name(number)) if number else b""
            self._last = (number, hashlib.sha256(sealed).hexdigest())
        return self._last

    def _binding(self, number: int) -> bytes:
        return f"{self.owner.id}/ledger/{number}".encode()


def _name(number: int) -> str:
    return f"{number // _IN_A_FOLDER:09d}/{number:012d}"
