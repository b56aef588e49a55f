"""What this process counted, and the others of the same gateway.

Its servers share a port, and Prometheus reaches any of them: each leaves what it counted in a folder, and the one that
is asked tells the sum. A file outlives its process, as a sum must never go down.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

from passerelle.kernel.tallies import COUNTS, TIMES

_EVERY: Final = 1.0
#: Of each metric, by the values of its labels: a number, or a sum of seconds and the numbers below each bound.
Figures: TypeAlias = Mapping[str, Sequence[tuple[Sequence[str], Sequence[float]]]]


def figures() -> Figures:
    """What this process has counted so far."""
    counts = {name: [(said, [n]) for said, n in dict(each.counted).items()] for name, each in COUNTS.items()}
    times = {name: [(said, list(n)) for said, n in dict(each.counted).items()] for name, each in TIMES.items()}
    return {**counts, **times}


class Shared:
    """The folder of a gateway's servers; without one, this process is the only one."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._own = f"{os.getpid()}-{time.time_ns()}.json"

    def write(self) -> None:
        """Leave what this process has counted."""
        if self._folder is not None:
            unfinished = self._folder / f"{self._own}.new"
            unfinished.write_text(json.dumps(figures()), "utf-8")
            unfinished.replace(self._folder / self._own)

    async def keep_writing(self) -> None:
        """Write every second that something was counted in; for ever. What the folder does not take (no room left) is
        in what is written next."""
        known: Figures = {}
        while self._folder is not None:
            if (now := figures()) != known:
                with suppress(OSError):
                    await asyncio.to_thread(self.write)
                    known = now
            await asyncio.sleep(_EVERY)

    def all(self) -> list[Figures]:
        """What each process has counted, this one up to now."""
        if self._folder is None:
            return [figures()]
        others = [each for each in self._folder.glob("*.json") if each.name != self._own]
        return [figures(), *(json.loads(each.read_text("utf-8")) for each in others)]
