"""What the erasure of the shared record takes out of the pharmacy record: what a warning told of erased documents.

All else of the pharmacy record stays (CSP R.1111-20-4). Sources: CSP R.1111-36; RGPD, art. 17.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import text

from passerelle.audit.transactions import transaction
from passerelle.kernel.context import Context
from passerelle.pharmacy.checks.kept_overrides import OUT_OF_DOCUMENTS

_FORGET: Final = text("select forget_overrides(:patient_id, cast(:codes as text[]))")


async def erase(context: Context, patient_id: UUID) -> None:
    """Blank what such a warning was of and why it was passed over; nothing while the shared record is not purged.

    Safe to repeat: what is blank stays so.
    """
    async with transaction(context) as act:
        said = {"patient_id": patient_id, "codes": [each.value for each in OUT_OF_DOCUMENTS]}
        await act.connection.execute(_FORGET, said)
