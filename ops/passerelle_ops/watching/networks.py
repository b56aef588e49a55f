"""How each network of a gateway stands, asked as Prometheus asks: its journal, outbox, ledger and neighbours."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from passerelle.audit.behind import Behind, behind
from passerelle.kernel.clock import Clock
from passerelle.kernel.context import Tenant
from passerelle.kernel.errors import PasserelleError
from passerelle_ops.federating_status import PATIENCE
from passerelle_tenants.federation.status import PairStatus, status

_PAIR: Final = ("network", "peer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One network; null where its database did not answer in time."""

    id: str
    pairs: Sequence[PairStatus] | None = None
    behind: Behind | None = None


async def ask_all(tenant: Callable[[str], Awaitable[Tenant]], networks: Iterable[str], clock: Clock) -> list[Network]:
    """Every network, asked side by side; one that is away holds up no other."""

    async def one(network: str) -> Network:
        try:
            async with asyncio.timeout(PATIENCE):
                found = await tenant(network)
                pairs, late = await asyncio.gather(status(found, clock), behind(found))
        except (TimeoutError, PasserelleError):
            return Network(id=network)
        return Network(id=network, pairs=pairs, behind=late)

    return list(await asyncio.gather(*map(one, networks)))


class Networks(Collector):
    """The same figures as Prometheus reads them. Labels are ids of networks."""

    def __init__(self, found: Sequence[Network], now: datetime) -> None:
        self._found = found
        self._now = now

    def collect(self) -> Iterator[Metric]:
        answers = GaugeMetricFamily(
            "passerelle_network_answers", "Whether the network's database answered.", labels=("network",)
        )
        for each in self._found:
            answers.add_metric([each.id], float(each.behind is not None))
        yield answers
        yield from self._of_networks()
        yield from self._of_pairs()

    def _of_networks(self) -> Iterator[Metric]:
        shown: tuple[tuple[str, str, Callable[[Behind], float]], ...] = (
            (
                "journal_unsealed_seconds",
                "Age of the oldest line without a seal.",
                lambda n: self._age(n.unsealed_since),
            ),
            ("outbox_waiting", "Events that were not relayed.", lambda n: n.waiting),
            ("outbox_failing", "Events among them that were tried in vain.", lambda n: n.failing),
            ("outbox_oldest_seconds", "Age of the oldest of these events.", lambda n: self._age(n.waiting_since)),
            (
                "ledger_unkept_seconds",
                "Age of the oldest change that narrows and is not in the ledger.",
                lambda n: self._age(n.unkept_since),
            ),
        )
        for name, says, of in shown:
            family = GaugeMetricFamily(f"passerelle_{name}", says, labels=("network",))
            for each in self._found:
                if each.behind is not None:
                    family.add_metric([each.id], of(each.behind))
            yield family

    def _of_pairs(self) -> Iterator[Metric]:
        shown: tuple[tuple[str, str, Callable[[PairStatus], float]], ...] = (
            ("waiting", "States that are owed and not on their way.", lambda pair: pair.waiting),
            ("in_flight", "States sent and not acknowledged.", lambda pair: pair.in_flight),
            ("dead", "States that are not sent any more.", lambda pair: pair.dead),
            ("oldest_seconds", "Age of the oldest state that is owed.", lambda pair: self._age(pair.oldest)),
            ("away", "Whether the other network owes a sign of life.", lambda pair: bool(pair.away_since)),
        )
        for name, says, of in shown:
            family = GaugeMetricFamily(f"passerelle_federation_{name}", says, labels=_PAIR)
            for network, pair in self._pairs():
                family.add_metric([network, pair.to_tenant], of(pair))
            yield family
        acknowledged = CounterMetricFamily(
            "passerelle_federation_acknowledged", "States that the other network has.", labels=_PAIR
        )
        for network, pair in self._pairs():
            acknowledged.add_metric([network, pair.to_tenant], pair.acked)
        yield acknowledged

    def _pairs(self) -> Iterator[tuple[str, PairStatus]]:
        return ((each.id, pair) for each in self._found for pair in each.pairs or ())

    def _age(self, since: datetime | None) -> float:
        return 0.0 if since is None else max((self._now - since).total_seconds(), 0.0)
