"""What is still told of warnings that were passed over: as far back as the shortest window.

An older one would tell of a dispensing that is in no window any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Date, and_, bindparam, cast, func, select

from passerelle.audit.transactions import Act
from passerelle.kernel.clock import legal_day
from passerelle.kernel.context import Context
from passerelle.pharmacy.checks.findings import FindingCode
from passerelle.pharmacy.tables import check_override
from passerelle.pharmacy.windows import windows

#: Warnings that come from documents, which may be kept from whoever takes the record away, or be erased.
OUT_OF_DOCUMENTS: Final = (FindingCode.ALLERGY, FindingCode.PROTOCOL_OVERLAP)
#: The code of one whose documents were erased.
FORGOTTEN: Final = ""


def recent(patient_id: ColumnElement[UUID]) -> ColumnElement[bool]:
    """SQL condition: a row of `check_override` is of this patient and still told of; bind values in `parameters`."""
    day = cast(func.timezone("Europe/Paris", check_override.c.at), Date)
    return and_(check_override.c.patient_id == patient_id, day >= bindparam("overrides_since", type_=Date()))


def parameters(context: Context) -> dict[str, Any]:
    """Values for the bind parameters of `recent`."""
    today = legal_day(context.clock)
    return {"overrides_since": max((each.since for each in windows(today)), default=today)}


async def kept_overrides(act: Act, patient_id: ColumnElement[UUID]) -> Sequence[Mapping[str, Any]]:
    """What was dispensed in spite of a warning, the newest first; one out of documents says neither what nor why."""
    asked = select(check_override).where(recent(patient_id)).order_by(check_override.c.at.desc())
    rows = (await act.connection.execute(asked, parameters(act.context))).mappings()
    unsaid = dict.fromkeys(("code", "reason"))
    return [{**row, **(unsaid if row["code"] in (FORGOTTEN, *OUT_OF_DOCUMENTS) else {})} for row in rows]
