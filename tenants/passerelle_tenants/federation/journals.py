"""What was written in the journal here of patients who are at home elsewhere, owed to their home as it is sealed."""

from __future__ import annotations

from typing import Any, Final
from uuid import uuid4

from sqlalchemy import DateTime, cast, literal, null, select
from sqlalchemy.dialects.postgresql import JSONB

from passerelle.audit import lines_elsewhere
from passerelle.audit.sealed import last_leaf
from passerelle.audit.transactions import transaction
from passerelle.notices import watermarks
from passerelle_tenants.federation import addressing
from passerelle_tenants.federation.office import Office
from passerelle_tenants.federation.tables import patient_place
from passerelle_tenants.federation.travellers import Priority

KIND: Final = "journal_line"
WATERMARK: Final = "journal_lines"
_AT_ONCE: Final = 2_000


async def owe(office: Office) -> int:
    """Follow the journal to its last sealed line; how many leaves were looked at. One turn at a time.

    A patient whose home became another network meanwhile is owed there as a whole (`owing`).
    """
    done = 0
    while True:
        async with transaction(office.context(office.tenant.id, uuid4().hex)) as act:
            start = await watermarks.reached(act, WATERMARK)
            end = min(start + _AT_ONCE, await last_leaf(act.connection))
            if end <= start:
                return done
            await act.connection.execute(addressing.owe(_rows(start, end), literal(act.now, DateTime(timezone=True))))
            await watermarks.reach(act, WATERMARK, end)
        done += end - start


def _rows(start: int, end: int) -> Any:
    told = lines_elsewhere.sealed_between(start, end)
    is_home = (patient_place.c.patient_id == told.c.patient_id) & patient_place.c.is_home
    return (
        select(
            patient_place.c.tenant_id.label("to_tenant"),
            literal(KIND).label("kind"),
            told.c.object_id,
            told.c.patient_id,
            literal(int(Priority.TELLS)).label("priority"),
            told.c.at.label("since"),
            cast(null(), JSONB).label("payload"),
        )
        .select_from(told.join(patient_place, is_home))
        .subquery("lines")
    )
