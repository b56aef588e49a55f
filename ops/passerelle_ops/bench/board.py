"""`passerelle bench board`: a session of forty cases with twelve members opens; forty sheets are written and checked.

The session is one of many in its network. Each side stands beside what is the least: the same rows by plain SQL, the
same documents written by lxml out of trees.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from psycopg import AsyncConnection
from rich.progress import Progress

from passerelle_ops.bench._board_agenda import (
    BARE,
    MEMBER,
    AgendaStatements,
    bare_side,
    member_side,
    must_show_all,
    must_show_as_many,
)
from passerelle_ops.bench._board_population import CASES, FINESS, BoardPopulation
from passerelle_ops.bench._board_sheets import sheet_figures
from passerelle_ops.bench._ground import TENANT, bare_environment, databases_on, network
from passerelle_ops.bench._report import Figure, Report
from passerelle_ops.bench._rounds import Plan, measure, samples_of
from passerelle_ops.installation import Installation
from passerelle_ops.settings import Settings
from passerelle_ops.stack.addresses import Addresses
from passerelle_ops.stack.servers import Stack
from passerelle_ops.stack.state import StackInfo
from passerelle_ops.terminal import progress


def run(settings: Settings, *, dsn: str | None = None, as_json: bool = False, quick: bool = False) -> int:
    """Measure and print; 0 when every goal holds, else 1. `settings` are not used: the ground is the bench's own."""
    del settings
    plan = Plan(connections=(1,), rounds=5, seconds=0.7 if quick else 3.0)
    return measured(50 if quick else 500, plan, dsn=dsn, as_json=as_json)


def measured(sessions: int, plan: Plan, *, dsn: str | None, as_json: bool) -> int:
    """The same, of another size: sessions in the network, of forty cases each."""
    with (
        bare_environment(),
        TemporaryDirectory(prefix="passerelle-bench-") as folder,
        progress() as bar,
        databases_on(dsn),
        Stack(Path(folder) / "state") as stack,
    ):
        info = stack.start_servers()
        report = asyncio.run(_measured(stack.settings, info, BoardPopulation(sessions), plan, bar))
    return report.print(as_json=as_json)


async def _measured(
    settings: Settings, info: StackInfo, population: BoardPopulation, plan: Plan, bar: Progress
) -> Report:
    installation = Installation(settings, info)
    addresses = Addresses(settings, info)
    try:
        await installation.prepare_directory()
        await installation.set_up(network(TENANT, [FINESS]))
        task = bar.add_task(f"Données ({population.sessions * CASES} cas)", total=population.steps)
        async with await AsyncConnection.connect(addresses.tenant_owner_url(TENANT)) as connection:
            read = await population.fill(connection, lambda: bar.advance(task))
        tenant, url = await (await installation.registry()).tenant(TENANT), addresses.tenant_url(TENANT)
        statements = AgendaStatements(tenant)
        must_show_all(await statements.shown(url, read[0]))
        await must_show_as_many(url, read[0])
        sides = [member_side(url, tenant, read), bare_side(url, read)]
        turns = bar.add_task("Session", total=samples_of(sides, plan))
        rounds = await measure(sides, plan, lambda: bar.advance(turns))
        written = bar.add_task("Fiches", total=plan.rounds)
        sheets = sheet_figures(plan.rounds, lambda: bar.advance(written))
    finally:
        await installation.close()
    return Report(
        bench="board",
        figures=[
            Figure(name="session_statements", value=len(statements.of(read[0])), unit="", goal=1),
            Figure(name="session_ms_p50", value=rounds.p50(MEMBER, 1), unit="ms"),
            Figure(name="session_bare_ms_p50", value=rounds.p50(BARE, 1), unit="ms"),
            Figure(name="session_to_bare_ratio", value=rounds.p50_ratio(MEMBER, BARE, 1), unit="ratio"),
            *sheets,
        ],
        details=[rounds.table("Ouvrir une session de quarante cas", sides)],
    )
