"""`passerelle bench compile`: whether the compiler ever answers otherwise than Strawberry, for as long as wanted.

An example is one generated operation. All are compiled, to see that no SQL differs by data (`_unsent`); one in some is
asked of both executors in a generated world too, each with a database of its own: status, headers and octets must be
equal, and so must what each wrote into the journal (`_alike`).
"""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from multiprocessing.queues import Queue
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rich.table import Table

from passerelle.kernel.database import Database
from passerelle_ops.bench._alike import GRAPH, NAMES, Tally, alike_over, drawn_reader
from passerelle_ops.bench._drawn_operations import drawn_operation
from passerelle_ops.bench._ground import bare_environment
from passerelle_ops.bench._places import places, server
from passerelle_ops.bench._report import Figure, Report
from passerelle_ops.bench._unsent import Unsent, compiled_unsent
from passerelle_ops.bench._worlds import Seeded
from passerelle_ops.settings import Settings
from passerelle_ops.terminal import progress, table

EXAMPLES: Final = 100_000
_QUICK: Final = 1_000
_SEED: Final = "passerelle-bench-compile-1"
_BEGAN: Final = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)
_OF_A_WORLD: Final = 60
_ASKED_ONE_IN: Final = 25
_UNSENT_AT_ONCE: Final = 200
_LEAST_COMPILED: Final = 0.95
_KINDS: Final = ("compiled", "reference", "directory")

#: The databases of this process, once it took them.
_TAKEN: list[str] = []


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
    return measured(examples or (_QUICK if quick else EXAMPLES), dsn=dsn, as_json=as_json)


def measured(examples: int, *, dsn: str | None, as_json: bool, processes: int | None = None) -> int:
    """The same, of another size."""
    workers = processes or min(os.cpu_count() or 1, 8)
    asked = max(examples // _ASKED_ONE_IN, min(examples, _OF_A_WORLD))
    with (
        bare_environment(),
        TemporaryDirectory(prefix="passerelle-bench-") as folder,
        progress() as bar,
        server(dsn, Path(folder)) as admin,
        places(admin, workers, _KINDS) as found,
        _pool(found) as pool,
    ):
        compiling = bar.add_task("Compiler", total=examples)
        unsent = _unsent(pool, examples, lambda done: bar.update(compiling, completed=done))
        comparing = bar.add_task("Comparer", total=asked)
        tally = _hunted(pool, asked, Path(folder), lambda done: bar.update(comparing, completed=done))
    answered = sum(tally.answered.values())
    by_compiler = sum(number for (_, reason), number in tally.answered.items() if not reason)
    figures = [
        Figure(name="examples", value=unsent.queries, unit="exemples", goal=examples, is_floor=True),
        Figure(name="sql_by_data", value=len(unsent.by_data), unit="opérations", goal=0),
        Figure(name="compiler_faults", value=len(unsent.broken), unit="opérations", goal=0),
        Figure(name="refused_by_graphql", value=unsent.invalid, unit="opérations"),
        Figure(name="asked_of_both", value=tally.examples, unit="exemples", goal=asked, is_floor=True),
        Figure(name="differences", value=len(tally.differences), unit="différences", goal=0),
        Figure(name="compiled_share", value=tally.share, unit="part", goal=_LEAST_COMPILED, is_floor=True),
        Figure(name="failures", value=tally.failed, unit="réponses", goal=0),
        Figure(name="answered_compiled_share", value=by_compiler / max(answered, 1), unit="part"),
    ]
    return Report(bench="compile", figures=figures, details=_told(tally, unsent)).print(as_json=as_json)


def _pool(found: Sequence[Sequence[str]]) -> ProcessPoolExecutor:
    """A process for each place, which is its own."""
    context = multiprocessing.get_context("spawn")
    free: Queue[Sequence[str]] = context.Queue()
    for each in found:
        free.put(each)
    return ProcessPoolExecutor(len(found), context, _take, (free,))


def _unsent(pool: ProcessPoolExecutor, examples: int, on_done: Callable[[int], None]) -> Unsent:
    """All of the operations compiled."""
    tally = Unsent()
    parts = [
        pool.submit(compiled_unsent, first, min(_UNSENT_AT_ONCE, examples - first))
        for first in range(0, examples, _UNSENT_AT_ONCE)
    ]
    for each in as_completed(parts):
        tally.add(each.result())
        on_done(tally.queries)
    return tally


def _told(tally: Tally, unsent: Unsent) -> list[Table]:
    """Why some do not compile, and the first differences, so that somebody may begin with one."""
    reasons = [[reason, str(number)] for reason, number in tally.reasons.most_common(20)]
    found = [table("Sans plan", ["Pourquoi", "Combien"], reasons)] if reasons else []
    if unsent.by_data or unsent.broken:
        first = [*unsent.by_data, *unsent.broken][:10]
        found.append(table("Le compilateur", ["Quoi"], [[each] for each in first]))
    if tally.differences:
        found.append(table("Différences", ["Quoi"], [[each] for each in tally.differences[:10]]))
    return found


def _hunted(pool: ProcessPoolExecutor, examples: int, folder: Path, on_done: Callable[[int], None]) -> Tally:
    """As many worlds as there must be for so many examples."""
    tally, of_each = Tally(), min(_OF_A_WORLD, examples)
    worlds = [pool.submit(_world, number, of_each, folder) for number in range(1, math.ceil(examples / of_each) + 1)]
    for each in as_completed(worlds):
        tally.add(each.result())
        on_done(min(tally.examples, examples))
    return tally


def _take(free: Queue[Sequence[str]]) -> None:
    _TAKEN.extend(free.get())


def _world(number: int, examples: int, folder: Path) -> Tally:
    return asyncio.run(_played(number, examples, folder / f"world-{number}"))


async def _played(number: int, examples: int, folder: Path) -> Tally:
    await asyncio.to_thread(folder.mkdir)
    databases = [Database(each) for each in _TAKEN]
    try:
        async with alike_over(databases[:2], databases[2], folder, _BEGAN) as alike:
            ground = await alike.begin(number, Seeded(f"{_SEED}-{number}"))
            for example in range(examples):
                draw = Seeded(f"{_SEED}-{number}-{example}")
                asked = drawn_operation(draw, GRAPH, NAMES, ground.known)
                await alike.compare(ground, drawn_reader(draw, asked.text), asked)
            return alike.tally
    finally:
        for each in databases:
            await each.close()
