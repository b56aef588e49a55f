"""The shared record of one tenant. Every patient-scoped table leads its key with the patient."""

from __future__ import annotations

from passerelle.dossier.tables.documents import (
    SUMMARIZED,
    document,
    document_author,
    document_key,
    document_mark,
    document_move,
    document_twin,
    document_version,
    document_withholding,
    set_aside,
)
from passerelle.dossier.tables.records import (
    dossier,
    dossier_act,
    erasure_certificate,
    erasure_request,
    submission_set,
)
from passerelle.dossier.tables.relations import (
    block,
    care_team,
    care_team_member,
    emergency_access,
    emergency_objection,
    heirs_objection,
    relation,
    team_consent,
    team_exclusion,
)

__all__ = [
    "SUMMARIZED",
    "block",
    "care_team",
    "care_team_member",
    "document",
    "document_author",
    "document_key",
    "document_mark",
    "document_move",
    "document_twin",
    "document_version",
    "document_withholding",
    "dossier",
    "dossier_act",
    "emergency_access",
    "emergency_objection",
    "erasure_certificate",
    "erasure_request",
    "heirs_objection",
    "relation",
    "set_aside",
    "submission_set",
    "team_consent",
    "team_exclusion",
]
