"""Who is to hear of what happened: from the outbox to `federation_out`, one statement for thousands of events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from passerelle_tenants.federation.office import Office

#: Events that one turn takes.
AT_ONCE: Final = 2_000


@dataclass(frozen=True, slots=True)
class Done:
    """What one turn did: events that were looked at, states that are owed for it."""

    events: int
    owed: int


async def address(office: Office) -> Done:
    """Look at the oldest events that nobody looked at, and owe each network what it is to hear of them.

    A state that is owed already is owed anew, under a higher version: it is gathered once for all its changes. What was
    dead lives again. One turn at a time (the caller holds the network's lock); a second one would do no harm.
    """
    raise NotImplementedError
