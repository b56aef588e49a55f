"""What a source gives an edition: rows for one table after the other, each made as it is read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Part:
    """Rows for one table, without their edition. Read to its end before the next is begun."""

    table: str
    columns: tuple[str, ...]
    rows: Iterable[tuple[Any, ...]]
