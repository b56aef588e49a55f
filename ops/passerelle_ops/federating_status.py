"""How the exchange between networks stands, read in each of them: for the command line and for Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from passerelle.kernel.clock import Clock
from passerelle.kernel.context import Tenant
from passerelle.kernel.errors import PasserelleError
from passerelle_tenants.federation.status import PairStatus, status

#: Seconds that a network has to tell how it stands; one that is away holds up no other.
PATIENCE: Final = 3.0
_LABELS: Final = ("network", "peer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One network's side: towards each other one; `pairs` is null when its database does not answer."""

    network: str
    pairs: Sequence[PairStatus] | None


async def standings(
    tenant: Callable[[str], Awaitable[Tenant]], networks: Iterable[str], clock: Clock
) -> list[Standing]:
    """Every network's side, asked side by side."""

    async def one(network: str) -> Standing:
        try:
            async with asyncio.timeout(PATIENCE):
                return Standing(network=network, pairs=await status(await tenant(network), clock))
        except (TimeoutError, PasserelleError):
            return Standing(network=network, pairs=None)

    return list(await asyncio.gather(*map(one, networks)))


def exposition(found: Iterable[Standing], now: datetime) -> bytes:
    """The same figures as Prometheus reads them. Labels are ids of networks."""
    registry = CollectorRegistry()
    registry.register(_Collected(tuple(found), now))
    return generate_latest(registry)


class _Collected(Collector):
    def __init__(self, found: Sequence[Standing], now: datetime) -> None:
        self._found = found
        self._now = now

    def collect(self) -> Iterator[Metric]:
        answers = GaugeMetricFamily(
            "passerelle_federation_answers", "Whether the network's database answered.", labels=("network",)
        )
        for each in self._found:
            answers.add_metric([each.network], float(each.pairs is not None))
        yield answers
        yield self._gauge("waiting", "States that are owed and not on their way.", lambda pair: pair.waiting)
        yield self._gauge("in_flight", "States sent and not acknowledged.", lambda pair: pair.in_flight)
        yield self._gauge("dead", "States that are not sent any more.", lambda pair: pair.dead)
        yield self._gauge(
            "oldest_seconds", "Age of the oldest state that is owed.", lambda pair: self._age(pair.oldest)
        )
        yield self._gauge("away", "Whether the other network owes a sign of life.", lambda pair: bool(pair.away_since))
        acknowledged = CounterMetricFamily(
            "passerelle_federation_acknowledged", "States that the other network has.", labels=_LABELS
        )
        for network, pair in self._pairs():
            acknowledged.add_metric([network, pair.to_tenant], pair.acked)
        yield acknowledged

    def _gauge(self, name: str, says: str, of: Callable[[PairStatus], float]) -> Metric:
        family = GaugeMetricFamily(f"passerelle_federation_{name}", says, labels=_LABELS)
        for network, pair in self._pairs():
            family.add_metric([network, pair.to_tenant], of(pair))
        return family

    def _pairs(self) -> Iterator[tuple[str, PairStatus]]:
        return ((each.network, pair) for each in self._found for pair in each.pairs or ())

    def _age(self, oldest: datetime | None) -> float:
        return 0.0 if oldest is None else max((self._now - oldest).total_seconds(), 0.0)
