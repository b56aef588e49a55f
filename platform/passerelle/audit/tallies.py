"""What is counted of the journal: each line once, by whoever seals it, so that a read costs nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row

from passerelle.audit.shown_lines import LINE
from passerelle.kernel.tallies import Count
from passerelle_policies.vocabulary import Action, Mode

DECISIONS: Final = Count(
    "passerelle_decisions", "Decisions, as their lines are sealed.", "network", "kind", "action", "outcome"
)
REFUSALS: Final = Count("passerelle_refusals", "Refusals by their code, as their lines are sealed.", "network", "code")
EMERGENCIES: Final = Count(
    "passerelle_emergency_lines",
    "Lines of whoever broke the glass or acted for the regulation centre, as they are sealed.",
    "network",
    "mode",
)
# Within a text of somebody's, a quote would be escaped.
_COPY: Final = f'"{LINE}": '


def tell(network: str, lines: Sequence[Row[Any]]) -> None:
    """Count lines whose seal is committed (`leaves.columns_of_line`), but for what another network counts."""
    for line in lines:
        if _COPY in line.facts:
            continue
        DECISIONS.add(network, line.kind, line.action, line.outcome)
        if line.code is not None:
            REFUSALS.add(network, line.code)
        if line.mode != Mode.NORMAL or line.action == Action.BREAK_GLASS:
            EMERGENCIES.add(network, Mode.BREAK_GLASS if line.mode == Mode.NORMAL else line.mode)
