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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferralChanged(Event):
    """A case was referred to a board of another network, taken back, or the patient keeps out someone more or less:
    that network is to hear of it."""

    name: ClassVar[str] = "oncology.referral_changed"
    referral_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class LentCaseChanged(Event):
    """A case that another network lent was received, declined or answered: that network is to hear of it."""

    name: ClassVar[str] = "oncology.lent_case_changed"
    patient_id: UUID = NOBODY
    referral_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class LentCaseRead(Event):
    """An expert opened a case that another network lent, or a document of it: its patient is to read of it there."""

    name: ClassVar[str] = "oncology.lent_case_read"
    patient_id: UUID = NOBODY
    referral_id: UUID
    document_id: UUID | None = None
    rpps: str
    read_at: str
