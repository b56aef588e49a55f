"""The inbox: whoever signs in reads his own notices, and nobody else's (docs/decisions/0084).

Reading one's own mail is no access to a record: it writes no line of the journal, and the first reading of a notice
is a delivery of its own, which nobody can take back.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Row,
    Select,
    Uuid,
    func,
    literal,
    not_,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.audit.transactions import Act
from passerelle.kernel.errors import InvalidInput
from passerelle.notices.kinds import NoticeKind, sentence_of
from passerelle.notices.posting import is_to_patient
from passerelle.notices.tables import notice, notice_delivery

READ = "inbox_read"
_IS_PATIENT = is_to_patient().label("is_patient")


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxNotice:
    """A notice as its recipient reads it."""

    notice_id: UUID
    kind: NoticeKind
    sentence: str
    patient_id: UUID
    posted_at: datetime
    read_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxPage:
    """One page of notices, newest first, and how many of all are unread."""

    notices: list[InboxNotice]
    has_next: bool
    unread: int


def cursor_of(given: InboxNotice) -> str:
    """The opaque cursor after this notice."""
    at = given.posted_at.astimezone(UTC).isoformat(timespec="microseconds")
    return base64.urlsafe_b64encode(f"{at}|{given.notice_id}".encode()).decode()


def read_cursor(cursor: str) -> tuple[datetime, UUID]:
    """Read a cursor back; CURSOR_INVALID when it is not one of ours."""
    try:
        at, notice_id = base64.urlsafe_b64decode(cursor.encode()).decode().split("|")
        read = datetime.fromisoformat(at), UUID(notice_id)
    except (ValueError, binascii.Error, UnicodeError) as wrong:
        raise InvalidInput("CURSOR_INVALID") from wrong
    if read[0].tzinfo is None:
        raise InvalidInput("CURSOR_INVALID")
    return read


def newest(
    recipient: ColumnElement[str],
    *,
    limit: ColumnElement[int],
    unread_only: ColumnElement[bool],
    after: tuple[ColumnElement[Any], ColumnElement[Any]],
) -> Select[Any]:
    """Somebody's notices, newest first, with `is_patient`; `after` an instant and a notice, or nulls."""
    return (
        select(notice, _IS_PATIENT)
        .where(
            notice.c.recipient == recipient,
            or_(not_(unread_only), notice.c.read_at.is_(None)),
            or_(after[0].is_(None), tuple_(notice.c.posted_at, notice.c.notice_id) < tuple_(*after)),
        )
        .order_by(notice.c.posted_at.desc(), notice.c.notice_id.desc())
        .limit(limit)
    )


def unread(recipient: ColumnElement[str]) -> Select[Any]:
    """How many of somebody's notices are unread."""
    return select(func.count()).select_from(notice).where(notice.c.recipient == recipient, notice.c.read_at.is_(None))


async def page(act: Act, *, first: int, after: str | None = None, unread_only: bool = False) -> InboxPage:
    """A page of the bearer's own notices. Refused: CURSOR_INVALID."""
    at, notice_id = read_cursor(after) if after is not None else (None, None)
    own = literal(act.context.actor.subject)
    asked = newest(
        own,
        limit=literal(first + 1),
        unread_only=literal(unread_only),
        after=(literal(at, DateTime(timezone=True)), literal(notice_id, Uuid())),
    )
    rows = (await act.connection.execute(asked)).all()
    return InboxPage(
        notices=[_shown(row) for row in rows[:first]],
        has_next=len(rows) > first,
        unread=(await act.connection.execute(unread(own))).scalar_one(),
    )


async def about(act: Act, patient_id: UUID) -> list[InboxNotice]:
    """Every notice that the bearer received about a patient, oldest first."""
    wanted = select(notice, _IS_PATIENT).where(
        notice.c.recipient == act.context.actor.subject, notice.c.patient_id == patient_id
    )
    rows = await act.connection.execute(wanted.order_by(notice.c.posted_at, notice.c.notice_id))
    return [_shown(row) for row in rows]


async def mark_read(act: Act, notice_id: UUID) -> InboxNotice | None:
    """Say that the bearer has read a notice of his; the first time counts.

    Nothing alike for a notice that is not there and for one of somebody else.
    """
    own = (notice.c.recipient == act.context.actor.subject) & (notice.c.notice_id == notice_id)
    row = (
        await act.connection.execute(
            update(notice)
            .where(own)
            .values(read_at=func.coalesce(notice.c.read_at, act.now))
            .returning(notice, _IS_PATIENT)
        )
    ).one_or_none()
    if row is None:
        return None
    await act.connection.execute(
        upsert(notice_delivery)
        .values(recipient=row.recipient, notice_id=notice_id, channel=READ, at=act.now, proof="read by its recipient")
        .on_conflict_do_nothing()
    )
    return _shown(row)


def _shown(row: Row[Any]) -> InboxNotice:
    kind = NoticeKind(row.kind)
    return InboxNotice(
        notice_id=row.notice_id,
        kind=kind,
        sentence=sentence_of(kind, row.recipient, row.about, is_patient=row.is_patient),
        patient_id=row.patient_id,
        posted_at=row.posted_at,
        read_at=row.read_at,
    )
