"""Sides measured against each other: in turns, in the same minutes, in one direction and then the other.

The speed of a shared machine drifts by half within minutes. Only the ratio of two sides within one round means
something, and of it the median over rounds.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from statistics import median, quantiles
from time import perf_counter
from typing import Final

from rich.table import Table

from passerelle_ops.bench._process_trees import processor_seconds
from passerelle_ops.terminal import table

#: One request, by its number: it checks its own answer and raises when it is not one.
Ask = Callable[[int], Awaitable[None]]
_PATIENCE: Final = 0.02


class Busy(Exception):
    """The side said, under this status, that it has too much to do: the client tries again a little later."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True, slots=True)
class Side:
    """One way of doing the same thing. `connect` gives a connection of its own to each concurrent client.

    `pids` are the processes that answer, when they are ours: their processor time is told too, their children's with
    it; `database` is the one of PostgreSQL.
    """

    name: str
    title: str
    connect: Callable[[], AbstractAsyncContextManager[Ask]]
    pids: Sequence[int] = ()
    database: Sequence[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One side for a few seconds: how long requests took (ms), how many ended each second, and what each cost.

    `cpu` is the processor time (ms) that the answering processes spent on one request, PostgreSQL's left out, which is
    `database_cpu`. `busy` is the share of requests that were told to come again.
    """

    p50: float
    p99: float
    rate: float
    cpu: float | None = None
    database_cpu: float | None = None
    busy: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much to measure."""

    connections: Sequence[int] = (1, 8, 32)
    rounds: int = 5
    seconds: float = 3.0


class Rounds:
    """The samples of several rounds, by side and number of connections."""

    def __init__(self, plan: Plan, samples: Mapping[tuple[str, int], Sequence[Sample]]) -> None:
        self._plan = plan
        self._samples = samples

    def p50(self, side: str, connections: int) -> float:
        return median(each.p50 for each in self._samples[side, connections])

    def cpu(self, side: str, connections: int) -> float:
        """The median processor time of one request, in ms; NaN where the system does not tell it."""
        return _median(each.cpu for each in self._samples[side, connections])

    def database_cpu(self, side: str, connections: int) -> float:
        """The same of PostgreSQL."""
        return _median(each.database_cpu for each in self._samples[side, connections])

    def tail(self, side: str, connections: int) -> float:
        """The median over rounds of p99 over p50."""
        return median(each.p99 / each.p50 for each in self._samples[side, connections])

    def rate(self, side: str, connections: int) -> float:
        return median(each.rate for each in self._samples[side, connections])

    def p50_ratio(self, side: str, to: str, connections: int) -> float:
        """The median over rounds of the one's p50 over the other's."""
        pairs = zip(self._samples[side, connections], self._samples[to, connections], strict=True)
        return median(one.p50 / other.p50 for one, other in pairs)

    def p99_ratio(self, side: str, to: str, connections: int) -> float:
        """The median over rounds of the one's p99 over the other's."""
        pairs = zip(self._samples[side, connections], self._samples[to, connections], strict=True)
        return median(one.p99 / other.p99 for one, other in pairs)

    def rate_ratio(self, side: str, to: str, connections: int) -> float:
        """The median over rounds of the one's throughput over the other's."""
        pairs = zip(self._samples[side, connections], self._samples[to, connections], strict=True)
        return median(one.rate / other.rate for one, other in pairs)

    def table(self, title: str, sides: Sequence[Side]) -> Table:
        """p50, p99 and requests a second of each side, medians over rounds."""
        return table(
            title,
            ["Connexions", "", "p50 (ms)", "p99 (ms)", "par seconde", "processeur (ms)", "PostgreSQL (ms)", "503"],
            [self._row(side, count) for count in self._plan.connections for side in sides],
            caption=f"Médianes de {self._plan.rounds} tours de {self._plan.seconds:g} s, les côtés en alternance.",
        )

    def _row(self, side: Side, connections: int) -> list[str]:
        samples = self._samples[side.name, connections]
        rate = f"{median(each.rate for each in samples):,.0f}".replace(",", "\u202f")
        p50, p99 = median(each.p50 for each in samples), median(each.p99 for each in samples)
        costs = (self.cpu(side.name, connections), self.database_cpu(side.name, connections))
        told = ["" if math.isnan(cost) else f"{cost:.2f}" for cost in costs]
        busy = median(each.busy for each in samples)
        return [str(connections), side.title, f"{p50:.2f}", f"{p99:.2f}", rate, *told, f"{busy:.0%}" if busy else ""]


async def measure(sides: Sequence[Side], plan: Plan, on_sample: Callable[[], None] = lambda: None) -> Rounds:
    """Warm every side up, then measure them in turns; `on_sample` after each of `samples_of` samples."""
    for side in sides:
        await _sampled(side, max(plan.connections), plan.seconds / 2)
        on_sample()
    found: dict[tuple[str, int], list[Sample]] = {
        (side.name, count): [] for side in sides for count in plan.connections
    }
    for turn in range(plan.rounds):
        for count in plan.connections:
            for side in sides if turn % 2 == 0 else reversed(sides):
                found[side.name, count].append(await _sampled(side, count, plan.seconds))
                on_sample()
    return Rounds(plan, found)


def samples_of(sides: Sequence[Side], plan: Plan) -> int:
    """How many samples `measure` takes, for a progress bar."""
    return len(sides) * (1 + plan.rounds * len(plan.connections))


async def _sampled(side: Side, connections: int, seconds: float) -> Sample:
    times: list[float] = []
    busy = 0
    ready = asyncio.Barrier(connections + 1)

    async def client(number: int) -> None:
        nonlocal busy
        async with side.connect() as ask:
            await _once(ask, number)
            await ready.wait()
            end = perf_counter() + seconds
            turn = number
            while (began := perf_counter()) < end:
                if await _once(ask, turn):
                    times.append(perf_counter() - began)
                    turn += connections
                else:
                    busy += 1
                    await asyncio.sleep(_PATIENCE)

    async with asyncio.TaskGroup() as clients:
        for number in range(connections):
            clients.create_task(client(number))
        await ready.wait()
        began, spent, spent_by_database = perf_counter(), processor_seconds(side.pids), processor_seconds(side.database)
    took = perf_counter() - began
    count = max(len(times), 1)
    if len(times) < 2:
        times = times * 2 or [took, took]
    percentiles = quantiles(times, n=100, method="inclusive")
    return Sample(
        p50=percentiles[49] * 1000,
        p99=percentiles[98] * 1000,
        rate=count / took,
        cpu=_since(spent, side.pids, count),
        database_cpu=_since(spent_by_database, side.database, count),
        busy=busy / (busy + count),
    )


async def _once(ask: Ask, turn: int) -> bool:
    try:
        await ask(turn)
    except Busy:
        return False
    return True


def _since(before: float | None, pids: Sequence[int], count: int) -> float | None:
    """Milliseconds of processor time on each of `count` requests."""
    now = processor_seconds(pids)
    return None if before is None or now is None else (now - before) / count * 1000


def _median(values: Iterable[float | None]) -> float:
    """The median of what was told; NaN where nothing was."""
    told = [each for each in values if each is not None]
    return median(told) if told else math.nan
