"""The worker: Celery over the broker, one queue for each network, and the clock that gives each task its turns.

A message carries the name of a task and the id of a network and nothing else; the truth is in that network's
database. Tasks run in threads and hand their work to one event loop, which owns the installation's connections.
`schedule` says what there is to do.
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

from passerelle.kernel.clock import legal_day
from passerelle.kernel.context import Tenant
from passerelle_ops import logs
from passerelle_ops.erasing import bind_erasing
from passerelle_ops.installation import Installation
from passerelle_ops.recalling import bind_recalls
from passerelle_ops.recourse import bind_recourse
from passerelle_ops.relay import Subscribers
from passerelle_ops.schedule import Periodic, periodic_tasks, run_alone
from passerelle_ops.settings import Settings
from passerelle_ops.stack.addresses import Addresses
from passerelle_policies.packs import pack_on
from passerelle_tenants.registry import recorded_networks

COMMON_QUEUE = "passerelle"
# They only wait for the loop. With few, long turns in as many networks would stop the seals and the relay of all.
_THREADS = "12"
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


class Turns:
    """The turns of every task in every network of an installation."""

    def __init__(self, installation: Installation, subscribers: Subscribers) -> None:
        self._installation = installation
        self._loop = Loop()
        seal_every = self._loop.run(self._seal_every())
        self.tasks = {task.name: task for task in periodic_tasks(subscribers, seal_every)}

    def networks(self) -> list[str]:
        """The networks that are set up now."""
        return self._loop.run(self._networks())

    def run(self, name: str, tenant_id: str) -> None:
        """One turn of a task in one network. One that fails is logged, and has its next turn."""
        self._loop.run(self._run(name, tenant_id))

    def close(self) -> None:
        self._loop.run(self._installation.close())
        self._loop.close()

    async def _networks(self) -> list[str]:
        # Read anew each time: a network may have been set up since.
        return sorted(await recorded_networks(self._installation.directory.database))

    async def _seal_every(self) -> float:
        """The shortest delay that the rules of a network set, or the rule's own where there is none yet."""
        registry, rules = await self._installation.registry(), pack_on(legal_day(self._installation.clock))
        overrides = [network.parameters for network in registry.networks.values()] or [{}]
        return float(min(rules.number("journal.seal_seconds", each) for each in overrides))

    async def _run(self, name: str, tenant_id: str) -> None:
        try:
            tenant = await (await self._installation.registry()).tenant(tenant_id)
            await run_alone(self.tasks[name], tenant, self._installation.clock)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other tasks and networks go on
            _log.warning("task failed", task=name, tenant=tenant_id, **logs.place(error))


def queue_of(tenant_id: str) -> str:
    """The queue of a network's tasks."""
    return f"{COMMON_QUEUE}.{tenant_id}"


def create_app(broker_url: str, turns: Turns) -> Celery:
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
        worker_redirect_stdouts=False,  # else what we log goes to Celery's logger, and from there nowhere
        broker_connection_retry_on_startup=True,
        # Above the longest task: a message that is not acknowledged comes back after that time.
        broker_transport_options={"visibility_timeout": 600},
        timezone="Europe/Paris",
        beat_schedule={
            name: {"task": "turns.all", "args": (name,), "schedule": task.every, "options": {"expires": _stale(task)}}
            for name, task in turns.tasks.items()
        },
    )
    heard = set(turns.networks())

    def turn_of_one(name: str, tenant_id: str) -> None:
        turns.run(name, tenant_id)

    def turn_of_all(name: str) -> None:
        for tenant_id in turns.networks():
            if tenant_id not in heard:  # set up since we started
                app.control.add_consumer(queue_of(tenant_id))
                heard.add(tenant_id)
            one.apply_async((name, tenant_id), queue=queue_of(tenant_id), expires=_stale(turns.tasks[name]))

    one = app.task(name="turns.one")(turn_of_one)
    app.task(name="turns.all")(turn_of_all)
    return app


def _stale(task: Periodic) -> float:
    """After how long a turn that nobody took is not worth taking: another has been sent."""
    return max(task.every, 10.0)


def main(subscribers: Subscribers | None = None) -> int:
    """Work until SIGTERM: finish what is under way, then stop."""
    settings = Settings()
    logs.configure(settings)
    # Its reason, pickled messages run as root, does not hold here: only JSON is accepted.
    warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")
    installation, listening = Installation(settings, pool_size=16), subscribers or Subscribers()
    bind_recalls(listening, lambda: installation.directory, installation.clock)

    async def tenant(tenant_id: str) -> Tenant:
        return await (await installation.registry()).tenant(tenant_id)

    bind_erasing(listening, installation.clock)
    bind_recourse(listening, tenant, lambda: installation.directory, installation.clock)
    turns = Turns(installation, listening)
    app = create_app(Addresses(settings).broker_url(), turns)
    clock = EmbeddedService(app, thread=True, scheduler_cls=Scheduler)

    def ready(**_: object) -> None:
        for name in turns.tasks:  # a first turn now: what became due while we were away waits no more
            app.send_task("turns.all", (name,))
        clock.start()
        if settings.ready_file is not None:
            settings.ready_file.touch()
        _log.info("started", networks=turns.networks())

    def stopping(**_: object) -> None:
        clock.stop()

    signals.worker_ready.connect(ready, weak=False)
    signals.worker_shutting_down.connect(stopping, weak=False)
    queues = ",".join([COMMON_QUEUE, *map(queue_of, turns.networks())])
    try:
        app.worker_main(
            [
                *("--quiet", "worker", "--pool", "threads", "--concurrency", _THREADS, "--queues", queues),
                *("--loglevel", "WARNING", "--without-gossip", "--without-mingle"),
            ]
        )
    finally:
        turns.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
