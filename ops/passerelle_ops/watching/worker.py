"""GET /metrics of a worker, for Prometheus, on a port of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from celery import Celery
from kombu.exceptions import OperationalError
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from passerelle_ops.watching.counted import Counted
from passerelle_ops.watching.sharing import figures


@contextmanager
def exposed(host: str, port: int, app: Celery, queues: Mapping[tuple[str, str], str]) -> Iterator[None]:
    """Answer for as long as the block lasts. `queues`: the keys of the broker's lists, by network and name."""
    registry = CollectorRegistry()
    registry.register(_Own())
    registry.register(_Queues(app, queues))
    server, thread = start_http_server(port, host, registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def queue_length() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "passerelle_queue_length", "Messages that no worker took yet.", labels=("network", "queue")
    )


class _Own(Collector):
    def collect(self) -> Iterator[Metric]:
        return Counted("worker", [figures()]).collect()

    def describe(self) -> list[Metric]:
        return []


class _Queues(Collector):
    """What waits at the broker; not told while it is away."""

    def __init__(self, app: Celery, queues: Mapping[tuple[str, str], str]) -> None:
        self._app = app
        self._queues = queues

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        family = queue_length()
        with (
            suppress(OperationalError, OSError),
            self._app.connection_for_read() as connection,
            connection._reraise_as_library_errors(),
            connection.default_channel.conn_or_acquire() as client,
        ):
            for (network, name), key in self._queues.items():
                family.add_metric([network, name], client.llen(key))
        yield family
