"""Handing a notice to a channel: the port, and the one row that proves it.

The inbox needs none of this: posting is what puts a notice there, in one transaction. Another channel is handed the
notice at least once, always under the same id, so that it can tell a second time from a first; the proof of it is
exactly one row. A channel that answers and dies before the row is written is asked again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy import func, insert, select

from passerelle.kernel.clock import Clock
from passerelle.kernel.context import Tenant
from passerelle.notices.kinds import NoticeKind, sentence_of
from passerelle.notices.posting import INBOX, is_to_patient
from passerelle.notices.tables import notice, notice_delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notice as a channel is handed it. `notice_id` is the same each time."""

    notice_id: UUID
    recipient: str
    kind: NoticeKind
    patient_id: UUID
    sentence: str
    posted_at: datetime


class Channel(Protocol):
    """A way to a recipient other than the inbox. `name` is kept in the proof and never changes."""

    @property
    def name(self) -> str: ...

    async def send(self, tenant: Tenant, notice: Notice) -> str:
        """Hand the notice over and give the proof: what the other side answered.

        Raise when it was not taken: it will be asked again. It must take a `notice_id` that it has had as had.
        """
        ...


async def deliver(tenant: Tenant, channel: Channel, recipient: str, notice_id: UUID, clock: Clock) -> bool:
    """Hand one notice to one channel and keep the proof; false when it has it already, or there is no such notice."""
    if channel.name == INBOX:
        raise ValueError("a notice is in the inbox from its posting")
    of_this = (notice.c.recipient == recipient) & (notice.c.notice_id == notice_id)
    async with tenant.database.transaction() as connection:
        # Whoever else delivers the same waits here, then finds the row.
        turn = func.hashtextextended(f"{notice_id}/{channel.name}", 0)
        await connection.execute(select(func.pg_advisory_xact_lock(turn)))
        delivered = select(notice_delivery.c.at).where(
            notice_delivery.c.recipient == recipient,
            notice_delivery.c.notice_id == notice_id,
            notice_delivery.c.channel == channel.name,
        )
        waiting = select(notice, is_to_patient().label("is_patient")).where(of_this, ~delivered.exists())
        row = (await connection.execute(waiting)).one_or_none()
        if row is None:
            return False
        kind = NoticeKind(row.kind)
        proof = await channel.send(
            tenant,
            Notice(
                notice_id=row.notice_id,
                recipient=row.recipient,
                kind=kind,
                patient_id=row.patient_id,
                sentence=sentence_of(kind, row.recipient, row.about, is_patient=row.is_patient),
                posted_at=row.posted_at,
            ),
        )
        await connection.execute(
            insert(notice_delivery).values(
                recipient=recipient, notice_id=notice_id, channel=channel.name, at=clock.now(), proof=proof
            )
        )
    return True
