"""The worker: Celery over the broker, one queue for each network, and the clock that has outboxes relayed.

A message carries the id of a network and nothing else; the truth is in that network's outbox. Tasks run in
threads and hand their work to one event loop, which owns the installation's connections.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import warnings
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog
from celery import Celery, signals
from celery.beat import EmbeddedService, Scheduler

from passerelle_ops import logs
from passerelle_ops.installation import Installation
from passerelle_ops.relay import AT_ONCE, Subscribers, relay
from passerelle_ops.settings import Settings
from passerelle_ops.stack.addresses import Addresses
from passerelle_tenants.registry import recorded_networks

COMMON_QUEUE = "passerelle"
RELAY_EVERY = 2.0
_log = structlog.get_logger("passerelle.worker")
_T = TypeVar("_T")


class Loop:
    """One event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="worker-loop", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Have the work done there and wait for what it gives."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Relays:
    """The relaying of every network of an installation."""

    def __init__(self, installation: Installation, subscribers: Subscribers) -> None:
        self._installation = installation
        self._subscribers = subscribers
        self._loop = Loop()

    def networks(self) -> list[str]:
        """The networks that are set up now."""
        return self._loop.run(self._networks())

    def run(self, tenant_id: str) -> None:
        """Relay what waits in one network."""
        self._loop.run(self._relay(tenant_id))

    def close(self) -> None:
        self._loop.run(self._installation.close())
        self._loop.close()

    async def _networks(self) -> list[str]:
        # Read anew each time: a network may have been set up since.
        return sorted(await recorded_networks(self._installation.directory.database))

    async def _relay(self, tenant_id: str) -> None:
        tenant = await (await self._installation.registry()).tenant(tenant_id)
        while True:
            done = await relay(tenant, self._subscribers, self._installation.clock)
            if done.delivered or done.failed:
                _log.info("relayed", tenant=tenant_id, delivered=done.delivered, failed=done.failed)
            if done.failed or done.delivered < AT_ONCE:
                return


def queue_of(tenant_id: str) -> str:
    """The queue of a network's tasks."""
    return f"{COMMON_QUEUE}.{tenant_id}"


def create_app(broker_url: str, relays: Relays) -> Celery:
    """The Celery application and its two tasks."""
    app = Celery("passerelle", broker=broker_url, set_as_current=False)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_default_queue=COMMON_QUEUE,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        # Above the longest task: a message that is not acknowledged comes back after that time.
        broker_transport_options={"visibility_timeout": 600},
        timezone="Europe/Paris",
        beat_schedule={
            "relay": {"task": "relay.all", "schedule": RELAY_EVERY, "options": {"expires": 5 * RELAY_EVERY}}
        },
    )
    heard = set(relays.networks())

    def relay_one(tenant_id: str) -> None:
        relays.run(tenant_id)

    def relay_all() -> None:
        for tenant_id in relays.networks():
            if tenant_id not in heard:  # set up since we started
                app.control.add_consumer(queue_of(tenant_id))
                heard.add(tenant_id)
            one.apply_async((tenant_id,), queue=queue_of(tenant_id), expires=5 * RELAY_EVERY)

    one = app.task(name="relay.one")(relay_one)
    app.task(name="relay.all")(relay_all)
    return app


def main(subscribers: Subscribers | None = None) -> int:
    """Work until SIGTERM: finish what is under way, then stop."""
    settings = Settings()
    logs.configure(settings)
    # Its reason, pickled messages run as root, does not hold here: only JSON is accepted.
    warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")
    relays = Relays(Installation(settings), subscribers or Subscribers())
    app = create_app(Addresses(settings).broker_url(), relays)
    clock = EmbeddedService(app, thread=True, scheduler_cls=Scheduler)

    def ready(**_: object) -> None:
        clock.start()
        if settings.ready_file is not None:
            settings.ready_file.touch()
        _log.info("started", networks=relays.networks())

    def stopping(**_: object) -> None:
        clock.stop()

    signals.worker_ready.connect(ready, weak=False)
    signals.worker_shutting_down.connect(stopping, weak=False)
    queues = ",".join([COMMON_QUEUE, *map(queue_of, relays.networks())])
    try:
        app.worker_main(
            [
                *("--quiet", "worker", "--pool", "threads", "--concurrency", "4", "--queues", queues),
                *("--loglevel", "WARNING", "--without-gossip", "--without-mingle"),
            ]
        )
    finally:
        relays.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
