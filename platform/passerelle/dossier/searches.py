"""Every search of the data-protection officer's is an act with its reason, decided and journalled before it is made."""

from __future__ import annotations

from uuid import UUID

from passerelle.audit.transactions import Act
from passerelle.dossier import access
from passerelle.dossier.formats import values
from passerelle.kernel.errors import InvalidInput
from passerelle_policies.vocabulary import Action, Kind


async def searched(act: Act, patient_id: UUID, reason: str) -> None:
    """Decide and journal one search; ACCESS_REFUSED, and as `reason_told`."""
    await access.require(act, patient_id, Kind.JOURNAL, Action.SEARCH, reason=reason_told(reason))


def reason_told(reason: str) -> str:
    """A reason as it is journalled. Refused: REASON_MISSING, VALUE_TOO_LONG, VALUE_MALFORMED."""
    told = values.text(reason, "reason")
    if not told:
        raise InvalidInput("REASON_MISSING")
    return told
