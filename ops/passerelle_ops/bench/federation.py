"""`passerelle bench federation`: documents of visiting patients go from three networks to the index of their home.

PostgreSQL, Valkey and a worker for each of four networks, with that network's credentials, as in production. First all
at once, and how fast; then a few at a time, while home masks some of them, and how soon. Beside it stands what Celery
does by itself: tasks that do nothing, one for each document, on the same broker. With `--faults`, what is left of it
while workers are killed, the broker is emptied and killed, and a database is away (`_federation_faults`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Final, LiteralString
from uuid import uuid4

from rich.progress import Progress

from passerelle.audit.transactions import transaction
from passerelle.dossier import visibility
from passerelle.kernel.clock import SystemClock
from passerelle.kernel.context import Context
from passerelle_ops.bench import _federation_faults as faults
from passerelle_ops.bench._federation_bare import rates
from passerelle_ops.bench._federation_ground import (
    HOME,
    NETWORKS,
    VISITED,
    Books,
    Size,
    books,
    document_of,
    patient_in,
    settle,
)
from passerelle_ops.bench._ground import bare_environment, databases_on
from passerelle_ops.bench._report import Figure, Report
from passerelle_ops.installation import Installation
from passerelle_ops.settings import Settings
from passerelle_ops.stack.processes import worker
from passerelle_ops.stack.servers import Stack
from passerelle_ops.stack.state import StackInfo
from passerelle_ops.stack.supervisor import Supervisor
from passerelle_ops.terminal import progress

_PATIENCE: Final = 600.0
_TICK: Final = 0.2
_ACKED: Final[LiteralString] = (
    "select count(*) from federation_out where kind = 'document' and acked_version >= version"
)
_LATENCIES: Final[LiteralString] = (
    "select coalesce(array_agg(extract(epoch from acked_at - since)::float8), '{}') from federation_out"
    " where kind = %(kind)s and since >= %(from)s and acked_version >= version"
)
#: Since the broker is only transport, the other network's acknowledgement is what counts.
_SPAN: Final[LiteralString] = (
    "select extract(epoch from min(since))::float8, extract(epoch from max(acked_at))::float8 from federation_out"
    " where kind = 'document' and since >= %(from)s"
)
#: Of what goes at once, the part that goes before and is not timed: connections are opened, statements are planned.
_FIRST: Final = 0.1


def run(
    settings: Settings, *, dsn: str | None = None, as_json: bool = False, quick: bool = False, faults: bool = False
) -> int:
    """Measure and print; 0 when every goal holds, else 1. `settings` are not used: the ground is the bench's own."""
    del settings
    return measured(2_000 if quick else 20_000, dsn=dsn, as_json=as_json, is_quick=quick, with_faults=faults)


def measured(documents: int, *, dsn: str | None, as_json: bool, is_quick: bool, with_faults: bool) -> int:
    """The same, of another size: documents in all."""
    paced = 0 if with_faults else (60 if is_quick else 300)
    size = Size(burst=max(documents // len(VISITED), 1), paced=paced)
    with (
        bare_environment(),
        TemporaryDirectory(prefix="passerelle-bench-") as folder,
        progress() as bar,
        databases_on(dsn, NETWORKS),
        Stack(Path(folder) / "state") as stack,
    ):
        info = stack.start_servers()
        asyncio.run(settle(stack.settings, info, size, bar))
        alone = {} if with_faults else _bare(stack, bar, is_quick=is_quick)
        reports: list[Report] = []

        def ready(info: StackInfo) -> int:
            found = books(stack.settings, info)
            try:
                if with_faults:
                    plan = faults.QUICK if is_quick else faults.WHOLE
                    figures = faults.figures(faults.Ground(stack, info, found, size, dsn), plan, bar)
                else:
                    figures = _figures(stack.settings, info, found, size, alone, bar)
            finally:
                found.close()
            reports.append(Report(bench="federation", figures=figures))
            return 0

        Supervisor(stack, [worker(stack, each) for each in NETWORKS], say=_unsaid).run(ready)
    return reports[0].print(as_json=as_json) if reports else 1


def _unsaid(_: str) -> None:
    """That a worker fell is no news where it is killed on purpose."""


def _bare(stack: Stack, bar: Progress, *, is_quick: bool) -> dict[str, float]:
    """Before the workers start: they would take their share of the processors."""
    if stack.valkey is None:
        return {}
    task = bar.add_task("Celery seul", total=2)
    return rates(stack, stack.valkey.url(1), 1_000 if is_quick else 3_000, lambda: bar.advance(task))


def _figures(
    settings: Settings, info: StackInfo, found: Books, size: Size, alone: dict[str, float], bar: Progress
) -> Sequence[Figure]:
    total, first = size.burst * len(VISITED), round(size.burst * _FIRST)
    task = bar.add_task(f"D'un coup ({total} documents)", total=total)
    for each in VISITED:
        found.tell(each, 1, first)
    _until_acked(found, first * len(VISITED), bar, task)
    began = datetime.now().astimezone()
    for each in VISITED:
        found.tell(each, first + 1, size.burst)
    _until_acked(found, total, bar, task)
    spans = [found.ask(each, _SPAN, {"from": began}) for each in VISITED]
    ended, begun = max(float(str(each)) for _, each in spans), min(float(str(each)) for each, _ in spans)
    rate = (size.burst - first) * len(VISITED) / (ended - begun)
    task = bar.add_task("Peu à peu, et masqués", total=size.paced)
    began = datetime.now().astimezone()
    asyncio.run(_paced(settings, info, found, size, bar, task))
    _until_acked(found, size.documents * len(VISITED))
    _until_masked(found)
    arrivals = [value for each in VISITED for value in _latencies(found, each, "document", began)]
    masks = _latencies(found, HOME, "document_marks", began)
    return [
        Figure(name="documents_per_s", value=rate, unit="1/s"),
        *(Figure(name=f"celery_{pool}_per_s", value=value, unit="1/s") for pool, value in alone.items()),
        *(
            [Figure(name="rate_ratio", value=rate / max(alone.values()), unit="ratio", goal=8, is_floor=True)]
            if alone
            else []
        ),
        Figure(name="latency_p50_s", value=quantiles(arrivals, n=2)[0], unit="s"),
        Figure(name="latency_p99_s", value=_p99(arrivals), unit="s"),
        Figure(name="mask_p50_s", value=quantiles(masks, n=2)[0], unit="s"),
        Figure(name="mask_p99_s", value=_p99(masks), unit="s", goal=5),
        *faults.kept(found, total=size.documents * len(VISITED)),
    ]


async def _paced(settings: Settings, info: StackInfo, found: Books, size: Size, bar: Progress, task: object) -> None:
    """Every tick each network files a few documents, and the patient masks one of the index at home."""
    installation = Installation(settings, info)
    try:
        tenant = await (await installation.registry()).tenant(HOME)
        for turn in range(size.paced // 2):
            began = time.monotonic()
            for each in VISITED:
                first = size.burst + 1 + 2 * turn
                await asyncio.to_thread(found.tell, each, first, first + 1)
            number = turn + 1
            context = Context(
                tenant=tenant,
                actor=patient_in(tenant, number % size.patients),
                clock=SystemClock(),
                request_id=uuid4().hex,
                directory=installation.directory,
            )
            async with transaction(context) as act:
                await visibility.mask(act, document_of(VISITED[turn % len(VISITED)], number))
            bar.advance(task, 2)  # type: ignore[arg-type]
            await asyncio.sleep(max(0.0, began + _TICK - time.monotonic()))
    finally:
        await installation.close()


def _until_acked(found: Books, total: int, bar: Progress | None = None, task: object = None) -> None:
    end = time.monotonic() + _PATIENCE
    while (done := found.count(VISITED, _ACKED)) < total:
        if bar is not None:
            bar.update(task, completed=done)  # type: ignore[arg-type]
        if time.monotonic() > end:
            raise LookupError(f"{done} of {total} documents were acknowledged")
        time.sleep(_TICK)


def _until_masked(found: Books) -> None:
    end = time.monotonic() + _PATIENCE
    owed: LiteralString = "select count(*) from federation_out where acked_version < version"
    while found.count((HOME,), owed):
        if time.monotonic() > end:
            raise LookupError("not all masks were acknowledged")
        time.sleep(_TICK)


def _latencies(found: Books, name: str, kind: str, began: datetime) -> list[float]:
    (values,) = found.ask(name, _LATENCIES, {"kind": kind, "from": began})
    return [float(each) for each in values]  # type: ignore[attr-defined]


def _p99(values: Sequence[float]) -> float:
    return quantiles(values, n=100, method="inclusive")[98]
