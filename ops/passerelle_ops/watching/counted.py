"""What processes have counted (`passerelle.kernel.tallies`), as Prometheus reads it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from passerelle.kernel.tallies import BOUNDS, COUNTS, TIMES
from passerelle_ops.watching.sharing import Figures


class Counted(Collector):
    """The sum of what processes counted, and which program this is."""

    def __init__(self, program: str, found: Sequence[Figures]) -> None:
        self._program = program
        self._summed: dict[str, dict[tuple[str, ...], list[float]]] = defaultdict(dict)
        for one in found:
            for name, lines in one.items():
                for said, numbers in lines:
                    before = self._summed[name].get(tuple(said), [0.0] * len(numbers))
                    self._summed[name][tuple(said)] = [a + b for a, b in zip(before, numbers, strict=True)]

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily("passerelle_info", "1, for the program that answers.", labels=("program",))
        info.add_metric((self._program,), 1.0)
        yield info
        for count in COUNTS.values():
            counter = CounterMetricFamily(count.name, count.says, labels=count.labels)
            for said, numbers in self._summed[count.name].items():
                counter.add_metric(said, numbers[0])
            yield counter
        for times in TIMES.values():
            histogram = HistogramMetricFamily(times.name, times.says, labels=times.labels)
            for said, (total, *below) in self._summed[times.name].items():
                bounds = [*map(str, BOUNDS), "+Inf"]
                histogram.add_metric(said, list(zip(bounds, accumulate(below), strict=True)), total)
            yield histogram
