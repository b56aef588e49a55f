"""The facts that the pharmacy record publishes. They carry ids and codes, never a health datum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from passerelle.audit.outbox import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class PharmacyRecordChanged(Event):
    """The pharmacy record went from one state to another."""

    name: ClassVar[str] = "pharmacy.record_changed"
    act: str
    to_state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DispensationRecorded(Event):
    """A pharmacy recorded a dispensation; `replaces` names the version that it corrects."""

    name: ClassVar[str] = "pharmacy.dispensation_recorded"
    dispensation_id: UUID
    replaces: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DispensationCancelled(Event):
    """A pharmacy said that a dispensation did not take place."""

    name: ClassVar[str] = "pharmacy.dispensation_cancelled"
    dispensation_id: UUID
