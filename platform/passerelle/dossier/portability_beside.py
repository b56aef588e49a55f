"""What goes out with an export from other records of the same patient: a port, filled by the domains above.

Each decides for itself whether this reader may have it, by the rules of its own record, and journals its own lines in
the transaction of the export.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from passerelle.audit.transactions import Act


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """One other record: `data` at `path` in the archive, and a table of the index, in French.

    `own_lines` is how many lines of the journal it wrote for being taken away.
    """

    path: str
    data: Any
    title: str
    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    own_lines: int


def camel(name: str) -> str:
    """A column under the name that the graph gives it, as the data of an export have it."""
    first, *rest = name.split("_")
    return first + "".join(each.capitalize() for each in rest)


class Beside(Protocol):
    """Gives what this reader may take away of another record of the patient, or None where there is nothing."""

    async def __call__(self, act: Act, patient_id: UUID, /) -> Portion | None: ...
