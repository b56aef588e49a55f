"""`passerelle journal prune` and `journal health`: how long the journal is kept, carried out by the operator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from passerelle_ops.cli.operating import acting, operator
from passerelle_ops.cli.options import Json, State, Tenant

if TYPE_CHECKING:
    from passerelle.dossier.journal_pruning import Due, Pruned
    from passerelle.kernel.context import Context

DryRun = Annotated[bool, typer.Option("--dry-run", help="Dire ce qui serait retiré, et ne rien retirer.")]
T = TypeVar("T")


def prune(tenant: Tenant, state: State = None, dry_run: DryRun = False, as_json: Json = False) -> None:
    """Retirer du journal les lignes dont la durée de conservation est passée. Ne se défait pas.

    Des débuts scellés entiers, à la condition qu’ils soient tels qu’ils furent scellés. L’arbre et ses sceaux restent :
    ce qui fut exporté se vérifie encore. Chaque élagage est signé et inscrit au journal.
    """
    import asyncio

    from passerelle_ops.terminal import print_json, say

    if dry_run:
        found = asyncio.run(_asked(tenant, state, _due))
        if as_json:
            print_json(_told(found))
            return
        say("JOURNAL_PRUNE_WOULD", lines=found.lines, years=found.years, until=_day(found.until))
        if held := found.past - found.lines:
            say("JOURNAL_PRUNE_HELD", held=held)
        return
    done = asyncio.run(_asked(tenant, state, _prune, as_owner=True))
    if as_json:
        print_json({"lines": done.lines, "below": done.below})
    elif done.lines:
        say("JOURNAL_PRUNED", lines=done.lines, below=done.below)
    else:
        say("JOURNAL_PRUNED_NONE")


def health(tenant: Tenant, state: State = None, as_json: Json = False) -> None:
    """L’état du journal : combien de lignes, combien ont passé leur durée de conservation."""
    import asyncio

    from passerelle_ops.terminal import print_json, say

    found = asyncio.run(_asked(tenant, state, _due))
    if as_json:
        print_json(_told(found))
        return
    say("JOURNAL_HEALTH", lines=found.kept, sealed=found.sealed)
    if found.pruned_until is not None:
        say("JOURNAL_HEALTH_PRUNED", below=found.begins, until=_day(found.pruned_until))
    code = "JOURNAL_HEALTH_PAST" if found.past else "JOURNAL_HEALTH_IN_TIME"
    say(code, past=found.past, years=found.years, until=_day(found.until))


async def _due(context: Context) -> Due:
    from passerelle.dossier.journal_pruning import due

    return await due(context)


async def _prune(context: Context) -> Pruned:
    from passerelle.dossier.journal_pruning import prune
    from passerelle_ops.terminal import progress

    with progress() as bar:
        task = bar.add_task("Lignes", total=None)
        return await prune(context, on_progress=lambda done, total: bar.update(task, completed=done, total=total))


async def _asked(
    tenant_id: str, state: Path | None, ask: Callable[[Context], Awaitable[T]], *, as_owner: bool = False
) -> T:
    async with acting(tenant_id, state, operator("journal prune"), as_owner=as_owner) as context:
        return await ask(context)


def _told(found: Due) -> dict[str, object]:
    from dataclasses import asdict

    at = found.pruned_until
    return {**asdict(found), "until": found.until.isoformat(), "pruned_until": at and at.isoformat()}


def _day(instant: datetime) -> str:
    from passerelle.kernel.clock import PARIS

    return f"{instant.astimezone(PARIS):%d/%m/%Y}"
