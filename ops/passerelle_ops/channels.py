"""Channels beside the inbox: whatever a notice is handed to, from the event of its posting."""

from __future__ import annotations

from uuid import UUID

from passerelle.audit.outbox import Waiting
from passerelle.kernel.clock import Clock
from passerelle.kernel.context import Tenant
from passerelle.notices.delivery import Channel, deliver
from passerelle.notices.posting import NoticePosted
from passerelle_ops.relay import Subscribers


def bind_channel(subscribers: Subscribers, channel: Channel, clock: Clock) -> None:
    """Have every notice posted from now on handed to the channel; one that it does not take is relayed again."""

    async def hand_over(tenant: Tenant, event: Waiting) -> None:
        await deliver(tenant, channel, event.payload["recipient"], UUID(event.payload["notice_id"]), clock)

    subscribers.bind(NoticePosted.name, hand_over)
