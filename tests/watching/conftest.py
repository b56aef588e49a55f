"""What the tests of this folder share."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from passerelle_ops.watching import traces
from tests.watching.collector import Collector


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that listens until nothing is traced any more. Nothing is lost yet."""
    traces.LOST.counted.clear()
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever, args=(0.01,))
        thread.start()
        yield collector
        traces.stop()
        collector.shutdown()
        thread.join()
