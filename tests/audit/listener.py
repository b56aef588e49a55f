"""A worker as production runs it, with someone who listens: `python -m tests.audit.listener`.

Each delivery of `house.bell_rang` is a line of the file `deliveries` in the state; its effect is a row of the table
`heard`, written idempotently on the event's id. An event that says so (`times` 0) cannot be heard.
"""

from __future__ import annotations

import asyncio
import sys

from sqlalchemy import text

from passerelle.audit.outbox import Waiting
from passerelle.kernel.context import Tenant
from passerelle_ops.relay import Subscribers
from passerelle_ops.settings import Settings
from passerelle_ops.worker import main
from tests.audit.events import Rang


async def listen(tenant: Tenant, event: Waiting) -> None:
    with (Settings().state / "deliveries").open("a", encoding="ascii") as deliveries:
        deliveries.write(f"{event.event_id}\n")
    if event.payload["times"] == 0:
        raise ConnectionError("deaf")
    async with tenant.database.transaction() as connection:
        await connection.execute(
            text("insert into heard (event_id, times) values (:event_id, :times) on conflict do nothing"),
            {"event_id": event.event_id, "times": event.payload["times"]},
        )
    await asyncio.sleep(0.01)


if __name__ == "__main__":
    subscribers = Subscribers()
    subscribers.bind(Rang.name, listen)
    sys.exit(main(subscribers))
