"""What a use case may ask of the directory of professionals and establishments. `identities.directory` answers."""

from __future__ import annotations

from typing import Protocol


class KnownProfessional(Protocol):
    """A professional of the national directory; `profession` is a code of TRE_G15."""

    @property
    def name(self) -> str: ...
    @property
    def profession(self) -> str: ...
    @property
    def is_active(self) -> bool: ...


class KnownEstablishment(Protocol):
    """An establishment of FINESS."""

    @property
    def name(self) -> str: ...


class Directory(Protocol):
    """Looks up one number at a time; nothing for a number that is not there."""

    async def professional(self, rpps: str, /) -> KnownProfessional | None: ...
    async def establishment(self, finess: str, /) -> KnownEstablishment | None: ...


class EmptyDirectory:
    """Knows nobody: what a task has that was given no directory."""

    async def professional(self, _: str, /) -> KnownProfessional | None:
        return None

    async def establishment(self, _: str, /) -> KnownEstablishment | None:
        return None
