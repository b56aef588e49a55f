"""What a network tells the others of its boards: when they meet, and who of a specialty sits on them. No patient."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import DateTime, Row, Text, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.dossier.access import in_force
from passerelle.oncology.tables import board, board_member, board_session

_AT = bindparam("at", type_=DateTime(timezone=True))

_MEETING: Final = (
    select(
        board.c.board_id,
        board.c.name,
        board.c.kind,
        board.c.organ,
        func.min(board_session.c.starts_at).label("next_session_at"),
    )
    .join(board_session)
    .where(
        board.c.state == "validated",
        board_session.c.state.in_(["planned", "open"]),
        board_session.c.closed_at.is_(None),
        board_session.c.starts_at > _AT,
    )
    .group_by(board.c.board_id)
    .order_by(board.c.name, board.c.board_id)
)
_SITTING: Final = (
    select(board_member.c.subject, board_member.c.name)
    .join(board)
    .where(
        board.c.state == "validated",
        board_member.c.specialty == bindparam("specialty", type_=Text()),
        in_force(board_member.c.valid_from, board_member.c.valid_until),
    )
    .distinct()
    .order_by(board_member.c.name, board_member.c.subject)
)


async def meeting(connection: AsyncConnection, at: datetime) -> list[Row[Any]]:
    """The validated boards that have a session to come, with its beginning (`next_session_at`)."""
    return [*await connection.execute(_MEETING, {"at": at})]


async def sitting(connection: AsyncConnection, specialty: str, at: datetime) -> list[Row[Any]]:
    """Who of a specialty sits on a validated board at an instant: `subject` and `name`."""
    return [*await connection.execute(_SITTING, {"specialty": specialty, "access_now": at})]
