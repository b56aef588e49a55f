"""What the ledger outside the database says of a row, and the lines of the journal when it is so again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from passerelle.audit import journal
from passerelle.audit.transactions import Act
from passerelle.dossier import house_rules
from passerelle_policies.vocabulary import Action, Kind

RULE: Final = "restored"
"""Under which what is put back stands in the journal."""
Said: TypeAlias = Mapping[str, Any]
"""Of one row, its key and what of it may narrow, as JSON has them."""


async def journalled(act: Act, kind: Kind, action: Action, whose: Sequence[UUID | None]) -> int:
    """Write a line for each row that changed, whose patient it is about if anybody; says how many."""
    lines = [house_rules.line(act, kind, action, RULE, patient_id=each or journal.NOBODY) for each in whose]
    if lines:
        await journal.append_all(act.connection, act.context, lines)
    return len(lines)


def instant(said: str | None) -> datetime | None:
    """A moment as the ledger writes it."""
    return None if said is None else datetime.fromisoformat(said)
