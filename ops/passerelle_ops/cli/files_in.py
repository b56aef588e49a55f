"""What the commands that take files in have in common: how they go on, what they show of each, and how they end."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, Protocol, TypeVar

import typer

from passerelle_ops.cli.options import settings_of

if TYPE_CHECKING:
    from enum import StrEnum

    from passerelle.dossier.ingest import Patience
    from passerelle.kernel.context import Context
    from passerelle.kernel.errors import TryLater


class Outcome(Protocol):
    """What became of one document of one file."""

    @property
    def file(self) -> str: ...
    @property
    def result(self) -> StrEnum: ...


_Out = TypeVar("_Out", bound=Outcome)
#: Results that a person has to look at.
KEPT_OUT: Final = ("set_aside", "refused")


async def taken_in(
    paths: list[Path],
    tenant_id: str,
    structure: str | None,
    state: Path | None,
    patience: float,
    title: str,
    take: Callable[[Context, Patience], AsyncIterator[_Out]],
    *,
    settled: Callable[[_Out], None] = lambda _outcome: None,
) -> tuple[list[_Out], TryLater | None]:
    """What became of each document, and what cut the run short, if something did; `settled` hears of each at once.

    Refused: NOTHING_TO_INGEST; what `feeding_context` refuses.
    """
    from passerelle.dossier.formats.recognise import gather
    from passerelle.dossier.ingest import Patience
    from passerelle.kernel.errors import PasserelleError, TryLater
    from passerelle_ops.feeding import feeding_context
    from passerelle_ops.installation import Installation
    from passerelle_ops.terminal import progress, remark

    total = sum(1 for _ in gather(paths))
    if total == 0:
        raise PasserelleError("NOTHING_TO_INGEST")
    installation = Installation(settings_of(state))
    outcomes: list[_Out] = []
    waiting = Patience(seconds=patience, on_wait=lambda: remark("INGEST_WAITS", seconds=f"{patience:g}"))
    try:
        context = await feeding_context(installation, tenant_id, structure)
        with progress() as bar:
            task = bar.add_task(title, total=total)
            seen: set[str] = set()
            try:
                async for outcome in take(context, waiting):
                    outcomes.append(outcome)
                    settled(outcome)
                    seen.add(outcome.file)
                    bar.update(task, completed=len(seen))
            except TryLater as away:
                return outcomes, away
    finally:
        await installation.close()
    return outcomes, None


def shown(
    outcomes: Sequence[_Out], words: Mapping[str, tuple[str, str]], *, quiet: bool
) -> list[tuple[_Out, str, str]]:
    """Each outcome that is shown, with its file below what all have in common and its result, in colour."""
    from rich.markup import escape

    base = os.path.commonpath([Path(each.file).parent for each in outcomes]) if outcomes else ""
    found = []
    for each in outcomes:
        if not quiet or each.result.value in KEPT_OUT:
            word, colour = words[each.result.value]
            found.append((each, escape(os.path.relpath(each.file, base or os.curdir)), f"[{colour}]{word}[/]"))
    return found


def end(totals: Mapping[str, int], away: TryLater | None) -> NoReturn:
    """Leave with 6 when the platform went away before the end, with 1 when something was kept out, else with 0."""
    if away is not None:
        from passerelle_ops.terminal import remark

        remark("INGEST_INTERRUPTED")
        raise away
    raise typer.Exit(1 if any(totals[each] for each in KEPT_OUT) else 0)
