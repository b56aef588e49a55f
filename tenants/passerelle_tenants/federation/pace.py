"""How much is given to a network before it answers: more while it answers soon, less when it takes its time.

What a network cannot take in within `federation.retry_seconds` is given to it a second time, which makes it slower
still: so it has no more before it than it takes in within a part of that.
"""

from __future__ import annotations

from dataclasses import dataclass

from passerelle_tenants.federation.travellers import BUNDLE

#: Of `federation.retry_seconds`: answered sooner, a network is given more; later than twice that, less.
SOON = 0.2


@dataclass(slots=True)
class Pace:
    """Of one network: `most` states may be on their way to it; `on_way` are, as a process knows between two turns."""

    most: int
    on_way: int = 0

    @property
    def room(self) -> int:
        return self.most - self.on_way

    def answered(self, states: int, after: float, *, retry: float, window: int) -> None:
        """So many states were, the first of them sent so many seconds ago."""
        self.on_way = max(0, self.on_way - states)
        if after <= SOON * retry:
            self.most = min(self.most + states, window)
        elif after > 2 * SOON * retry:
            self.most = max(self.most - states // 2, BUNDLE)
