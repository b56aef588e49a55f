"""The closed lists of words that a rule is written in.

Every name here is a value of the matrix (`packs/*/matrix.csv`), a fact of a decision or both. Code lists
that the State publishes (professions, document types) are data: see `nomenclatures`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias


class ActorKind(StrEnum):
    """What the bearer of a request is."""

    PROFESSIONAL = "professional"
    PERSON = "person"  # a patient or a representative: a citizen with an INS
    ESTABLISHMENT = "establishment"  # feeds only (profil Alimentation)
    OFFICER = "officer"  # a network's data-protection officer
    AUTHORITY = "authority"  # a health authority, or whoever announces in its name
    NETWORK = "network"  # a regional cancer network, which validates tumour boards and follows their activity
    SYSTEM = "system"  # our own tasks


class Role(StrEnum):
    """The column of the matrix: a profession, or what stands in its place for the others."""

    PHYSICIAN = "physician"
    PHARMACIST = "pharmacist"
    NURSE = "nurse"
    DENTIST = "dentist"
    MIDWIFE = "midwife"
    PHYSIOTHERAPIST = "physiotherapist"
    OTHER_HEALTH = "other_health"  # the other health professions of TRE_G15
    SOCIAL_WORKER = "social_worker"
    SECRETARY = "secretary"
    PERSON = "person"
    ESTABLISHMENT = "establishment"
    DATA_PROTECTION_OFFICER = "data_protection_officer"  # délégué à la protection des données
    HEALTH_AUTHORITY = "health_authority"  # autorité sanitaire
    CANCER_NETWORK = "cancer_network"  # réseau régional de cancérologie (RRC), dispositif spécifique régional (DSRC)
    SYSTEM = "system"
    OTHER = "other"  # anyone else: no line of the matrix names it


class Relation(StrEnum):
    """What ties the actor to the patient on the day of the request. Several may hold at once."""

    PATIENT = "patient"
    REPRESENTATIVE = "representative"
    ATTENDING_PHYSICIAN = "attending_physician"  # médecin traitant
    CARE_TEAM = "care_team"  # member of a team under the patient's consent
    AUTHORIZED = "authorized"  # individually authorised
    AUTHOR = "author"  # of the document in question
    EMERGENCY = "emergency"  # has broken the glass of this record, for as long as that lasts
    HEIR = "heir"  # ayant droit of a patient who died, for as long as the rule says
    PATIENT_PRESENT = "patient_present"  # the patient is at this pharmacist's counter, and it is recorded
    ESTABLISHMENT_CARE = "establishment_care"  # he is in care in this health establishment, and it is recorded
    BOARD_MEMBER = "board_member"  # of the session that a case is registered to, for the session's span
    BOARD_COORDINATOR = "board_coordinator"  # médecin coordonnateur of that session, or of the board
    BOARD_SECRETARY = "board_secretary"  # secretary of its coordination centre (3C)
    CASE_REQUESTER = "case_requester"  # who registered the case, or presents it
    SUCCESSOR = "successor"  # whom the oncology record lets write the next version of what another filed
    NONE = "none"  # required of nobody: a line under it holds for anyone of the role


BEFORE_THE_PATIENT = (Relation.PATIENT_PRESENT, Relation.ESTABLISHMENT_CARE)
"""What opens the pharmacy record, and says nothing to whoever asks for the shared one."""


class Setting(StrEnum):
    """From where the actor acts, by the category of his establishment (`roles.setting_of`)."""

    PHARMACY = "pharmacy"  # officine
    HEALTH_ESTABLISHMENT = "health_establishment"  # établissement de santé, its own pharmacy (PUI) included
    TOWN = "town"  # any other place: a practice, a health centre, a home
    NONE = "none"  # from no place that is known: a citizen, a task


class Kind(StrEnum):
    """What is asked for."""

    PATIENT = "patient"  # an identity: look-up and registration
    DOSSIER = "dossier"
    DOCUMENT = "document"
    JOURNAL = "journal"
    AUTHORIZATIONS = "authorizations"  # the consents, teams and blocks of one patient
    PHARMACY_RECORD = "pharmacy_record"  # dossier pharmaceutique (DP): its life, and who is before the patient
    DISPENSATION = "dispensation"  # what the pharmacy record holds
    RECALL = "recall"  # of a product and batch, or an alert: about no patient
    BOARD = "board"  # RCP as it is declared: its charter and its members, about no patient
    BOARD_SESSION = "board_session"  # one meeting of a board: its day, its seats, its attendance, about no patient
    BOARD_CASE = "board_case"  # one patient registered to a session
    BOARD_SHEET = "board_sheet"  # fiche RCP: what is discussed and what the board proposes
    CARE_PLAN = "care_plan"  # programme personnalisé de soins (PPS), plan personnalisé de l'après-cancer (PPAC)
    BOARD_ACTIVITY = "board_activity"  # counts by board, with nobody's name
    EXCHANGE = "exchange"  # what networks owe each other, and a network's keys: about no patient


PHARMACY_KINDS = frozenset({Kind.PHARMACY_RECORD, Kind.DISPENSATION, Kind.RECALL})
"""What the pharmacy record's own state stands before, and not the shared record's."""


ONCOLOGY_KINDS = frozenset(
    {Kind.BOARD, Kind.BOARD_SESSION, Kind.BOARD_CASE, Kind.BOARD_SHEET, Kind.CARE_PLAN, Kind.BOARD_ACTIVITY}
)
"""What the oncology record (DCC) holds; the shared record's state stands before what of it is a patient's."""


class Action(StrEnum):
    """What would be done to it."""

    FIND = "find"  # look an identity up
    REGISTER = "register"  # record an identity
    READ = "read"
    PUBLISH = "publish"
    REPLACE = "replace"
    MASK = "mask"
    UNMASK = "unmask"
    HIDE_FROM_PATIENT = "hide_from_patient"
    SHOW_TO_PATIENT = "show_to_patient"
    HIDE_FROM_REPRESENTATIVES = "hide_from_representatives"
    SHOW_TO_REPRESENTATIVES = "show_to_representatives"
    ARCHIVE = "archive"
    UNARCHIVE = "unarchive"
    DELETE = "delete"
    MOVE = "move"  # repair: filed under the wrong patient
    INFORM = "inform"
    OPEN = "open"
    SUSPEND = "suspend"
    RESUME = "resume"
    CLOSE = "close"
    REOPEN = "reopen"
    PURGE = "purge"
    GRANT = "grant"  # authorise, consent to a team, declare an attending physician
    WITHDRAW = "withdraw"
    REPRESENT = "represent"  # declare a legal representative, or end his powers
    BLOCK = "block"
    UNBLOCK = "unblock"
    MASK_FROM = "mask_from"  # keep one document from one professional
    UNMASK_FROM = "unmask_from"
    OBJECT = "object"  # beforehand, to any opening in an emergency
    WITHDRAW_OBJECTION = "withdraw_objection"
    OBJECT_TO_HEIRS = "object_to_heirs"  # the patient, to what they may ask for after him; or no longer
    BREAK_GLASS = "break_glass"  # open a record in an emergency
    EXPORT = "export"  # take the whole record away
    DECLARE_DEATH = "declare_death"
    DECLARE_HOME = "declare_home"  # that the patient's home is this network
    DECIDE_HOME = "decide_home"  # which of two networks that claim it is his home
    SEARCH = "search"  # across the journals of a network
    REVIEW = "review"  # an emergency access, afterwards
    ATTEST_PRESENCE = "attest_presence"  # that the patient is at the counter
    ATTEST_CARE = "attest_care"  # that the patient is in care in this establishment
    CANCEL = "cancel"  # a dispensation that did not take place
    CHECK = "check"  # what is about to be dispensed
    OVERRIDE = "override"  # what a check found, with a reason
    ACKNOWLEDGE = "acknowledge"  # a recall
    ESCALATE = "escalate"  # a recall that nobody acknowledged
    VALIDATE = "validate"  # a board that an establishment or a 3C declared
    PLAN = "plan"  # a session
    ANSWER = "answer"  # whether one comes to a session
    SIGN = "sign"  # one's attendance at a session
    HOLD = "hold"  # say that a session took place: its quorum is judged then
    ATTACH = "attach"  # a document of the record to a case
    DEFER = "defer"  # a case to a later session
    REFER = "refer"  # a case to a board of another region (RCP de recours)
    WRITE = "write"  # a sheet or a plan that is not final yet
    APPROVE = "approve"  # a sheet, which is final from then on


class Mode(StrEnum):
    """How the actor comes in (mode d'accès of the VIHF)."""

    NORMAL = "normal"
    BREAK_GLASS = "break_glass"  # bris de glace
    REGULATION_CENTRE = "regulation_centre"  # centre 15


class Purpose(StrEnum):
    """Why. Every read carries one (data strictly necessary, L.1110-4)."""

    CARE = "care"
    COORDINATION = "coordination"
    PATIENT_REQUEST = "patient_request"
    ADMINISTRATION = "administration"


class DossierState(StrEnum):
    """The life cycle of a shared record (R.1111-28 to R.1111-40, R.1111-36)."""

    INFORMED = "informed"  # the patient was told and may still object
    OPEN = "open"
    SUSPENDED = "suspended"
    CLOSED = "closed"
    PURGED = "purged"


class PharmacyRecordState(StrEnum):
    """The life cycle of a pharmacy record (R.1111-20-1 to R.1111-20-6)."""

    INFORMED = "informed"  # the patient was told and may still object
    OPEN = "open"
    OBJECTED = "objected"  # for a time that the rules set, nobody opens it but at his wish
    CLOSED = "closed"


RecordState: TypeAlias = DossierState | PharmacyRecordState


def record_state(kind: Kind, word: str | None) -> RecordState | None:
    """The state that stands before this kind, from its word; None where there is no record."""
    if word is None:
        return None
    return PharmacyRecordState(word) if kind in PHARMACY_KINDS else DossierState(word)


class DocumentStatus(StrEnum):
    """XDS availability status and the two ends that the French DMP adds."""

    CURRENT = "current"  # urn:oasis:names:tc:ebxml-regrep:StatusType:Approved
    SUPERSEDED = "superseded"  # …:Deprecated
    ARCHIVED = "archived"  # urn:asip:ci-sis:2010:StatusType:Archived
    DELETED = "deleted"  # urn:asip:ci-sis:2010:StatusType:Deleted
