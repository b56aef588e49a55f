"""What a measure says: figures against their goals, as one JSON object or as tables."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from passerelle_ops.terminal import output, print_json, table


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure. `goal` is what it must not exceed, or not fall below when `is_floor`; without one it informs.

    With `goal_low`, it must lie between the two.
    """

    name: str
    value: float
    unit: str
    goal: float | None = None
    is_floor: bool = False
    goal_low: float | None = None

    @property
    def holds(self) -> bool | None:
        if self.goal is None:
            return None
        if self.goal_low is not None and self.value < self.goal_low:
            return False
        return self.value >= self.goal if self.is_floor else self.value <= self.goal

    def shown(self) -> dict[str, object]:
        return {
            "name": self.name,
            "value": float(f"{self.value:.4g}") if math.isfinite(self.value) else None,
            "unit": self.unit,
            "goal": self.goal,
            "goal_low": self.goal_low,
            "holds": self.holds,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A finished measure. `details` are tables of what was found."""

    bench: str
    figures: Sequence[Figure]
    details: Sequence[Table] = ()

    @property
    def code(self) -> int:
        """The exit code: 1 when a goal does not hold."""
        return int(any(figure.holds is False for figure in self.figures))

    def print(self, *, as_json: bool) -> int:
        """Write it to the standard output; the exit code."""
        if as_json:
            shown = [figure.shown() for figure in self.figures]
            details = [{"title": str(each.title), "rows": _rows(each)} for each in self.details]
            print_json({"bench": self.bench, "machine": machine(), "figures": shown, "details": details})
            return self.code
        for each in self.details:
            output().print(each)
        about = machine()
        caption = ", ".join(f"{name} {value}" for name, value in about.items() if value)
        output().print(
            table(
                f"Mesure « {self.bench} »",
                ["Chiffre", "Valeur", "Objectif", "Tenu"],
                [_row(figure) for figure in self.figures],
                caption=caption,
            )
        )
        return self.code


def machine() -> dict[str, object]:
    """What ran the measure. `load` is what else was running when it ended: figures under load say little."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.system(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }


def _rows(of: Table) -> list[list[str]]:
    return [[str(cell) for cell in row] for row in zip(*(column.cells for column in of.columns), strict=True)]


def _row(figure: Figure) -> list[str]:
    goal = "" if figure.goal is None else f"{'≥' if figure.is_floor else '≤'} {figure.goal:g}"
    if figure.goal_low is not None:
        goal = f"{figure.goal_low:g} à {figure.goal:g}"
    held = {None: "", True: "[green]✓[/]", False: "[red]✗[/]"}[figure.holds]
    return [figure.name, f"{figure.value:.3g} {figure.unit}", goal, held]


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
