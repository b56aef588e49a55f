"""`passerelle bench concurrency`: asynchronous or synchronous, from the face to the database (decision 0001).

The same smallest endpoint over the statement that opens a record, once with the kernel's asynchronous pool and
once with a synchronous pool in Starlette's threads (`_endpoints`), in turns.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from passerelle.kernel.errors import Conflict
from passerelle_ops.bench._ground import Ground, Size, measured_on_ground, pids_of
from passerelle_ops.bench._http import connected, request
from passerelle_ops.bench._report import Figure, Report
from passerelle_ops.bench._rounds import Ask, Plan, Rounds, Side, measure, samples_of
from passerelle_ops.settings import Settings
from passerelle_ops.stack.processes import asgi
from passerelle_ops.stack.servers import Stack
from passerelle_ops.stack.supervisor import Process

_SIDES = {"asynchronous": "async, pool de psycopg", "synchronous": "sync, fils de Starlette"}
_COMPARED = 8


def run(settings: Settings, *, dsn: str | None = None, as_json: bool = False, quick: bool = False) -> int:
    """Measure and print; always 0: it informs a decision. `settings` are not used: the ground is the bench's own."""
    del settings
    if quick:
        return measured(Size(patients=2_000, openings=100), Plan(seconds=0.7), dsn=dsn, as_json=as_json)
    return measured(Size(patients=20_000), Plan(), dsn=dsn, as_json=as_json)


def measured(size: Size, plan: Plan, *, dsn: str | None, as_json: bool) -> int:
    """The same, of another size."""

    def on_ground(ground: Ground) -> int:
        return asyncio.run(_measured(ground, size, plan)).print(as_json=as_json)

    return measured_on_ground(size, dsn, _processes, on_ground)


def _processes(stack: Stack) -> Sequence[Process]:
    return [asgi(stack, name, f"passerelle_ops.bench._endpoints:{name}", ready="/0") for name in _SIDES]


async def _measured(ground: Ground, size: Size, plan: Plan) -> Report:
    sides = [
        Side(name, title, _client(ground.info.url(name), size.openings), pids_of(ground.info, name))
        for name, title in _SIDES.items()
    ]
    await _compared([ground.info.url(name) for name in _SIDES])
    task = ground.bar.add_task("Mesures", total=samples_of(sides, plan))
    rounds = await measure(sides, plan, lambda: ground.bar.advance(task))
    return Report(
        bench="concurrency",
        figures=figures(rounds, plan),
        details=[rounds.table("Le même accès, asynchrone et synchrone", sides)],
    )


def figures(rounds: Rounds, plan: Plan) -> list[Figure]:
    """How the asynchronous way stands to the synchronous one: p50 below 1 and throughput above 1 speak for it."""
    found: list[Figure] = []
    for count in plan.connections:
        for name, value in (
            ("p50_async_over_sync", rounds.p50_ratio("asynchronous", "synchronous", count)),
            ("p99_async_over_sync", rounds.p99_ratio("asynchronous", "synchronous", count)),
            ("throughput_async_over_sync", rounds.rate_ratio("asynchronous", "synchronous", count)),
        ):
            found.append(Figure(name=f"{name}_c{count}", value=value, unit="ratio"))
    most = max(plan.connections)
    found += [Figure(name=f"{side}_cpu_ms_per_request", value=rounds.cpu(side, most), unit="ms") for side in _SIDES]
    return found


def _client(url: str, openings: int) -> Callable[[], AbstractAsyncContextManager[Ask]]:
    requests = [request("GET", f"{url}/{number}", {}) for number in range(openings)]

    @asynccontextmanager
    async def client() -> AsyncIterator[Ask]:
        async with connected(url) as connection:

            async def ask(turn: int) -> None:
                answer = await connection.ask(requests[turn % len(requests)])
                if answer.status != 200:
                    raise ValueError(f"a record that should open did not: {answer.status}")

            yield ask

    return client


async def _compared(urls: Sequence[str]) -> None:
    """Both ways give the same octets."""
    for number in range(_COMPARED):
        bodies = set()
        for url in urls:
            async with connected(url) as connection:
                bodies.add((await connection.ask(request("GET", f"{url}/{number}", {}))).body)
        if len(bodies) != 1:
            raise Conflict("BENCH_ANSWERS_DIFFER", opening=number)
