"""What each act of the journal is in the code lists that FHIR R4 binds an AuditEvent to.

Sources: FHIR R4 value sets audit-event-type, audit-event-sub-type, audit-event-action, v3 PurposeOfUse; DICOM PS3.16.
"""

from __future__ import annotations

from dataclasses import dataclass

from passerelle_policies.vocabulary import Action, Kind, Mode, Purpose

Coding = dict[str, str]

_DICOM = "http://dicom.nema.org/resources/ontology/DCM"
_INTERACTION = "http://hl7.org/fhir/restful-interaction"
_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


def coding(system: str, code: str, display: str) -> Coding:
    return {"system": system, "code": code, "display": display}


AUDIT_LOG_USED = coding(_DICOM, "110101", "Audit Log Used")
EXPORT = coding(_DICOM, "110106", "Export")
IMPORT = coding(_DICOM, "110107", "Import")
PATIENT_RECORD = coding(_DICOM, "110110", "Patient Record")
QUERY = coding(_DICOM, "110112", "Query")
SECURITY_ALERT = coding(_DICOM, "110113", "Security Alert")

_OVERRIDE = coding(_DICOM, "110127", "Emergency Override Started")
_DOCUMENT_SHOWN = coding(_DICOM, "110135", "Object Security Attributes Changed")
_PEOPLE_LET_IN = coding(_DICOM, "110137", "User security Attributes Changed")
_READ, _CREATE, _UPDATE, _DELETE, _SEARCH, _OPERATION = (
    {"system": _INTERACTION, "code": code}
    for code in ("read", "create", "update", "delete", "search-type", "operation")
)


@dataclass(frozen=True, slots=True)
class Act:
    """`action` is C, R, U, D or E (execute)."""

    type: Coding
    subtype: Coding
    action: str


_CHANGED = Act(PATIENT_RECORD, _UPDATE, "U")
_DOCUMENT_RIGHTS = Act(SECURITY_ALERT, _DOCUMENT_SHOWN, "U")
_ACCESS_RIGHTS = Act(SECURITY_ALERT, _PEOPLE_LET_IN, "U")

ACTS = {
    Action.FIND: Act(QUERY, _SEARCH, "E"),
    Action.REGISTER: Act(PATIENT_RECORD, _CREATE, "C"),
    Action.READ: Act(PATIENT_RECORD, _READ, "R"),
    Action.PUBLISH: Act(IMPORT, _CREATE, "C"),
    Action.REPLACE: Act(IMPORT, _UPDATE, "U"),
    Action.MASK: _DOCUMENT_RIGHTS,
    Action.UNMASK: _DOCUMENT_RIGHTS,
    Action.MASK_FROM: _DOCUMENT_RIGHTS,
    Action.UNMASK_FROM: _DOCUMENT_RIGHTS,
    Action.HIDE_FROM_PATIENT: _DOCUMENT_RIGHTS,
    Action.SHOW_TO_PATIENT: _DOCUMENT_RIGHTS,
    Action.HIDE_FROM_REPRESENTATIVES: _DOCUMENT_RIGHTS,
    Action.SHOW_TO_REPRESENTATIVES: _DOCUMENT_RIGHTS,
    Action.ARCHIVE: _CHANGED,
    Action.UNARCHIVE: _CHANGED,
    Action.DELETE: Act(PATIENT_RECORD, _DELETE, "D"),
    Action.MOVE: _CHANGED,
    Action.INFORM: Act(PATIENT_RECORD, _CREATE, "C"),
    Action.OPEN: _CHANGED,
    Action.SUSPEND: _CHANGED,
    Action.RESUME: _CHANGED,
    Action.CLOSE: _CHANGED,
    Action.REOPEN: _CHANGED,
    Action.PURGE: Act(PATIENT_RECORD, _DELETE, "D"),
    Action.DECLARE_DEATH: _CHANGED,
    Action.DECLARE_HOME: _CHANGED,
    Action.DECIDE_HOME: _CHANGED,
    Action.GRANT: _ACCESS_RIGHTS,
    Action.WITHDRAW: _ACCESS_RIGHTS,
    Action.REPRESENT: _ACCESS_RIGHTS,
    Action.BLOCK: _ACCESS_RIGHTS,
    Action.UNBLOCK: _ACCESS_RIGHTS,
    Action.OBJECT: _ACCESS_RIGHTS,
    Action.WITHDRAW_OBJECTION: _ACCESS_RIGHTS,
    Action.OBJECT_TO_HEIRS: _ACCESS_RIGHTS,
    Action.BREAK_GLASS: Act(SECURITY_ALERT, _OVERRIDE, "E"),
    Action.EXPORT: Act(EXPORT, _READ, "R"),
    Action.SEARCH: Act(AUDIT_LOG_USED, _SEARCH, "E"),
    Action.ATTEST_PRESENCE: _ACCESS_RIGHTS,
    Action.ATTEST_CARE: _ACCESS_RIGHTS,
    Action.CANCEL: _CHANGED,
    Action.CHECK: Act(PATIENT_RECORD, _OPERATION, "E"),
    Action.OVERRIDE: _CHANGED,
    Action.ACKNOWLEDGE: _CHANGED,
    Action.ESCALATE: _CHANGED,
    Action.VALIDATE: _CHANGED,
    Action.PLAN: Act(PATIENT_RECORD, _CREATE, "C"),
    Action.ANSWER: _CHANGED,
    Action.SIGN: _CHANGED,
    Action.HOLD: _CHANGED,
    Action.ATTACH: _CHANGED,
    Action.DEFER: _CHANGED,
    Action.REFER: Act(EXPORT, _CREATE, "C"),
    Action.WRITE: _CHANGED,
    Action.APPROVE: _CHANGED,
    Action.REVIEW: Act(AUDIT_LOG_USED, _OPERATION, "E"),
}

PURPOSES = {
    Purpose.CARE: coding(_REASON, "TREAT", "treatment"),
    Purpose.COORDINATION: coding(_REASON, "COC", "coordination of care"),
    Purpose.PATIENT_REQUEST: coding(_REASON, "PATRQT", "patient requested"),
    Purpose.ADMINISTRATION: coding(_REASON, "HOPERAT", "healthcare operations"),
}
EMERGENCIES = {
    Mode.NORMAL: None,
    Mode.BREAK_GLASS: coding(_REASON, "BTG", "break the glass"),
    Mode.REGULATION_CENTRE: coding(_REASON, "ETREAT", "Emergency Treatment"),
}


def act_of(kind: str, action: str) -> Act:
    """What a line of the journal is. A word that this table lacks is a fault of ours: KeyError or ValueError."""
    act = ACTS[Action(action)]
    if kind == Kind.JOURNAL:
        return Act(AUDIT_LOG_USED, act.subtype, act.action)
    if act.type is AUDIT_LOG_USED:  # a word of the journal's said of something else
        return Act(QUERY, act.subtype, act.action)
    return act
