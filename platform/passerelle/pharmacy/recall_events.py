"""What happens to recalls and alerts. No patient is in these events: their `patient_id` is nobody's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from passerelle.audit import outbox
from passerelle.audit.journal import NOBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallIssued(outbox.Event):
    """The pharmacies that it concerns are to be found."""

    name: ClassVar[str] = "pharmacy.recall_issued"
    patient_id: UUID = NOBODY
    recall_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallClosed(outbox.Event):
    """It reaches nobody more."""

    name: ClassVar[str] = "pharmacy.recall_closed"
    patient_id: UUID = NOBODY
    recall_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallMoved(outbox.Event):
    """What another network announced came further in a pharmacy of here: `origin` follows it."""

    name: ClassVar[str] = "pharmacy.recall_moved"
    patient_id: UUID = NOBODY
    recall_id: UUID
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _InOnePharmacy(outbox.Event):
    """`pharmacy` is a FINESS number."""

    name: ClassVar[str]
    patient_id: UUID = NOBODY
    recall_id: UUID
    pharmacy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallToDeliver(_InOnePharmacy):
    """It concerns this pharmacy, which is to be told."""

    name: ClassVar[str] = "pharmacy.recall_to_deliver"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallAcknowledged(_InOnePharmacy):
    name: ClassVar[str] = "pharmacy.recall_acknowledged"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallEscalated(_InOnePharmacy):
    """Nobody of this pharmacy has acknowledged it in time."""

    name: ClassVar[str] = "pharmacy.recall_escalated"
