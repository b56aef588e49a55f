"""What ended in the oncology record after a backup was made, ended again: a board reads no more than before the loss.

As `dossier.restored`: cases withdrawn from a session, documents taken away from one, cases that another network lent
and that were given back, members who left a board, addresses of calendars that were revoked. Source: CSP L.1110-4.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import select, text, tuple_

from passerelle.audit.transactions import Act
from passerelle.dossier.ledger_words import Said, journalled
from passerelle.oncology import cases
from passerelle.oncology.cases import CaseState
from passerelle.oncology.tables import board_case, board_member, calendar_feed, case_attachment, recourse_case
from passerelle_policies.vocabulary import Action, Kind

TABLES: Final = (case_attachment.name, board_case.name, recourse_case.name, board_member.name, calendar_feed.name)
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
_REVOKED: Final = text(
    "update calendar_feed f set revoked_at = s.revoked_at"
    " from jsonb_populate_recordset(null::calendar_feed, cast(:said as jsonb)) s"
    " where f.feed_id = s.feed_id and s.revoked_at < coalesce(f.revoked_at, 'infinity') returning 1"
)


_CHANGES: Final = {
    case_attachment.name: (_DETACHED, Kind.BOARD_CASE, Action.ATTACH),
    recourse_case.name: (_GIVEN_BACK, Kind.BOARD_CASE, Action.CANCEL),
    board_member.name: (_LEFT, Kind.BOARD, Action.REPLACE),
}


async def put_back(act: Act, what: str, said: Sequence[Said]) -> int:
    """Put back what the ledger says of rows of one table; says how many changed by it. An address of a calendar has no
    line in the journal: no patient is in what it shows."""
    spoken = {"said": json.dumps([*said])}
    if what == calendar_feed.name:
        return len((await act.connection.execute(_REVOKED, spoken)).all())
    kind, action = Kind.BOARD_CASE, Action.CANCEL
    if what in _CHANGES:
        change, kind, action = _CHANGES[what]
        whose: Sequence[UUID | None] = (await act.connection.execute(change, spoken)).scalars().all()
    else:
        whose = await _withdrawn(act, said)
    return await journalled(act, kind, action, whose)


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
