"""What a check may ask of treatments that run elsewhere in the house: the oncology domain answers, when it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from uuid import UUID

if TYPE_CHECKING:
    from passerelle.kernel.context import Context


class TreatmentProtocols(Protocol):
    """The substances of the protocols that a patient is under.

    Who asks gets names only, and tells nobody which: a warning says that there is an overlap, not with what. Whoever
    answers leaves out what the patient masked, or keeps from this actor: that gives no warning, and no other trace.
    """

    async def substances(self, context: Context, patient_id: UUID, /) -> frozenset[str]:
        """Folded names (`pharmacy.reference.names`) of what the running protocols give."""
        ...


class NoTreatmentProtocols:
    """Knows of none: what a context has that was given nobody to ask."""

    async def substances(self, _context: Context, _patient_id: UUID, /) -> frozenset[str]:
        return frozenset()
