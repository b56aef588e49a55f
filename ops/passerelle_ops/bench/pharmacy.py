"""`passerelle bench pharmacy`: what the pharmacist's view costs as the network grows, and the checks of a basket.

Two networks, one a hundred times the other; the same patients of two thousand lines in both. The view is opened in
each in turns (`_rounds`).
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from psycopg import AsyncConnection
from rich.progress import Progress

from passerelle_ops.bench._ground import TENANT, bare_environment, databases_on, network
from passerelle_ops.bench._pharmacy_checks import checks_figures
from passerelle_ops.bench._pharmacy_population import PHARMACY, PharmacyPopulation
from passerelle_ops.bench._pharmacy_view import (
    FEW,
    MANY,
    ViewStatement,
    must_show_much,
    view_figures,
    view_plan,
    view_side,
)
from passerelle_ops.bench._report import Report
from passerelle_ops.bench._rounds import Plan, measure, samples_of
from passerelle_ops.installation import Installation
from passerelle_ops.settings import Settings
from passerelle_ops.stack.addresses import Addresses
from passerelle_ops.stack.servers import Stack
from passerelle_ops.stack.state import StackInfo
from passerelle_ops.terminal import progress

_SMALL: Final = "petit"
_OTHER_PHARMACY: Final = "310790002"
_CHECKS: Final = 300


def run(settings: Settings, *, dsn: str | None = None, as_json: bool = False, quick: bool = False) -> int:
    """Measure and print; 0 when every goal holds, else 1. `settings` are not used: the ground is the bench's own."""
    del settings
    few, many = (10_000, 100_000) if quick else (10_000, 1_000_000)
    return measured(few, many, view_plan(quick=quick), dsn=dsn, as_json=as_json)


def measured(few: int, many: int, plan: Plan, *, dsn: str | None, as_json: bool) -> int:
    """The same, of other sizes: dispensations in each network."""
    populations = {_SMALL: PharmacyPopulation(few), TENANT: PharmacyPopulation(many)}
    with (
        bare_environment(),
        TemporaryDirectory(prefix="passerelle-bench-") as folder,
        progress() as bar,
        databases_on(dsn, tuple(populations)),
        Stack(Path(folder) / "state") as stack,
    ):
        info = stack.start_servers()
        report = asyncio.run(_measured(stack.settings, info, populations, plan, bar))
    return report.print(as_json=as_json)


async def _measured(
    settings: Settings, info: StackInfo, populations: dict[str, PharmacyPopulation], plan: Plan, bar: Progress
) -> Report:
    installation = Installation(settings, info)
    addresses = Addresses(settings, info)
    try:
        await installation.prepare_directory()
        for (network_id, population), finess in zip(populations.items(), (_OTHER_PHARMACY, PHARMACY), strict=True):
            await installation.set_up(network(network_id, [finess]))
            count = f"{population.dispensations:,}".replace(",", " ")
            task = bar.add_task(f"Données ({count} dispensations)", total=population.rows)
            async with await AsyncConnection.connect(addresses.tenant_owner_url(network_id)) as connection:
                await population.fill(connection, lambda rows, task=task: bar.advance(task, rows))  # type: ignore[misc]
        registry = await installation.registry()
        sides = []
        for name, network_id in ((FEW, _SMALL), (MANY, TENANT)):
            tenant, url = await registry.tenant(network_id), addresses.tenant_url(network_id)
            heavy = populations[network_id].heavy
            must_show_much(await ViewStatement(tenant).shown(url, heavy[0]))
            title = f"vue, {populations[network_id].dispensations} dispensations"
            sides.append(view_side(name, title, url, tenant, heavy))
        task = bar.add_task("Mesures", total=samples_of(sides, plan))
        rounds = await measure(sides, plan, lambda: bar.advance(task))
        checks = await checks_figures(
            await registry.tenant(_SMALL), addresses.tenant_owner_url(_SMALL), bar, calls=_CHECKS
        )
    finally:
        await installation.close()
    return Report(
        bench="pharmacy",
        figures=[*view_figures(rounds), *checks],
        details=[rounds.table("Ouvrir un dossier pharmaceutique", sides)],
    )
