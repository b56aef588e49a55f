"""What ended in the oncology record after a backup was made, ended again: a board reads no more than before the loss.

As `dossier.restored`: cases withdrawn from a session, documents taken away from one, sessions that were closed or
cancelled, seats that were refused, cases that another network lent and that were given back, members who left a board,
addresses of calendars that were revoked. Source: CSP L.1110-4.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import select, text, tuple_

from passerelle.audit import outbox
from passerelle.audit.transactions import Act
from passerelle.dossier.ledger_words import Said, journalled
from passerelle.oncology import cases, sheets
from passerelle.oncology.cases import CaseState
from passerelle.oncology.events import BoardSessionChanged
from passerelle.oncology.tables import (
    board_case,
    board_member,
    board_seat,
    board_session,
    calendar_feed,
    case_attachment,
    recourse_case,
)
from passerelle_policies.vocabulary import Action, Kind

TABLES: Final = (
    case_attachment.name,
    board_case.name,
    board_seat.name,
    board_session.name,
    recourse_case.name,
    board_member.name,
    calendar_feed.name,
)
_DETACHED: Final = text(
    "update case_attachment a set detached_at = s.detached_at"
    " from jsonb_populate_recordset(null::case_attachment, cast(:said as jsonb)) s"
    " where (a.patient_id, a.case_id, a.document_id) = (s.patient_id, s.case_id, s.document_id)"
    " and s.detached_at < coalesce(a.detached_at, 'infinity') returning a.patient_id"
)
#: As when it was given back (`lent_cases.NOTHING`): what came with the backup opens nothing.
_GIVEN_BACK: Final = text(
    "update recourse_case c set state = s.state, ended_at = s.ended_at, declined_because = s.declined_because,"
    " sealed = null, wrapped_key = null, opinion = null"
    " from jsonb_populate_recordset(null::recourse_case, cast(:said as jsonb)) s"
    " where c.referral_id = s.referral_id and c.state in ('received', 'heard')"
    " and s.state in ('returned', 'declined', 'withdrawn') returning null::uuid"
)
_LEFT: Final = text(
    "update board_member m set valid_until = s.valid_until"
    " from jsonb_populate_recordset(null::board_member, cast(:said as jsonb)) s"
    " where (m.board_id, m.member_id) = (s.board_id, s.member_id)"
    " and s.valid_until < coalesce(m.valid_until, 'infinity') returning null::uuid"
)
#: One who did not sign: who signed could refuse no more.
_EXCUSED: Final = text(
    "update board_seat b set answer = s.answer, answered_at = s.answered_at"
    " from jsonb_populate_recordset(null::board_seat, cast(:said as jsonb)) s"
    " where (b.session_id, b.subject) = (s.session_id, s.subject) and b.signed_at is null"
    " and b.answer = 'expected' and s.answer = 'excused' returning null::uuid"
)
#: Cancelled, its cases wait in it; closed, it was held, by whoever said so then.
_OVER: Final = text(
    "update board_session b set state = s.state, closed_at = s.closed_at, changed_at = :now,"
    " held_at = coalesce(b.held_at, s.held_at), held_by = coalesce(b.held_by, s.held_by),"
    " quorum = coalesce(b.quorum, s.quorum), cancelled_at = s.cancelled_at, cancelled_because = s.cancelled_because,"
    " sequence = b.sequence + cast(s.state = 'cancelled' as int)"
    " from jsonb_populate_recordset(null::board_session, cast(:said as jsonb)) s"
    " where b.session_id = s.session_id and b.state <> 'cancelled' and b.closed_at is null"
    " and (s.closed_at is not null or (s.state = 'cancelled' and b.state in ('planned', 'open')))"
    " returning b.session_id, b.closed_at is not null as is_closed"
)
_REVOKED: Final = text(
    "update calendar_feed f set revoked_at = s.revoked_at"
    " from jsonb_populate_recordset(null::calendar_feed, cast(:said as jsonb)) s"
    " where f.feed_id = s.feed_id and s.revoked_at < coalesce(f.revoked_at, 'infinity') returning 1"
)


_CHANGES: Final = {
    case_attachment.name: (_DETACHED, Kind.BOARD_CASE, Action.ATTACH),
    recourse_case.name: (_GIVEN_BACK, Kind.BOARD_CASE, Action.CANCEL),
    board_member.name: (_LEFT, Kind.BOARD, Action.REPLACE),
    board_seat.name: (_EXCUSED, Kind.BOARD_SESSION, Action.ANSWER),
}


async def put_back(act: Act, what: str, said: Sequence[Said]) -> int:
    """Put back what the ledger says of rows of one table; says how many changed by it. An address of a calendar has no
    line in the journal: no patient is in what it shows."""
    spoken = {"said": json.dumps([*said])}
    if what == calendar_feed.name:
        return len((await act.connection.execute(_REVOKED, spoken)).all())
    if what == board_session.name:
        return await _over(act, said)
    kind, action = Kind.BOARD_CASE, Action.CANCEL
    if what in _CHANGES:
        change, kind, action = _CHANGES[what]
        whose: Sequence[UUID | None] = (await act.connection.execute(change, spoken)).scalars().all()
    else:
        whose = await _withdrawn(act, said)
    return await journalled(act, kind, action, whose)


async def _over(act: Act, said: Sequence[Said]) -> int:
    """Cancel or close sessions again; what hears of it ends what other networks lent to them."""
    over = (await act.connection.execute(_OVER, {"said": json.dumps([*said]), "now": act.now})).all()
    for row in over:
        if row.is_closed:
            await sheets.close_with_session(act, row.session_id)
        state = "closed" if row.is_closed else "cancelled"
        await outbox.publish(act, BoardSessionChanged(session_id=row.session_id, state=state))
        await journalled(act, Kind.BOARD_SESSION, Action.CLOSE if row.is_closed else Action.CANCEL, [None])
    return len(over)


async def _withdrawn(act: Act, said: Sequence[Said]) -> list[UUID]:
    withdrawn = [(each["patient_id"], each["case_id"]) for each in said if each["state"] == CaseState.WITHDRAWN]
    registered = select(board_case).where(
        board_case.c.state == CaseState.REGISTERED.value,
        tuple_(board_case.c.patient_id, board_case.c.case_id).in_(withdrawn),
    )
    rows = (await act.connection.execute(registered.with_for_update())).all()
    for row in rows:
        await cases.ended(act, cases.case_of(row), CaseState.WITHDRAWN)
    return [row.patient_id for row in rows]
