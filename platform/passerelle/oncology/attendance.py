"""Attendance: each member signs for himself, once, and nobody for another (émargement).

Sources: circulaire DHOS/SDO n° 2005-101 of 22 February 2005; INCa, référentiel des RCP, 2023. A quorum counts nothing
else.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select, update

from passerelle.audit.transactions import Act
from passerelle.dossier.access import number
from passerelle.kernel.errors import Conflict
from passerelle.oncology import access
from passerelle.oncology.tables import board, board_seat, board_session
from passerelle_policies.vocabulary import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """One attendance, and its signature."""

    at: datetime
    signature: str


def signature_of(session_id: UUID, subject: str, specialty: str, at: datetime, *, is_remote: bool) -> str:
    """SHA-256 of what is signed, a line for each part."""
    how = "remote" if is_remote else "present"
    said = "\n".join((str(session_id), subject, specialty, at.astimezone(UTC).isoformat(), how))
    return hashlib.sha256(said.encode("utf-8")).hexdigest()


def is_genuine(seat: Any) -> bool:
    """Whether a row of `board_seat` bears the signature of what it says."""
    return seat.signed_at is not None and seat.signature == signature_of(
        seat.session_id, seat.subject, seat.specialty, seat.signed_at, is_remote=bool(seat.is_remote)
    )


async def sign(act: Act, session_id: UUID, *, is_remote: bool = False) -> Signed:
    """Sign the actor's own attendance; the first time counts, and nothing takes it back.

    Refused: ACCESS_REFUSED but to one of the session, while it is open to him; SESSION_NOT_OPEN, ATTENDANCE_NOT_NOW
    outside the hours round its start (`oncology.attendance_hours`), SEAT_NONE for a coordinator without a seat,
    BOARD_WITHOUT_VIDEOCONFERENCE.
    """
    await access.require_on_session(act, session_id, Action.SIGN)
    found = select(board_session.c.state, board_session.c.starts_at, board.c.videoconference).select_from(
        board_session.join(board)
    )
    # Shared: holding the session waits for whoever is signing, and whoever comes after it finds it held.
    locked = found.where(board_session.c.session_id == session_id).with_for_update(read=True, of=board_session)
    session = (await act.connection.execute(locked)).one_or_none()
    if session is None or session.state != "open":
        raise Conflict("SESSION_NOT_OPEN")
    own = and_(board_seat.c.session_id == session_id, board_seat.c.subject == act.context.actor.subject)
    seat = (await act.connection.execute(select(board_seat).where(own).with_for_update())).one_or_none()
    if seat is None:
        raise Conflict("SEAT_NONE")
    if seat.signed_at is not None:
        return Signed(at=seat.signed_at, signature=seat.signature)
    hours = number(act.context, "oncology.attendance_hours")
    if abs(act.now - session.starts_at) > timedelta(hours=hours):
        raise Conflict("ATTENDANCE_NOT_NOW", hours=hours)
    if is_remote and not session.videoconference:
        raise Conflict("BOARD_WITHOUT_VIDEOCONFERENCE")
    signature = signature_of(session_id, seat.subject, seat.specialty, act.now, is_remote=is_remote)
    await act.connection.execute(
        update(board_seat).where(own).values(signed_at=act.now, signature=signature, is_remote=is_remote)
    )
    return Signed(at=act.now, signature=signature)
