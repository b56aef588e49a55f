"""The facts that the oncology record publishes. They carry ids and codes, never a health datum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from passerelle.audit.journal import NOBODY
from passerelle.audit.outbox import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardSessionChanged(Event):
    """A session was planned, opened, held, cancelled or closed. No patient is in it: its `patient_id` is nobody's."""

    name: ClassVar[str] = "oncology.session_changed"
    patient_id: UUID = NOBODY
    session_id: UUID
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardCaseChanged(Event):
    """A case was registered, deferred, withdrawn or heard."""

    name: ClassVar[str] = "oncology.case_changed"
    case_id: UUID
    session_id: UUID
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardSheetApproved(Event):
    """A sheet was approved and filed: to be sent to the attending physician and the referring doctors.

    `recipients` are `professional:<RPPS>`.
    """

    name: ClassVar[str] = "oncology.sheet_approved"
    case_id: UUID
    document_id: UUID
    version: int
    replaces: UUID | None = None
    recipients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CarePlanIssued(Event):
    """A care plan or an aftercare plan was handed to the patient, and filed."""

    name: ClassVar[str] = "oncology.care_plan_issued"
    plan_id: UUID
    document_id: UUID
    version: int
