"""Sessions of a board: planned, opened, held or cancelled, and closed.

Its members read its cases from its opening to its closing. When it is held, its quorum is judged, once, upon those who
signed: without it no opinion is valid. Sources: circulaire DHOS/SDO n° 2005-101 of 22 February 2005; INCa, référentiel
des RCP, 2023. Decision 0123.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import RowMapping, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.audit import outbox
from passerelle.audit.transactions import Act
from passerelle.dossier.access import number
from passerelle.dossier.formats import values
from passerelle.kernel.clock import days_after
from passerelle.kernel.errors import Conflict, InvalidInput, LimitExceeded
from passerelle.oncology import access, boards, quorum, recurrence, seats, sheets
from passerelle.oncology.boards import Board
from passerelle.oncology.events import BoardSessionChanged
from passerelle.oncology.quorum import Quorum
from passerelle.oncology.tables import board_session
from passerelle_policies.vocabulary import Action, Kind

_REASON: Final = 1000


class SessionState(StrEnum):
    PLANNED = "planned"
    OPEN = "open"
    HELD = "held"
    HELD_WITHOUT_QUORUM = "held_without_quorum"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    session_id: UUID
    board_id: UUID
    starts_at: datetime
    ends_at: datetime
    place: str | None
    state: SessionState
    opened_at: datetime | None
    held_at: datetime | None
    quorum: Quorum | None
    cancelled_at: datetime | None
    cancelled_because: str | None
    closed_at: datetime | None


SHOWN: Final = tuple(Session.__dataclass_fields__)


async def plan(act: Act, board_id: UUID, starts_at: datetime, *, place: str | None = None) -> Session:
    """Plan one session of a validated board, as long as its charter says.

    Refused: ACCESS_REFUSED but to its coordinator and its secretary; BOARD_NOT_VALIDATED, SESSION_IN_THE_PAST,
    SESSION_TOO_FAR, SESSION_EXISTS for one of the same board and instant, VALUE_TOO_LONG.
    """
    its_board = await _may_plan(act, board_id)
    _must_be_to_come(act, starts_at)
    row = {**_planned(act, its_board, starts_at), "place": values.text(place, "place")}
    new = _new().values(row).returning(board_session)
    written = (await act.connection.execute(new)).mappings().one_or_none()
    if written is None:
        raise Conflict("SESSION_EXISTS")
    return await _told(act, written)


async def plan_series(
    act: Act, board_id: UUID, first: datetime, until: datetime, *, place: str | None = None
) -> list[Session]:
    """Plan what the charter's frequency gives from the day of `first`, at its hour in Paris, up to `until`; those that
    are there already stay, and are not given.

    Refused: as `plan`, but for SESSION_EXISTS; RECURRENCE_MISSING, RECURRENCE_EMPTY, SESSIONS_TOO_MANY.
    """
    its_board = await _may_plan(act, board_id)
    if its_board.recurrence is None:
        raise Conflict("RECURRENCE_MISSING")
    for each in (first, until):
        _must_be_to_come(act, each)
    most = number(act.context, "oncology.series_sessions_max")
    instants = list(islice(recurrence.occurrences(its_board.recurrence, first, until), most + 1))
    if not instants:
        raise InvalidInput("RECURRENCE_EMPTY")
    if len(instants) > most:
        raise LimitExceeded("SESSIONS_TOO_MANY", limit=most)
    said = values.text(place, "place")
    rows = [{**_planned(act, its_board, each), "place": said} for each in instants]
    written = (await act.connection.execute(_new().values(rows).returning(board_session))).mappings().all()
    return [await _told(act, each) for each in sorted(written, key=lambda row: row["starts_at"])]


async def move(act: Act, session_id: UUID, starts_at: datetime, *, place: str | None = None) -> Session:
    """Put a planned session elsewhere or at another time; calendars hear of it.

    Refused: ACCESS_REFUSED as `plan`, SESSION_NOT_PLANNED, BOARD_NOT_VALIDATED, SESSION_IN_THE_PAST, SESSION_TOO_FAR,
    SESSION_EXISTS.
    """
    await access.require_on_session(act, session_id, Action.PLAN)
    session = await _locked(act, session_id)
    if session["state"] != SessionState.PLANNED:
        raise Conflict("SESSION_NOT_PLANNED")
    # To change: two sessions of a board do not move to the same hour at once.
    await boards.must_be_validated(act, session["board_id"], to_change=True)
    _must_be_to_come(act, starts_at)
    taken = select(board_session.c.session_id).where(
        board_session.c.board_id == session["board_id"],
        board_session.c.starts_at == starts_at,
        board_session.c.state != SessionState.CANCELLED.value,
        board_session.c.session_id != session_id,
    )
    if (await act.connection.execute(taken)).first() is not None:
        raise Conflict("SESSION_EXISTS")
    lasts = session["ends_at"] - session["starts_at"]
    return await _now(
        act,
        session,
        starts_at=starts_at,
        ends_at=starts_at + lasts,
        place=values.text(place, "place"),
        sequence=session["sequence"] + 1,
    )


async def open_(act: Act, session_id: UUID) -> Session:
    """Open a planned session to its members: its seats are theirs from now on.

    Refused: ACCESS_REFUSED but to its coordinator, its secretary and the task; SESSION_NOT_PLANNED,
    BOARD_NOT_VALIDATED.
    """
    await access.require_on_session(act, session_id, Action.OPEN)
    session = await _locked(act, session_id)
    if session["state"] != SessionState.PLANNED:
        raise Conflict("SESSION_NOT_PLANNED")
    await boards.must_be_validated(act, session["board_id"])
    await seats.copy_members(act, session_id)
    return await _now(act, session, state=SessionState.OPEN.value, opened_at=act.now)


async def hold(act: Act, session_id: UUID) -> Session:
    """Say that a session took place: its quorum is judged, of those who signed until now, and nobody signs after.

    Refused: ACCESS_REFUSED but to its coordinator; SESSION_NOT_OPEN, SESSION_NOT_STARTED, BOARD_NOT_VALIDATED.
    """
    await access.require_on_session(act, session_id, Action.HOLD)
    session = await _locked(act, session_id)
    if session["state"] != SessionState.OPEN:
        raise Conflict("SESSION_NOT_OPEN")
    if act.now < session["starts_at"]:
        raise Conflict("SESSION_NOT_STARTED")
    await boards.must_be_validated(act, session["board_id"])
    judged = await quorum.of_session(act, session_id)
    state = SessionState.HELD if judged.is_reached else SessionState.HELD_WITHOUT_QUORUM
    return await _now(
        act, session, state=state.value, held_at=act.now, held_by=act.context.actor.subject, quorum=judged.as_json()
    )


async def cancel(act: Act, session_id: UUID, reason: str) -> Session:
    """Cancel a session that was not held. Its cases wait in it until they are carried over (`deferral`).

    Refused: ACCESS_REFUSED but to its coordinator, its secretary and the task; SESSION_REASON_MISSING,
    SESSION_NOT_TO_COME, VALUE_TOO_LONG.
    """
    await access.require_on_session(act, session_id, Action.CANCEL)
    because = values.text(reason, "reason", limit=_REASON)
    if not because:
        raise InvalidInput("SESSION_REASON_MISSING")
    session = await _locked(act, session_id)
    if session["state"] not in (SessionState.PLANNED, SessionState.OPEN):
        raise Conflict("SESSION_NOT_TO_COME")
    return await _now(
        act,
        session,
        state=SessionState.CANCELLED.value,
        cancelled_at=act.now,
        cancelled_because=because,
        sequence=session["sequence"] + 1,
    )


async def close(act: Act, session_id: UUID) -> Session:
    """Close a session that was held: its members read nothing of it any more, and its approved sheets are closed. A
    second time is none.

    Refused: ACCESS_REFUSED but to its coordinator, its secretary and the task; SESSION_NOT_HELD.
    """
    await access.require_on_session(act, session_id, Action.CLOSE)
    session = await _locked(act, session_id)
    if session["state"] not in (SessionState.HELD, SessionState.HELD_WITHOUT_QUORUM):
        raise Conflict("SESSION_NOT_HELD")
    if session["closed_at"] is not None:
        return session_of(session)
    await sheets.close_with_session(act, session_id)
    return await _now(act, session, closed_at=act.now)


def session_of(row: RowMapping) -> Session:
    """A session out of a row."""
    said = {name: row[name] for name in SHOWN}
    judged = quorum.read(row["quorum"]) if row["quorum"] is not None else None
    return Session(**{**said, "state": SessionState(row["state"]), "quorum": judged})


async def _may_plan(act: Act, board_id: UUID) -> Board:
    await access.require_on_board(act, board_id, Kind.BOARD_SESSION, Action.PLAN)
    return await boards.must_be_validated(act, board_id)


def _must_be_to_come(act: Act, at: datetime) -> None:
    if at <= act.now:
        raise InvalidInput("SESSION_IN_THE_PAST")
    most = number(act.context, "oncology.series_horizon_days")
    if at > days_after(act.now, most):
        raise InvalidInput("SESSION_TOO_FAR", limit=most)


def _planned(act: Act, its_board: Board, starts_at: datetime) -> dict[str, Any]:
    return {
        "session_id": uuid4(),
        "board_id": its_board.board_id,
        "starts_at": starts_at,
        "ends_at": starts_at + timedelta(minutes=its_board.duration_minutes),
        "state": SessionState.PLANNED.value,
        "changed_at": act.now,
    }


def _new() -> Any:
    return upsert(board_session).on_conflict_do_nothing(
        index_elements=["board_id", "starts_at"], index_where=board_session.c.state != SessionState.CANCELLED.value
    )


async def _locked(act: Act, session_id: UUID) -> RowMapping:
    found = select(board_session).where(board_session.c.session_id == session_id).with_for_update(key_share=True)
    row = (await act.connection.execute(found)).mappings().one_or_none()
    if row is None:
        raise Conflict("SESSION_UNKNOWN")
    return row


async def _now(act: Act, session: RowMapping, **changed: Any) -> Session:
    said = update(board_session).where(board_session.c.session_id == session["session_id"])
    row = await act.connection.execute(said.values(changed_at=act.now, **changed).returning(board_session))
    return await _told(act, row.mappings().one())


async def _told(act: Act, row: RowMapping) -> Session:
    state = "closed" if row["closed_at"] is not None else row["state"]
    await outbox.publish(act, BoardSessionChanged(session_id=row["session_id"], state=state))
    return session_of(row)
