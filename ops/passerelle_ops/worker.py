"""The worker: Celery over the broker, two queues for each network, and the clock that gives each task its turns.

A message of the queue `turns` carries the name of a task and the id of a network and nothing else; one of `federation`,
an envelope that only its network opens. The truth is in that network's database. Tasks run in threads and hand their
work to one event loop, which owns the installation's connections. `schedule` says what there is to do.

One worker serves all networks of an installation, or only the one of PASSERELLE_WORKER_TENANT: at the broker it then is
that network's user, and needs its database, its key file and the directory, nothing of the others (decision 0134).
With PASSERELLE_BEAT=false the clock is a process of its own (`beat`): many workers then send no turn twice.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import warnings
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import structlog
from celery import Celery, Task, signals
from celery.beat import EmbeddedService, Scheduler
from uvicorn.loops.auto import auto_loop_factory

from passerelle.kernel import tracing
from passerelle.kernel.clock import legal_day
from passerelle.kernel.context import Tenant
from passerelle_ops import logs
from passerelle_ops.backup import directory
from passerelle_ops.backup.keeping import Keeper
from passerelle_ops.backup.ledger import Ledger
from passerelle_ops.backup.places import Place
from passerelle_ops.erasing import bind_erasing
from passerelle_ops.federating import Federation
from passerelle_ops.federating_carrier import TAKE
from passerelle_ops.installation import Installation
from passerelle_ops.recalling import bind_recalls
from passerelle_ops.recourse import bind_recourse
from passerelle_ops.relay import Subscribers
from passerelle_ops.schedule import Periodic, periodic_tasks, run_alone
from passerelle_ops.settings import Settings
from passerelle_ops.stack.addresses import Addresses
from passerelle_ops.stack.broker_users import FEDERATION, KEY_PREFIX, TURNS, key_prefix
from passerelle_ops.watching import traces, worked
from passerelle_ops.watching.messages import taken
from passerelle_policies.packs import pack_on
from passerelle_tenants.federation.kinds.recourse import OverFederation
from passerelle_tenants.federation.travellers import Kinds
from passerelle_tenants.registry import recorded_networks

# They only wait for the loop. With few, long turns in as many networks would stop the seals and the relay of all.
_THREADS = "12"
# A turn holds one connection for its lock and needs others for its work: all may be had at once by so many.
_CONNECTIONS_OF_A_TURN = 8
ALIVE_SECONDS = 10.0
# How soon other networks are told, and how long nobody looks once a database was away.
GLANCE_SECONDS, AWAY_SECONDS = 0.25, 2.0
# How soon a network that was set up meanwhile is served.
NETWORKS_SECONDS = 2.0
_log = structlog.get_logger("passerelle.worker")
_T = TypeVar("_T")


class Loop:
    """One event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = auto_loop_factory()()  # the web's
        self._endless: list[asyncio.Task[None]] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="worker-loop", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Have the work done there and wait for what it gives."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def say_alive(self, file: Path) -> None:
        """Touch the file now, and every ten seconds as long as the loop turns."""

        def touch() -> None:
            file.touch()
            self._loop.call_later(ALIVE_SECONDS, touch)

        self._loop.call_soon_threadsafe(touch)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Have work done there that has no end, until `leave`."""
        self._loop.call_soon_threadsafe(lambda: self._endless.append(self._loop.create_task(work)))

    def leave(self) -> None:
        """End what was started."""

        async def end() -> None:
            for each in self._endless:
                each.cancel()
            await asyncio.gather(*self._endless, return_exceptions=True)

        self.run(end())

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Turns:
    """The turns of every task in every network of an installation."""

    def __init__(self, installation: Installation, subscribers: Subscribers, federation: Federation) -> None:
        self._installation = installation
        self._federation = federation
        self._served: list[str] = []
        self._served_until = 0.0
        self._loop = Loop()
        self._at_once = asyncio.Semaphore(max(1, installation.settings.connections // _CONNECTIONS_OF_A_TURN))
        seal_every = self._loop.run(self._seal_every())
        keeper = Keeper(
            lambda tenant: Ledger(Place(installation.ledger_url(tenant.id)), tenant),
            lambda: (installation.directory.database, directory.ledger_of(installation)),
        )
        self.tasks = {task.name: task for task in periodic_tasks(subscribers, seal_every, federation.turn, keeper.turn)}

    @property
    def only(self) -> str | None:
        """The one network that this worker serves, when it does not serve all."""
        return self._installation.settings.worker_tenant

    def networks(self) -> list[str]:
        """The networks that it serves, of those that are set up now."""
        return self._loop.run(self._networks())

    def known(self, name: str) -> str:
        """The name of a task as it may be told: another network's user of the broker may send any words."""
        return name if name in self.tasks else "unknown"

    def known_network(self, tenant_id: str) -> str:
        """Likewise the id of a network."""
        return tenant_id if tenant_id in self._served else "unknown"

    def run(self, name: str, tenant_id: str) -> None:
        """One turn of a task in one network. One that fails is logged, and has its next turn."""
        self._loop.run(self._run(name, tenant_id))

    def take(self, to_tenant: str, envelope: str) -> None:
        """Take in what another network sent. What cannot be done is logged: whoever sent it sends it again."""
        self._loop.run(self._take(to_tenant, envelope))

    def say_alive(self, file: Path) -> None:
        """Touch the file now and from then on, as `Loop.say_alive`."""
        self._loop.say_alive(file)

    def watch(self) -> None:
        """From now on, have other networks told of what happens here without waiting for a turn."""
        self._loop.start(self._watch())

    def close(self) -> None:
        self._loop.leave()
        self._federation.close()
        self._loop.run(self._installation.close())
        self._loop.close()

    async def _networks(self) -> list[str]:
        # Read anew: a network may have been set up since. Every turn of every task asks.
        is_complete = self.only is not None and bool(self._served)
        if not is_complete and perf_counter() >= self._served_until:
            found = await recorded_networks(self._installation.directory.database)
            self._served = sorted(each for each in found if self.only in (None, each))
            self._served_until = perf_counter() + NETWORKS_SECONDS
        return self._served

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(GLANCE_SECONDS)
            seen = await asyncio.gather(*map(self._glance, self._served))
            if not all(seen):
                await asyncio.sleep(AWAY_SECONDS)

    async def _glance(self, tenant_id: str) -> bool:
        """False when that cannot be: the turn that comes says why."""
        try:
            await self._federation.glance(await (await self._installation.registry()).tenant(tenant_id))
        except Exception:  # noqa: BLE001 - as below
            return False
        return True

    async def _seal_every(self) -> float:
        """The shortest delay that the rules of a network set, or the rule's own where there is none yet."""
        registry, rules = await self._installation.registry(), pack_on(legal_day(self._installation.clock))
        overrides = [network.parameters for network in registry.networks.values()] or [{}]
        return float(min(rules.number("journal.seal_seconds", each) for each in overrides))

    async def _run(self, name: str, tenant_id: str) -> None:
        began, known = perf_counter(), self.known_network(tenant_id)
        try:
            task, tenant = self.tasks[name], await (await self._installation.registry()).tenant(tenant_id)
            async with self._at_once:
                is_done = await run_alone(task, tenant, self._installation.clock)
            worked.TURNS.add(tenant.id, name, "done" if is_done else "held")
            if is_done:
                worked.TURN_SECONDS.add(perf_counter() - began, name)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other tasks and networks go on
            worked.TURNS.add(known, self.known(name), "failed")
            _log.warning("task failed", task=self.known(name), tenant=known, **logs.place(error))

    async def _take(self, to_tenant: str, envelope: str) -> None:
        try:
            if self.only in (None, to_tenant):
                tenant = await (await self._installation.registry()).tenant(to_tenant)
                await self._federation.take(tenant, envelope)
        except Exception as error:  # noqa: BLE001 - as above; the broker has nothing to do again
            _log.warning("not taken in", tenant=self.known_network(to_tenant), **logs.place(error))


@dataclass(frozen=True, slots=True)
class Queues:
    """What a worker calls its queues, below its key prefix: `only` one network's, or those of all."""

    only: str | None = None
    common: str = "common"

    @property
    def prefix(self) -> str:
        return KEY_PREFIX if self.only is None else key_prefix(self.only)

    def turns(self, tenant_id: str) -> str:
        return self._of(tenant_id, TURNS)

    def federation(self, tenant_id: str) -> str:
        return self._of(tenant_id, FEDERATION)

    def by_network(self, networks: Iterable[str]) -> Mapping[tuple[str, str], str]:
        """Each queue of these networks, by network and name."""
        own = {(each, TURNS): self.turns(each) for each in networks}
        return own | {(each, FEDERATION): self.federation(each) for each, _ in own}

    def _of(self, tenant_id: str, name: str) -> str:
        """The same key whoever serves the network."""
        return name if self.only is not None else f"{tenant_id}:{name}"


def create_app(broker_url: str, turns: Turns) -> Celery:
    """The Celery application and its three tasks."""
    app, queues = Celery("passerelle", broker=broker_url, set_as_current=False), Queues(turns.only)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_default_queue=queues.common,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,  # else what we log goes to Celery's logger, and from there nowhere
        worker_enable_remote_control=turns.only is None,  # by publish and subscribe, which no network's user may
        broker_connection_retry_on_startup=True,
        broker_transport="passerelle_ops.broker_copies:Transport",
        broker_transport_options={
            "global_keyprefix": queues.prefix,
            # Above the longest turn: a message that is not acknowledged comes back after that time.
            "visibility_timeout": 600,
        },
        timezone="Europe/Paris",
        beat_schedule={
            name: {"task": "turns.all", "args": (name,), "schedule": task.every, "options": {"expires": _stale(task)}}
            for name, task in turns.tasks.items()
        },
    )
    heard = set(turns.networks())

    def turn_of_one(task: Task, name: str, tenant_id: str) -> None:
        with taken(task, f"turn {turns.known(name)}", turns.known_network(tenant_id)):
            turns.run(name, tenant_id)

    def turn_of_all(task: Task, name: str) -> None:
        with taken(task, f"turns {turns.known(name)}"):
            send_to_all(name)

    def send_to_all(name: str) -> None:
        for tenant_id in turns.networks():
            if tenant_id == turns.only:  # this is its queue: a second message would say the same
                turns.run(name, tenant_id)
                continue
            if tenant_id not in heard:  # set up since we started
                app.control.add_consumer(queues.turns(tenant_id))
                app.control.add_consumer(queues.federation(tenant_id))
                heard.add(tenant_id)
            stale, queue = _stale(turns.tasks[name]), queues.turns(tenant_id)
            one.apply_async((name, tenant_id), queue=queue, expires=stale, headers=tracing.sent_on())

    def take(task: Task, to_tenant: str, envelope: str) -> None:
        with taken(task, TAKE):
            turns.take(to_tenant, envelope)

    one = app.task(name="turns.one", bind=True)(turn_of_one)
    app.task(name="turns.all", bind=True)(turn_of_all)
    # Acknowledged first: the sender's database sends again what was not applied, in seconds and whatever we did.
    app.task(name=TAKE, bind=True, acks_late=False)(take)
    return app


def first_turns(app: Celery, turns: Turns) -> None:
    """A turn of each task now: what became due while no clock ran waits no more."""
    for name in turns.tasks:
        app.send_task("turns.all", (name,))


def _stale(task: Periodic) -> float:
    """After how long a turn that nobody took is not worth taking: another has been sent."""
    return max(task.every, 10.0)


def opened(settings: Settings, subscribers: Subscribers | None = None, kinds: Kinds | None = None) -> Turns:
    """The turns of the installation that the settings name, over its databases."""
    installation, listening = Installation(settings, pool_size=16), subscribers or Subscribers()
    bind_recalls(listening, lambda: installation.directory, installation.clock)

    async def tenant(tenant_id: str) -> Tenant:
        return await (await installation.registry()).tenant(tenant_id)

    bind_erasing(listening, installation.clock)
    over_federation = OverFederation(tenant, installation.clock)
    bind_recourse(listening, over_federation, lambda: installation.directory, installation.clock)
    addresses = Addresses(settings)
    federation = Federation(
        lambda: installation.directory,
        lambda: installation.locator,
        addresses.tenant_broker_url,
        installation.clock,
        kinds,
    )
    return Turns(installation, listening, federation)


def main(subscribers: Subscribers | None = None, kinds: Kinds | None = None) -> int:
    """Work until SIGTERM: finish what is under way, then stop."""
    settings = Settings()
    logs.configure(settings)
    traces.trace(settings, "worker")
    # Its reason, pickled messages run as root, does not hold here: only JSON is accepted.
    warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")
    turns, addresses = opened(settings, subscribers, kinds), Addresses(settings)
    if turns.only is None:
        for each in turns.networks():  # those that were set up before the broker had users
            addresses.admit_to_broker(each)
    app = create_app(addresses.own_broker_url(), turns)
    clock = EmbeddedService(app, thread=True, scheduler_cls=Scheduler) if settings.beat else None

    def ready(**_: object) -> None:
        gc.collect()
        gc.freeze()  # what is loaded is there to stay
        if clock is not None:
            first_turns(app, turns)
            clock.start()
        turns.watch()
        if settings.ready_file is not None:
            turns.say_alive(settings.ready_file)
        _log.info("started", networks=turns.networks())

    def stopping(**_: object) -> None:
        if clock is not None:
            clock.stop()

    signals.worker_ready.connect(ready, weak=False)
    signals.worker_shutting_down.connect(stopping, weak=False)
    queues, networks = Queues(turns.only), turns.networks()
    heard = [queues.common, *map(queues.turns, networks), *map(queues.federation, networks)]
    with ExitStack() as watched:
        watched.callback(traces.stop)
        watched.callback(turns.close)
        if settings.metrics_port is not None:
            # Only here: what Prometheus reads takes its time to load.
            from passerelle_ops.watching.worker import exposed

            watched.enter_context(exposed(settings.host, settings.metrics_port, app, queues.by_network(networks)))
        app.worker_main(
            [
                *("--quiet", "worker", "--pool", "threads", "--concurrency", _THREADS, "--queues", ",".join(heard)),
                *("--loglevel", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"),
            ]
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
