"""Posting a notice: once for each (recipient, key), in the transaction of what it tells of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, func, insert, literal, select
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.audit import outbox
from passerelle.audit.transactions import Act
from passerelle.identities import patients
from passerelle.notices.kinds import NoticeKind as NoticeKind
from passerelle.notices.kinds import words_of
from passerelle.notices.tables import notice, notice_delivery
from passerelle_policies.vocabulary import ActorKind

INBOX = "inbox"
_PERSON = f"{ActorKind.PERSON}:"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticePosted(outbox.Event):
    """A notice waits for its recipient; other channels than the inbox listen to this."""

    name: ClassVar[str] = "notices.posted"
    notice_id: UUID
    recipient: str
    kind: str


async def post(
    act: Act,
    *,
    recipient: str,
    key: str,
    kind: NoticeKind,
    patient_id: UUID,
    about: Mapping[str, str] | None = None,
) -> bool:
    """Put a notice in the inbox of `recipient` (`kind:id`), with the proof that it is there; false when it was.

    `key` says what it is about: a second notice of that key for that recipient is none. `about` gives the words
    of the sentence (`kinds.words_of`) and ids; never a title, an INS or a health datum. A missing word is a fault
    of the caller: ValueError.
    """
    said = dict(about or {})
    if missing := words_of(kind, recipient) - said.keys():
        raise ValueError(f"a notice {kind} says {sorted(missing)}")
    notice_id = uuid4()
    new = upsert(notice).values(
        recipient=recipient,
        notice_id=notice_id,
        key=key,
        kind=kind.value,
        patient_id=patient_id,
        about=said,
        posted_at=act.now,
    )
    done = await act.connection.execute(
        new.on_conflict_do_nothing(index_elements=["recipient", "key"]).returning(notice.c.notice_id)
    )
    if done.one_or_none() is None:
        return False
    await act.connection.execute(
        insert(notice_delivery).values(
            recipient=recipient, notice_id=notice_id, channel=INBOX, at=act.now, proof="put in the inbox"
        )
    )
    await outbox.publish(
        act, NoticePosted(patient_id=patient_id, notice_id=notice_id, recipient=recipient, kind=kind.value)
    )
    return True


def is_posted(patient_id: ColumnElement[Any], key: ColumnElement[Any]) -> ColumnElement[bool]:
    """SQL condition: somebody has been told this about this patient."""
    return select(literal(1)).where(notice.c.patient_id == patient_id, notice.c.key == key).exists()


def is_to_patient() -> ColumnElement[bool]:
    """SQL condition: the recipient of a row of `notice` is the patient himself."""
    return patients.is_person(notice.c.patient_id, func.substr(notice.c.recipient, len(_PERSON) + 1)) & (
        notice.c.recipient.startswith(_PERSON)
    )
