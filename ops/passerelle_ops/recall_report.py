"""What `passerelle recall` shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.markup import escape

from passerelle.kernel.clock import PARIS
from passerelle.pharmacy.recalls import FollowUp, Recall, RecallKind, RecallLevel
from passerelle_ops.terminal import output, say, table

_KINDS = {RecallKind.RECALL: "rappel", RecallKind.ALERT: "alerte"}
_LEVELS = {RecallLevel.URGENT: "urgent", RecallLevel.STANDARD: "courant"}


def as_document(given: Recall) -> dict[str, Any]:
    """Everything that is known of it."""
    return {**asdict(given), "kind": given.kind.value}


def show_recalls(found: Sequence[Recall]) -> None:
    """A table, the newest first."""
    rows = (
        (
            str(each.recall_id),
            _KINDS[each.kind],
            _LEVELS[each.level],
            escape(f"{each.source} {each.reference}"),
            each.cip13 or "",
            f"{each.issued_at.astimezone(PARIS):%d/%m/%Y %H:%M}",
            "clos" if each.closed_at else "",
        )
        for each in found
    )
    columns = ("identifiant", "quoi", "niveau", "référence", "CIP13", "émis le", "")
    output().print(table("Rappels et alertes", columns, rows, whole=("identifiant",)))


def show_follow_up(found: FollowUp) -> None:
    """The counts, then the pharmacies to be reached in another way."""
    say(
        "RECALL_FOLLOWED",
        reference=f"{found.source} {found.reference}",
        waiting=found.waiting,
        delivered=found.delivered,
        acknowledged=found.acknowledged,
        escalated=found.escalated,
    )
    for each in found.escalated_pharmacies:
        output().print(f"  {escape(each)}")
