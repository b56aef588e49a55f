"""What a notice is about, and what it says to whom it is for."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from string import Formatter

from passerelle.kernel import messages
from passerelle_policies.vocabulary import ActorKind


class NoticeKind(StrEnum):
    """What happened. The sentence is NOTICE_<KIND>, with _TO_PROFESSIONAL or _TO_REPRESENTATIVE where that differs."""

    BREAK_GLASS = "break_glass"
    REGULATION_CENTRE = "regulation_centre"
    ANNOUNCEMENT_DUE = "announcement_due"
    ANNOUNCEMENT_SHOWN = "announcement_shown"
    NEWCOMER = "newcomer"
    MAJORITY = "majority"
    DEATH_DECLARED = "death_declared"
    ERASURE_DONE = "erasure_done"
    CONSENT_CHANGED = "consent_changed"
    REPRESENTATION_CHANGED = "representation_changed"
    REVIEW_DONE = "review_done"
    MISFILED_VERSION = "misfiled_version"
    OPENED = "opened"
    NETWORK_MERGED = "network_merged"
    SUSPENDED = "suspended"
    SUSPENSION_CLOSED = "suspension_closed"
    PHARMACY_RECORD_INFORMED = "pharmacy_record_informed"
    PHARMACY_RECORD_OPENED = "pharmacy_record_opened"
    PHARMACY_RECORD_MAJORITY = "pharmacy_record_majority"
    RECALL = "recall"
    RECALL_OVERDUE = "recall_overdue"
    BOARD_CASE_REGISTERED = "board_case_registered"
    BOARD_CASE_WITHDRAWN = "board_case_withdrawn"
    BOARD_CASE_DEFERRED = "board_case_deferred"
    CARE_PLAN_ISSUED = "care_plan_issued"
    AFTERCARE_PLAN_ISSUED = "aftercare_plan_issued"
    FOLLOW_UP_DUE = "follow_up_due"


def code_of(kind: NoticeKind, recipient: str, *, is_patient: bool = True) -> str:
    """The code of the sentence for this recipient (`kind:id`), who is the patient or acts for him."""
    code = f"NOTICE_{kind}".upper()
    if recipient.startswith(f"{ActorKind.PROFESSIONAL}:"):
        own = f"{code}_TO_PROFESSIONAL"
    else:
        own = code if is_patient else f"{code}_TO_REPRESENTATIVE"
    return own if own in messages.catalogue() else code


def words_of(kind: NoticeKind, recipient: str) -> frozenset[str]:
    """The names that `about` must give for the sentence to be said, whichever of this recipient's it is."""
    codes = {code_of(kind, recipient, is_patient=is_patient) for is_patient in (True, False)}
    parsed = (Formatter().parse(messages.catalogue()[code]) for code in codes)
    return frozenset(field for each in parsed for _, field, _, _ in each if field)


def sentence_of(kind: NoticeKind, recipient: str, about: Mapping[str, str], *, is_patient: bool = True) -> str:
    """What happened and what to do, in French; of a record erased since, only that."""
    if words_of(kind, recipient) - about.keys():
        return messages.sentence("NOTICE_FORGOTTEN", {})
    return messages.sentence(code_of(kind, recipient, is_patient=is_patient), about)
