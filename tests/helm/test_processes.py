"""What the chart has pods run, run here until its probes say yes, and replaced under load as Kubernetes replaces it.

One network with a worker, a clock, a user of the broker and a role in the directory of its own; then four.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from passerelle_ops.demo.issuer import FOLDER, DemoIssuer, create_app
from passerelle_ops.installation import Installation
from passerelle_ops.settings import Settings
from passerelle_ops.stack.postgres import Postgres
from passerelle_ops.stack.valkey import Valkey
from tests.helm.ground import Ground, Pod, laid, until
from tests.helm.traffic import DOCTOR, Service, Somebody, Traffic, in_flight, new_ins, opened, register
from tests.identities.issuing import serving

pytestmark = pytest.mark.timeout(1500)
HOME, AWAY = "oncomip", "oncopl"
FOUR = ("bourgogne", HOME, AWAY, "picardie")
# How long whoever routes to pods goes on sending to one that is told to end.
HEARD_SECONDS = 0.5
FIRST_IN_FLIGHT = 100_000
UNRELAYED = "select count(*) from outbox where relayed_at is null or addressed_at is null"
UNSEALED = "select (select count(*) from journal) - (select count(*) from journal_leaf)"
OWED = "select count(*) from federation_out where acked_version < version"


@dataclass
class Release:
    """The pods of a release that serve, by the part that they are, and the Service before those of web."""

    ground: Ground
    service: Service
    serving: dict[str, list[Pod]] = field(default_factory=dict)

    def installed(self, replicas: int) -> None:
        """All of it, in the order that pods find by themselves: what waits for the databases waits until they are."""
        migrate, first = self.ground.pod("migrate"), self.ground.pod("web")
        migrate.does(migrate.init("keys"))
        first.does(first.init("keys"))
        waiting = first.init("databases")  # nobody orders pods: they begin together
        migrate.does(migrate.begin(migrate.container))
        first.does(waiting)
        first.begin(first.container)
        self.serving["web"] = [first, *(self._started("web") for _ in range(replicas - 1))]
        for part in sorted(set(self.ground.rendered) - {"web", "migrate"}):
            self.serving[part] = [self._started(part)]
        for part, each in [(part, each) for part, those in self.serving.items() for each in those]:
            self._is_well(part, each)

    async def replaced(self, part: str, traffic: Traffic) -> None:
        """One pod after another: a new one first, and what goes on in the old one ends well."""
        for number, old in enumerate(list(self.serving[part]), FIRST_IN_FLIGHT):
            new = await asyncio.to_thread(self._started, part)
            await asyncio.to_thread(self._is_well, part, new)
            self.serving[part].append(new)
            if part == "web":
                async with in_flight(traffic, old.url, number):
                    await asyncio.to_thread(old.end)
                    await asyncio.sleep(HEARD_SECONDS)
                    self.service.addresses.remove(old.url)
                    drained = float(old.environment(old.container)["PASSERELLE_DRAIN_SECONDS"])
                    await asyncio.sleep(drained + 0.5)
            else:
                await asyncio.to_thread(old.end)
            await asyncio.to_thread(old.ended)
            self.serving[part].remove(old)

    def ended(self) -> None:
        pods = [each for those in self.serving.values() for each in those]
        for each in pods:
            each.end()
        for each in pods:
            each.ended()

    def _started(self, part: str) -> Pod:
        pod = self.ground.pod(part)
        pod.start("keys")
        return pod

    def _is_well(self, part: str, pod: Pod) -> None:
        until(pod.is_well, f"{pod.name} is well")
        if part == "web":
            self.service.addresses.append(pod.url)


@asynccontextmanager
async def release(
    postgres: Postgres,
    valkey: Valkey,
    folder: Path,
    networks: Sequence[str],
    *,
    replicas: int,
    drain_seconds: int,
    processes: int = 1,
) -> AsyncIterator[Release]:
    """Installed, with an issuer whose tokens the gateway believes."""
    web = {"drainSeconds": drain_seconds, "processes": processes}
    with (
        serving(create_app(folder=folder / FOLDER)) as url,
        laid(postgres, valkey, folder, networks, web=web) as ground,
    ):
        ground.issuer = url
        token = DemoIssuer(folder / FOLDER, url).mint_professional(
            rpps=DOCTOR.rpps, family_name=DOCTOR.family_name, given_name=DOCTOR.given_name, profession="10"
        )
        made = Release(ground, Service(token))
        await asyncio.to_thread(made.installed, replicas)
        yield made
        await made.service.close()
        await asyncio.to_thread(made.ended)


@asynccontextmanager
async def installation(web: Pod, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Installation]:
    """What a web pod sees, in this process."""
    with monkeypatch.context() as patch:
        for name, value in web.environment(web.container).items():
            if name.startswith("PASSERELLE_"):
                patch.setenv(name, value)
        made = Installation(Settings())
    try:
        yield made
    finally:
        await made.close()


def settles(ground: Ground, network: str) -> None:
    """Each task does what it has to, whatever became of who began it."""
    until(lambda: ground.rows(network, UNRELAYED) == [(0,)], f"all events of {network} are relayed")
    until(lambda: ground.rows(network, OWED) == [(0,)], f"{network} owes nothing")
    until(lambda: ground.rows(network, UNSEALED) == [(0,)], f"the journal of {network} is sealed")


def holds(ground: Ground, network: str, worker: Pod, filed: set[str], origin: str | None = None) -> None:
    """What was acknowledged is there once, and nothing else is; the journal is whole."""
    settles(ground, network)
    from_ = "is null" if origin is None else f"= '{origin}'"
    found = [each for (each,) in ground.rows(network, f"select unique_id from document where origin {from_}")]
    assert Counter(found) == Counter(filed)
    said = json.loads(worker.executes("passerelle", "verify", "journal", "--tenant", network, "--json"))
    assert said["findings"] == []


async def test_pods_begin_in_their_order_are_well_and_end(postgres: Postgres, valkey: Valkey, tmp_path: Path) -> None:
    async with release(postgres, valkey, tmp_path, [HOME], replicas=1, drain_seconds=0) as made:
        assert set(made.serving) == {"web", "worker-oncomip", "beat-oncomip"}
        # The clock called, and the worker came: it has none of its own.
        published = "select distinct tenant_id from tenant_key"
        await asyncio.to_thread(until, lambda: made.ground.rows("directory", published) == [(HOME,)], "a turn")


@pytest.mark.long
async def test_pods_are_replaced_under_load(
    postgres: Postgres, valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with release(postgres, valkey, tmp_path, [HOME], replicas=1, drain_seconds=2) as made:
        async with installation(made.serving["web"][0], monkeypatch) as seen:
            await register(seen, HOME)
            ins = new_ins(0)
            who = Somebody(ins, {HOME: await opened(seen, HOME, ins)})
        traffic = Traffic(made.service, HOME, who)
        async with traffic.flowing():
            await made.replaced("web", traffic)
            await made.replaced("worker-oncomip", traffic)
        assert traffic.failed == []
        assert traffic.let_go >= 1
        assert {"by hash", "whole", "GET", "write", "told ArrivedDocument"} <= set(traffic.answered)
        await asyncio.to_thread(holds, made.ground, HOME, made.serving["worker-oncomip"][0], traffic.filed)


@pytest.mark.long
async def test_four_networks_apart_are_replaced_while_documents_travel(
    postgres: Postgres, valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every pod, each network's worker and clock having that network's credentials alone."""
    async with release(postgres, valkey, tmp_path, FOUR, replicas=2, drain_seconds=10, processes=2) as made:
        ground = made.ground
        async with installation(made.serving["web"][0], monkeypatch) as seen:
            await register(seen, *FOUR)
            ins = new_ins(1)
            at_home = await opened(seen, HOME, ins)
            located = "select 1 from patient_location"
            await asyncio.to_thread(until, lambda: ground.rows(HOME, located) == [(1,)], "he is located at home")
            who = Somebody(ins, {HOME: at_home, AWAY: await opened(seen, AWAY, ins)})
        placed = f"select 1 from patient_place where tenant_id = '{HOME}' and is_home"
        await asyncio.to_thread(until, lambda: ground.rows(AWAY, placed) == [(1,)], "his home is known elsewhere")
        traffic = Traffic(made.service, AWAY, who)
        async with traffic.flowing():
            for part in sorted(made.serving):
                await made.replaced(part, traffic)
        assert traffic.failed == []
        assert traffic.let_go >= 1
        for network in FOUR:
            await asyncio.to_thread(settles, ground, network)
        for network, origin in ((AWAY, None), (HOME, AWAY)):
            await asyncio.to_thread(holds, ground, network, made.serving[f"worker-{network}"][0], traffic.filed, origin)
