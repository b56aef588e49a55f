"""What a process counts of its own work, in plain memory; whoever watches it is told by `passerelle_ops.watching`.

A metric of a library costs ten microseconds where several processes share it, one of these a third of one. Labels are
words of the house, of the schema and of networks: never what a request says. One thread counts, that of the loop;
where another does too (spans that are lost), they take turns there.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final, TypeAlias

Said: TypeAlias = tuple[str, ...]
"""The values of the labels, in their order."""

#: Seconds; the last is what a statement may take.
BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)

COUNTS: Final[dict[str, Count]] = {}
TIMES: Final[dict[str, Times]] = {}


class Count:
    """How many, by labels. `name` as it is told, without the `_total` that Prometheus adds."""

    __slots__ = ("counted", "labels", "name", "says")

    def __init__(self, name: str, says: str, *labels: str) -> None:
        self.name, self.says, self.labels = name, says, labels
        self.counted: dict[Said, int] = {}
        COUNTS[name] = self

    def add(self, *said: str, by: int = 1) -> None:
        counted = self.counted
        counted[said] = counted.get(said, 0) + by


class Times:
    """How long things took, by labels: the sum of seconds, then how many within each of `BOUNDS` and beyond."""

    __slots__ = ("counted", "labels", "name", "says")

    def __init__(self, name: str, says: str, *labels: str) -> None:
        self.name, self.says, self.labels = name, says, labels
        self.counted: dict[Said, list[float]] = {}
        TIMES[name] = self

    def add(self, seconds: float, *said: str) -> None:
        taken = self.counted.get(said)
        if taken is None:
            taken = self.counted[said] = [0.0] * (len(BOUNDS) + 2)
        taken[0] += seconds
        taken[bisect_left(BOUNDS, seconds) + 1] += 1
