"""What the gateway does under more than it can serve, and after very many requests: refusals, memory, recovery."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from time import perf_counter
from typing import Final

from passerelle_ops.bench._ground import Ground, pids_of
from passerelle_ops.bench._kept_ground import Grounds, Sizes, measured_on_kept_ground
from passerelle_ops.bench._operations import Client, Form, operations, tokens_of
from passerelle_ops.bench._process_trees import resident_megabytes
from passerelle_ops.bench._report import Figure, Report
from passerelle_ops.bench._rounds import Ask, Busy, Plan, Side, measure
from passerelle_ops.stack.processes import asgi, web
from passerelle_ops.stack.servers import Stack
from passerelle_ops.stack.supervisor import Process

_ALONE: Final = Plan(connections=(1,), rounds=1, seconds=3.0)
_PEACE: Final = 1.0
_TOGETHER: Final = 32
_WARM: Final = 20
Connect = Callable[[], AbstractAsyncContextManager[Ask]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """More than can be served, for how long; `alone` is how the speed before and after is taken."""

    connections: int = 128
    seconds: float = 60.0
    alone: Plan = _ALONE


def pressed(sizes: Sizes, load: Load, *, dsn: str | None, as_json: bool, cache: Path | None = None) -> int:
    """Ask for a while on more connections than the pools hold; print what was answered, and what it left behind."""

    def on_grounds(grounds: Grounds) -> int:
        return asyncio.run(_pressed(grounds.large, load)).print(as_json=as_json)

    return measured_on_kept_ground(sizes, dsn, gateway_processes, on_grounds, cache=cache)


def endured(sizes: Sizes, requests: int, *, dsn: str | None, as_json: bool, cache: Path | None = None) -> int:
    """Ask that many times; print the memory of the web processes before and after."""

    def on_grounds(grounds: Grounds) -> int:
        return asyncio.run(_endured(grounds.large, requests)).print(as_json=as_json)

    return measured_on_kept_ground(sizes, dsn, gateway_processes, on_grounds, cache=cache)


def gateway_processes(stack: Stack) -> Sequence[Process]:
    """The gateway and the issuer of its tokens."""
    os.environ["PASSERELLE_ISSUER"] = f"http://127.0.0.1:{stack.port('issuer')}"
    issuer = asgi(stack, "issuer", "passerelle_ops.demo.issuer:create_app", ready="/.well-known/openid-configuration")
    stack.port("web")  # not the usual one, which an installation beside us may be about to take
    return [issuer, web(stack)]


async def _pressed(ground: Ground, load: Load) -> Report:
    connect, pids = await _opening(ground), pids_of(ground.info, "web")
    side = Side("gateway", "", connect)
    await _asked(connect, load.connections, min(load.seconds / _WARM, 3.0))  # buffers and caches have their size
    await asyncio.sleep(_PEACE)
    before = (await measure([side], load.alone)).p50("gateway", 1)
    memory = resident_megabytes(pids) or 0.0
    task = ground.bar.add_task("Sous pression", total=1)
    said = await _asked(connect, load.connections, load.seconds)
    ground.bar.update(task, completed=1)
    await asyncio.sleep(_PEACE)
    after = (await measure([side], load.alone)).p50("gateway", 1)
    return Report(
        bench="gateway",
        figures=[
            Figure(name="pressure_answered", value=said["answered"], unit="réponses"),
            Figure(name="pressure_busy", value=said["busy"], unit="503 avec Retry-After"),
            Figure(name="pressure_busy_in_200", value=said["busy in 200"], unit="TryLater sans 503", goal=0),
            Figure(name="pressure_errors", value=said["wrong"], unit="erreurs", goal=0),
            Figure(name="pressure_answered_per_second", value=said["answered"] / load.seconds, unit="/s"),
            *_memory("pressure", memory, resident_megabytes(pids) or 0.0),
            Figure(name="pressure_p50_after_over_before", value=after / before, unit="ratio", goal=1.25),
        ],
    )


async def _endured(ground: Ground, requests: int) -> Report:
    connect, pids = await _opening(ground), pids_of(ground.info, "web")
    await _counted(connect, max(requests // _WARM, _TOGETHER), lambda: None)
    memory = resident_megabytes(pids) or 0.0
    task = ground.bar.add_task("Endurance", total=requests)
    began = perf_counter()
    await _counted(connect, requests, lambda: ground.bar.advance(task))
    return Report(
        bench="gateway",
        figures=[
            Figure(name="endurance_requests", value=requests, unit="requêtes"),
            Figure(name="endurance_per_second", value=requests / (perf_counter() - began), unit="/s"),
            *_memory("endurance", memory, resident_megabytes(pids) or 0.0),
        ],
    )


def _memory(name: str, before: float, after: float) -> list[Figure]:
    return [
        Figure(name=f"{name}_memory_before_mb", value=before, unit="Mo"),
        Figure(name=f"{name}_memory_after_mb", value=after, unit="Mo"),
        Figure(name=f"{name}_memory_ratio", value=after / before if before else 1.0, unit="ratio", goal=1.05),
    ]


async def _opening(ground: Ground) -> Connect:
    opening, _ = await operations(ground)
    return Client(ground, tokens_of(ground)).asking(opening, Form.PERSISTED)


async def _asked(connect: Connect, connections: int, seconds: float) -> Counter[str]:
    """What came back while everybody asked without a pause. A client whose connection was cut makes another."""
    said: Counter[str] = Counter()
    end = perf_counter() + seconds

    async def client(number: int) -> None:
        turn = number
        while perf_counter() < end:
            try:
                async with connect() as ask:
                    while perf_counter() < end:
                        said[await _once(ask, turn)] += 1
                        turn += connections
            except OSError:
                said["wrong"] += 1

    async with asyncio.TaskGroup() as clients:
        for number in range(connections):
            clients.create_task(client(number))
    return said


async def _once(ask: Ask, turn: int) -> str:
    try:
        await ask(turn)
    except Busy as busy:
        return "busy" if busy.status == HTTPStatus.SERVICE_UNAVAILABLE else "busy in 200"
    except ValueError:
        return "wrong"
    return "answered"


async def _counted(connect: Connect, requests: int, on_request: Callable[[], None]) -> None:
    turns = iter(range(requests))

    async def client() -> None:
        async with connect() as ask:
            for turn in turns:
                await ask(turn)
                on_request()

    async with asyncio.TaskGroup() as clients:
        for _ in range(min(_TOGETHER, requests)):
            clients.create_task(client())
