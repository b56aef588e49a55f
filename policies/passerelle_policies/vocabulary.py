"""The closed lists of words that a rule is written in.

Every name here is a value of the matrix (`packs/*/matrix.csv`), a fact of a decision or both. Code lists
that the State publishes (professions, document types) are data: see `nomenclatures`.
"""

from __future__ import annotations

from enum import StrEnum


class ActorKind(StrEnum):
    """What the bearer of a request is."""

    PROFESSIONAL = "professional"
    PERSON = "person"  # a patient or a representative: a citizen with an INS
    ESTABLISHMENT = "establishment"  # feeds only (profil Alimentation)
    OFFICER = "officer"  # a network's data-protection officer
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
    NONE = "none"  # required of nobody: a line under it holds for anyone of the role


class Kind(StrEnum):
    """What is asked for."""

    PATIENT = "patient"  # an identity: look-up and registration
    DOSSIER = "dossier"
    DOCUMENT = "document"
    JOURNAL = "journal"
    AUTHORIZATIONS = "authorizations"  # the consents, teams and blocks of one patient


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
    SEARCH = "search"  # across the journals of a network
    REVIEW = "review"  # an emergency access, afterwards


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


class DocumentStatus(StrEnum):
    """XDS availability status and the two ends that the French DMP adds."""

    CURRENT = "current"  # urn:oasis:names:tc:ebxml-regrep:StatusType:Approved
    SUPERSEDED = "superseded"  # …:Deprecated
    ARCHIVED = "archived"  # urn:asip:ci-sis:2010:StatusType:Archived
    DELETED = "deleted"  # urn:asip:ci-sis:2010:StatusType:Deleted
