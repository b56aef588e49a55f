"""What processes and all that they started have used: proc(5), where the system tells.

A child that ended counts on: its processor time has passed to who waited for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_USED = slice(11, 15)  # utime, stime, cutime, cstime, counted from the state of the process


def processor_seconds(roots: Iterable[int]) -> float | None:
    """Seconds that these processes, their children and their threads have run; None where nothing tells."""
    ticks = [sum(int(each) for each in fields[_USED]) for pid in _trees(roots) if (fields := _stat(pid)) is not None]
    return sum(ticks) / os.sysconf("SC_CLK_TCK") if ticks else None


def resident_megabytes(roots: Iterable[int]) -> float | None:
    """Memory that these processes and their children hold for themselves alone, in MB; None where nothing tells."""
    held = [kilobytes for pid in _trees(roots) if (kilobytes := _own_memory(pid)) is not None]
    return sum(held) / 1000 if held else None


def _trees(roots: Iterable[int]) -> Iterator[int]:
    for root in roots:
        yield root
        yield from _trees(_children(root))


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in (_PROC / str(pid) / "task").iterdir():
            found += [int(each) for each in (thread / "children").read_text("ascii").split()]
    except OSError:
        return found
    return found


def _stat(pid: int) -> list[str] | None:
    try:
        return (_PROC / str(pid) / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return None


def _own_memory(pid: int) -> int | None:
    """Kilobytes, what is shared with others divided among them."""
    try:
        for line in (_PROC / str(pid) / "smaps_rollup").read_text("ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        return None
    return None
