"""The facts that the shared record publishes. They carry ids and codes, never a health datum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final
from uuid import UUID

from passerelle.audit.outbox import Event

#: In the payload of what is told of a document that another network keeps: that network.
ORIGIN: Final = "origin"


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierChanged(Event):
    """The record went from one state to another."""

    name: ClassVar[str] = "dossier.state_changed"
    act: str
    to_state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentPublished(Event):
    """A document was filed; `replaces` names the one it supersedes."""

    name: ClassVar[str] = "dossier.document_published"
    document_id: UUID
    replaces: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentMetadataChanged(Event):
    """A document was masked, hidden, shown, archived, deleted…: `act` says which; `origin`, what other network keeps
    it."""

    name: ClassVar[str] = "dossier.document_metadata_changed"
    document_id: UUID
    act: str
    metadata_version: int
    origin: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentWithholdingChanged(Event):
    """The patient keeps a document from one professional, or no longer does; whom is read where it is kept."""

    name: ClassVar[str] = "dossier.document_withholding_changed"
    document_id: UUID
    act: str
    origin: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinDecided(Event):
    """Something was decided of a document that `origin` was fed too."""

    name: ClassVar[str] = "dossier.twin_decided"
    document_id: UUID
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentMoved(Event):
    """A document filed under the wrong patient went to another."""

    name: ClassVar[str] = "dossier.document_moved"
    document_id: UUID
    to_patient_id: UUID
    to_document_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationChanged(Event):
    """An authorisation, consent, block or declaration was made or ended."""

    name: ClassVar[str] = "dossier.relation_changed"
    act: str
    relation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CareTeamChanged(Event):
    """Somebody joined or left a team that the patient consents to."""

    name: ClassVar[str] = "dossier.care_team_changed"
    team_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyChanged(Event):
    """A record was opened by break-glass, or that ended or was reviewed: `act` says which."""

    name: ClassVar[str] = "dossier.emergency_changed"
    access_id: UUID
    act: str
