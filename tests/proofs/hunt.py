"""Hunt for a violation of one property in worlds of a seed, in a process of its own: what a planted fault runs against.

    python -m tests.proofs hunt PROPERTY FIRST WORLDS FOLDER URL URL DIRECTORY_URL

Ends with 1 and the name of the property when a world violates it, with 0 when none does. Anything else is a crash.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from passerelle.kernel.clock import SetClock
from passerelle.kernel.contents import Contents
from passerelle.kernel.context import Tenant
from passerelle.kernel.database import Database
from passerelle.kernel.keys import Keys
from passerelle_ops.bench._outsiders import watched
from passerelle_ops.bench._stage import Stage
from passerelle_ops.bench._worlds import Seeded
from tests.proofs.agreement import judged

BEGAN = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)


async def violated(named: str, first: int, worlds: int, folder: Path, urls: list[str]) -> str | None:
    """What is wrong in the first world that violates the property; None when none does."""
    databases = [Database(each) for each in urls]
    try:
        if named in {"twins", "executors"}:
            return await _twins(named, first, worlds, folder, databases)
        return await _one_tenant(named, first, worlds, folder, databases[0])
    finally:
        for each in databases:
            await each.close()


async def _one_tenant(named: str, first: int, worlds: int, folder: Path, database: Database) -> str | None:
    tenant = Tenant(
        id="essai",
        name="Réseau d'essai",
        is_test=True,
        database=database,
        contents=Contents((folder / "contents").as_uri()),
        keys=Keys.create(folder / "tenant.key"),
    )
    for world in range(first, first + worlds):
        clock, draw = SetClock(BEGAN), Seeded(f"{named}-{world}")

        def new_stage(born: str, clock: SetClock = clock, world: int = world) -> Stage:
            return Stage(tenant, clock, world, born)

        if named == "outsiders":
            if leaks := (await watched(new_stage, draw)).leaks:
                return f"world {world}: {leaks[0]}"
            continue
        try:
            await judged(new_stage, draw)
        except AssertionError as wrong:
            return f"world {world}: {wrong}"
    return None


async def _twins(named: str, first: int, worlds: int, folder: Path, databases: list[Database]) -> str | None:
    from passerelle_ops.bench._twins import COMPILED, CROSSED, twins_over

    pairs = [COMPILED if named == "twins" else CROSSED]
    async with twins_over(databases[:2], databases[2], folder, BEGAN) as twins:
        for world in range(first, first + worlds):
            compared = await twins.compare(world, Seeded(f"{named}-{world}"), whole=False, pairs=pairs)
            if compared.leaks:
                leak = compared.leaks[0]
                return f"world {world}: {leak.reader} {leak.question.path} {leak.question.body[:60]!r}"
    return None


def main(named: str, first: str, worlds: str, folder: str, *urls: str) -> int:
    found = asyncio.run(violated(named, int(first), int(worlds), Path(folder), list(urls)))
    if found is None:
        return 0
    sys.stdout.write(f"{named}: {found}\n")
    return 1
