"""What a check found. Causes and remedies are sentences of the catalogue: `DOCTOR_<code>` and `REMEDY_<code>`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from passerelle.kernel import messages
from passerelle.kernel.errors import PasserelleError


class Check(StrEnum):
    """What is looked at."""

    DATABASE = "database"
    MIGRATIONS = "migrations"
    BROKER = "broker"
    QUEUES = "queues"
    OUTBOX = "outbox"
    STORE = "object_store"
    CLOCK = "clock"
    CERTIFICATE = "certificate"
    KEYS = "keys"
    SEALING = "sealing"
    LEDGER = "ledger"
    FEDERATION = "federation"
    ORPHANS = "orphans"


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong: a code of our own, or an error of the platform as it was raised."""

    code: str
    fields: Mapping[str, str | int] = field(default_factory=dict)
    error: PasserelleError | None = None

    @classmethod
    def told(cls, error: PasserelleError) -> Wrong:
        """An error, as whoever met it would have heard of it."""
        return cls(error.code, error=error)

    @property
    def cause(self) -> str:
        """In French."""
        return self.error.message if self.error is not None else messages.sentence(f"DOCTOR_{self.code}", self.fields)

    @property
    def remedy(self) -> str:
        """What to do, in French."""
        known = f"REMEDY_{self.code}"
        return messages.sentence(known if known in messages.catalogue() else "REMEDY_OTHER", self.fields)


@dataclass(frozen=True, slots=True)
class Found:
    """One check: of what (a network, `directory`, an address; nothing for the installation), and what is wrong."""

    check: Check
    about: str = ""
    wrong: Wrong | None = None
