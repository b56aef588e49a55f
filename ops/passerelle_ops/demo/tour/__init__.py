"""The guided tour: one visit after another through the real HTTP face, each with what must be seen.

What is expected comes from the legal texts by way of the story, not from the program that is being visited.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import httpx2
from rich.markup import escape

from passerelle_ops.demo.tour.board import recourse, tumour_board
from passerelle_ops.demo.tour.counter import at_the_counter
from passerelle_ops.demo.tour.door import door
from passerelle_ops.demo.tour.emergency import emergency
from passerelle_ops.demo.tour.leaving import leaving
from passerelle_ops.demo.tour.neighbours import neighbours
from passerelle_ops.demo.tour.record import papers, record
from passerelle_ops.demo.tour.step import Step
from passerelle_ops.demo.tour.trace import life, trace
from passerelle_ops.demo.visit import Visit
from passerelle_ops.settings import Settings
from passerelle_ops.stack.state import StackInfo
from passerelle_ops.terminal import notices, output, say, table


@dataclass(frozen=True, slots=True)
class Result:
    """What was seen."""

    step: Step
    seen: str
    seconds: float

    @property
    def passed(self) -> bool:
        return self.seen == self.step.expected


def take_tour(settings: Settings, info: StackInfo) -> int:
    """Take the tour, print it as a table; 0 when every step saw what it must, else 1."""
    results = []
    with Visit(settings, info) as visit:
        for step in steps(visit):
            with notices().status(f"{step.actor} : {step.asked}"):
                results.append(_taken(step, visit))
    rows = [
        [
            "[green]✓[/]" if each.passed else "[red]✗[/]",
            escape(each.step.name),
            escape(each.step.actor),
            escape(each.step.asked),
            escape(each.step.expected),
            escape(each.seen) if each.passed else f"[red]{escape(each.seen)}[/]",
            f"{each.seconds * 1000:.0f} ms",
        ]
        for each in results
    ]
    columns = ["", "Étape", "Qui", "Demande", "Attendu", "Vu", "Durée"]
    output().print(table("Visite guidée de la région", columns, rows))
    failed = sum(1 for each in results if not each.passed)
    say("TOUR_FAILED" if failed else "TOUR_PASSED", failed=failed, steps=len(results))
    return 1 if failed else 0


def _taken(step: Step, visit: Visit) -> Result:
    started = time.perf_counter()
    try:
        seen = step.seen(visit)
    except (httpx2.HTTPError, LookupError, TypeError, ValueError) as stumbled:
        seen = f"{type(stumbled).__name__}: {stumbled}"
    return Result(step, seen, time.perf_counter() - started)


def steps(visit: Visit) -> list[Step]:
    """Every visit, in order."""
    parts = (door, record, papers, neighbours, emergency, trace, life, at_the_counter, tumour_board, recourse, leaving)
    return [step for part in parts for step in part(visit)]
