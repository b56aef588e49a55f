"""`passerelle bench leak`: whether anything that a reader may not see shows, over as many generated worlds as asked.

An example is one comparison:
- twins: one reader, after one difference that he may not see, asks a few drawn questions of the real gateway (lists
  under filters, totals, pages, documents, contents, acts that name one) in both of two worlds; any octet that differs
  is a leak;
- outsiders: one view of a record, taken again by someone without ties after an act of another; any document more is
  a leak.

Then a masked document and one that is not there are asked for in turns, over HTTP: a refusal must not take longer
than an absence, nor less.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from queue import Empty
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter_ns
from typing import Final
from uuid import UUID

from rich.table import Table

from passerelle.kernel.clock import SetClock
from passerelle.kernel.database import Database
from passerelle.kernel.errors import TryLater
from passerelle_graphql.execution import Executor
from passerelle_graphql.ids import Node, node_id
from passerelle_ops.bench._ground import bare_environment
from passerelle_ops.bench._http import connected, request
from passerelle_ops.bench._outsiders import watched
from passerelle_ops.bench._places import places, server
from passerelle_ops.bench._questions import TENANT
from passerelle_ops.bench._report import Figure, Report
from passerelle_ops.bench._stage import Stage
from passerelle_ops.bench._twins import Twins, listening, twins_over
from passerelle_ops.bench._worlds import Paper, Seeded, Step
from passerelle_ops.settings import Settings
from passerelle_ops.terminal import progress, table
from passerelle_policies.vocabulary import Mode

EXAMPLES: Final = 100_000
_QUICK: Final = 2_000
REQUESTS: Final = 10_000
_QUICK_REQUESTS: Final = 2_000
_SEED: Final = "passerelle-bench-leak-1"
_BEGAN: Final = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
_ROUNDS: Final = 6
_OUTSIDERS: Final = 3
"""Worlds of outsiders for each world of twins, which takes ten times as long."""
_MASKED: Final = 20
_WARM: Final = 100


@dataclass(frozen=True, slots=True)
class Place:
    """The databases of one process, by their DSNs: two twins, a directory, and one for outsiders."""

    left: str
    right: str
    directory: str
    outsiders: str


@dataclass(slots=True)
class Tally:
    """What was found so far."""

    twins: int = 0
    views: int = 0
    answers: int = 0
    worlds: int = 0
    left: int = 0
    leaks: list[str] = field(default_factory=list)

    @property
    def examples(self) -> int:
        return self.twins + self.views

    def add(self, other: Tally) -> None:
        self.twins += other.twins
        self.views += other.views
        self.answers += other.answers
        self.worlds += other.worlds
        self.left += other.left
        self.leaks += other.leaks


def run(
    settings: Settings,
    *,
    dsn: str | None = None,
    as_json: bool = False,
    quick: bool = False,
    examples: int | None = None,
) -> int:
    """Measure and print; 0 when every goal holds, else 1. `settings` are not used: the ground is the bench's own."""
    del settings
    wanted = examples or (_QUICK if quick else EXAMPLES)
    return measured(wanted, _QUICK_REQUESTS if quick else REQUESTS, dsn=dsn, as_json=as_json)


def measured(examples: int, requests: int, *, dsn: str | None, as_json: bool, processes: int | None = None) -> int:
    """The same, of another size."""
    count = processes or min(os.cpu_count() or 1, 8)
    with (
        bare_environment(),
        TemporaryDirectory(prefix="passerelle-bench-") as folder,
        progress() as bar,
        server(dsn, Path(folder)) as admin,
        places(admin, count, ("left", "right", "directory", "outsiders")) as found,
    ):
        task = bar.add_task("Exemples", total=examples)
        given = [Place(*each) for each in found]
        tally = _hunted(given, examples, Path(folder), lambda done: bar.update(task, completed=done))
        bar.update(task, completed=examples)
        ratio = asyncio.run(_timed(given[0], Path(folder) / "timed", requests))
    figures = [
        Figure(name="examples", value=tally.examples, unit="exemples", goal=examples, is_floor=True),
        Figure(name="leaks", value=len(tally.leaks), unit="fuites", goal=0),
        Figure(name="refused_vs_absent_ratio", value=ratio, unit="ratio", goal=1.05, goal_low=0.95),
        Figure(name="twin_examples", value=tally.twins, unit="exemples"),
        Figure(name="outsider_views", value=tally.views, unit="exemples"),
        Figure(name="answers_compared", value=tally.answers, unit="réponses"),
        Figure(name="worlds", value=tally.worlds, unit="mondes"),
        Figure(name="worlds_left", value=tally.left, unit="mondes"),
    ]
    return Report(bench="leak", figures=figures, details=_told(tally)).print(as_json=as_json)


def _told(tally: Tally) -> list[Table]:
    """The first leaks, so that somebody may begin with one."""
    return [table("Fuites", ["Où"], [[each] for each in tally.leaks[:10]])] if tally.leaks else []


# The worlds, over several processes.


def _hunted(places: Sequence[Place], examples: int, folder: Path, on_done: Callable[[int], None]) -> Tally:
    context, tally = multiprocessing.get_context("spawn"), Tally()
    found: Queue[Tally | str] = context.Queue()
    enough = context.Event()
    workers = [
        context.Process(target=_work, args=(place, number, len(places), folder, found, enough), daemon=True)
        for number, place in enumerate(places)
    ]
    for each in workers:
        each.start()
    try:
        while tally.examples < examples:
            try:
                said = found.get(timeout=1)
            except Empty:
                if not all(each.is_alive() for each in workers) and found.empty():
                    codes = [each.exitcode for each in workers]
                    raise ChildProcessError(f"a process of the bench ended before its time: {codes}") from None
                continue
            if isinstance(said, str):
                raise ChildProcessError(said)
            tally.add(said)
            on_done(min(tally.examples, examples))
    finally:
        enough.set()
        for each in workers:
            each.join(timeout=30)
            if each.is_alive():
                each.terminate()
    return tally


def _work(place: Place, number: int, step: int, folder: Path, found: Queue[Tally | str], enough: Event) -> None:
    """One process: a world of twins, then some of outsiders, until there are enough."""
    try:
        asyncio.run(_play(place, number, step, folder / str(number), found, enough))
        found.cancel_join_thread()  # nobody reads what was found past enough
    except Exception as broken:  # noqa: BLE001 - told to the process that waits
        found.put(f"{type(broken).__name__}: {broken}")


async def _play(place: Place, number: int, step: int, folder: Path, found: Queue[Tally | str], enough: Event) -> None:
    async with _twins(place, folder) as twins:
        outsiders = Database(place.outsiders)
        world = number
        while not enough.is_set():
            world += step
            try:
                found.put(await _compared(twins, world))
                for each in range(_OUTSIDERS):
                    found.put(await _outsiders(twins, outsiders, world * _OUTSIDERS + each))
            except TryLater:  # the database did not answer in time: the world proves nothing
                found.put(Tally(left=1))
        await outsiders.close()


async def _compared(twins: Twins, world: int) -> Tally:
    done = await twins.compare(world, Seeded(f"{_SEED}-{world}"), rounds=_ROUNDS, whole=False)
    leaks = [f"monde {world} : {each.reader} {each.difference}" for each in done.leaks]
    return Tally(twins=done.examples, answers=done.answers, worlds=1, leaks=leaks)


async def _outsiders(twins: Twins, database: Database, world: int) -> Tally:
    tenant = replace(twins.tenants[0], database=database)
    clock = SetClock(_BEGAN)

    def new_stage(born: str) -> Stage:
        # One store holds the contents of both: what they are drawn from must differ.
        return Stage(tenant, clock, world, born, before=lambda about: twins.ids.about(f"outsiders/{about}"))

    done = await watched(new_stage, Seeded(f"{_SEED}-outsiders-{world}"))
    leaks = [f"monde {world} : {each}" for each in done.leaks]
    return Tally(views=done.views, worlds=1, leaks=leaks)


# The time of a refusal.


async def _timed(place: Place, folder: Path, requests: int) -> float:
    """The median time of a masked document over that of one that is not there, asked for in turns over HTTP."""
    async with _twins(place, folder) as twins:
        stage = Stage(twins.tenants[0], twins.clock, 0, "19800115", before=twins.ids.about)
        await stage.begin()
        await stage.play(Step("authorize", whom="nurse"))
        for number in range(_MASKED):
            paper = Paper(author="oncologist", type_code="11488-4", masked=True)
            if not await stage.play(Step("publish", by="hospital", paper=paper), key=str(number)):
                raise ValueError("a document of the bench was refused")
        twins.ids.about("absent")
        refused = [*stage.documents.values()]
        absent = [twins.ids() for _ in refused]
        headers = dict(twins.headers(stage, ("nurse", Mode.NORMAL)))
        async with listening(twins.apps[0][Executor.COMPILED]) as url, connected(url) as connection:

            async def took(document_id: UUID) -> int:
                where = f"{url}/{TENANT}/documents/{node_id(Node.DOCUMENT, document_id)}/content"
                asked = request("GET", where, headers)
                began = perf_counter_ns()
                answer = await connection.ask(asked)
                spent = perf_counter_ns() - began
                if answer.status != HTTPStatus.NOT_FOUND:
                    raise ValueError(f"a refused document answered {answer.status}")
                return spent

            times: tuple[list[int], list[int]] = ([], [])
            sides = (refused, absent)
            for turn in range(requests + _WARM):
                twins.ids.about(f"timed/{turn}")
                for side in (0, 1) if turn % 2 else (1, 0):
                    spent = await took(sides[side][turn % _MASKED])
                    if turn >= _WARM:
                        times[side].append(spent)
    return median(times[0]) / median(times[1])


@asynccontextmanager
async def _twins(place: Place, folder: Path) -> AsyncIterator[Twins]:
    await asyncio.to_thread(folder.mkdir)
    databases = [Database(each) for each in (place.left, place.right, place.directory)]
    try:
        async with twins_over(databases[:2], databases[2], folder, _BEGAN) as twins:
            yield twins
    finally:
        for each in databases:
            await each.close()
