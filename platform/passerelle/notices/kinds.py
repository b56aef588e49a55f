"""What a notice is about, and what it says to whom it is for."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from string import Formatter

from passerelle.kernel import messages
from passerelle_policies.vocabulary import ActorKind


class NoticeKind(StrEnum):
    """What happened. The sentence is NOTICE_<KIND>, or NOTICE_<KIND>_TO_PROFESSIONAL for a professional."""

    BREAK_GLASS = "break_glass"
    REGULATION_CENTRE = "regulation_centre"
    ANNOUNCEMENT_DUE = "announcement_due"
    ANNOUNCEMENT_SHOWN = "announcement_shown"
    NEWCOMER = "newcomer"
    MAJORITY = "majority"
    ERASURE_DONE = "erasure_done"
    CONSENT_CHANGED = "consent_changed"
    CONSENT_REQUESTED = "consent_requested"
    REPRESENTATION_CHANGED = "representation_changed"
    REVIEW_DONE = "review_done"


def code_of(kind: NoticeKind, recipient: str) -> str:
    """The code of the sentence for this recipient (`kind:id`)."""
    code = f"NOTICE_{kind}".upper()
    to_professional = f"{code}_TO_PROFESSIONAL"
    is_professional = recipient.startswith(f"{ActorKind.PROFESSIONAL}:")
    return to_professional if is_professional and to_professional in messages.catalogue() else code


def words_of(kind: NoticeKind, recipient: str) -> frozenset[str]:
    """The names that `about` must give for the sentence to be said."""
    template = messages.catalogue()[code_of(kind, recipient)]
    return frozenset(field for _, field, _, _ in Formatter().parse(template) if field)


def sentence_of(kind: NoticeKind, recipient: str, about: Mapping[str, str]) -> str:
    """What happened and what to do, in French; of a record erased since, only that."""
    if words_of(kind, recipient) - about.keys():
        return messages.sentence("NOTICE_FORGOTTEN", {})
    return messages.sentence(code_of(kind, recipient), about)
