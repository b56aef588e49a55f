"""What a use case may ask of the directory of professionals and establishments. `identities.directory` answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class KnownPractice(Protocol):
    """Where a professional works; `finess` is empty for a practice of his own."""

    @property
    def finess(self) -> str: ...


class KnownProfessional(Protocol):
    """A professional of the national directory; `profession` is a code of TRE_G15, `specialty` of TRE_R38."""

    @property
    def name(self) -> str: ...
    @property
    def family_name(self) -> str: ...
    @property
    def given_name(self) -> str: ...
    @property
    def profession(self) -> str: ...
    @property
    def specialty(self) -> str | None: ...
    @property
    def is_active(self) -> bool: ...
    def practices_in(self, tenant_id: str, /) -> Sequence[KnownPractice]: ...


class KnownEstablishment(Protocol):
    """An establishment of FINESS; `category` is a facility type of JDV_J02."""

    @property
    def name(self) -> str: ...
    @property
    def category(self) -> str | None: ...


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
