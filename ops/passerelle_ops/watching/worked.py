"""What a worker counts."""

from __future__ import annotations

from typing import Final

from passerelle.kernel.tallies import Count, Times

TURNS: Final = Count(
    "passerelle_turns", "Turns of tasks: done, held by another worker, or failed.", "network", "task", "outcome"
)
TURN_SECONDS: Final = Times("passerelle_turn_seconds", "Seconds that a turn took which was not held.", "task")
RELAYED: Final = Count("passerelle_relayed_events", "Events handed to those who listen.", "network", "outcome")
SENT: Final = Count("passerelle_federation_sent", "States put on their way to other networks.", "network", "outcome")
ENVELOPES: Final = Count(
    "passerelle_federation_envelopes",
    "Envelopes that came: taken, refused in part, unopened (changed, foreign or stale), or failed (sent again).",
    "network",
    "outcome",
)
