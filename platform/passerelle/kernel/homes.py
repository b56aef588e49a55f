"""Which network is a patient's home, as a request may say it; `context.Homes` writes it down for all networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from passerelle.kernel.errors import TryLater

if TYPE_CHECKING:
    from uuid import UUID

    from passerelle.kernel.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidHome:
    """A patient's home once something was said of it: `state` is a word of the directory, `claimed_by` the network
    that he moves to, or that says that it is his home as well."""

    network: str
    state: str
    claimed_by: str | None


class Homes(Protocol):
    """Has the patient, or an officer, say that his home is the network of the request."""

    async def declare(self, context: Context, patient_id: UUID, /) -> SaidHome:
        """Refused: ACCESS_REFUSED; DOSSIER_NOT_OPEN, PATIENT_WITHOUT_INS, HOME_HANDED, HOME_DISPUTED; HOME_BUSY."""
        ...


class NoHomes:
    """Knows of no other network: what a request has that was given nobody to tell."""

    async def declare(self, _context: Context, _patient_id: UUID, /) -> SaidHome:
        raise TryLater("HOME_BUSY", retry_after=30)
