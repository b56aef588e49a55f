"""Lines of dispensations of any day, put straight into the tables: what use cases would refuse as too old."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.pharmacy.tables.dispensing import dispensation, dispensation_line
from passerelle.pharmacy.tables.records import pharmacy_record

TODAY = date(2026, 11, 16)
PHARMACY = "310790001"


def line(
    days_ago: int, substances: Sequence[str] = ("ramipril",), days: int | None = None, **more: Any
) -> dict[str, Any]:
    """A line dispensed so many days before `TODAY`."""
    return {
        "product_class": "medicine",
        "label": "PRODUIT D'ESSAI",
        "substances": list(substances),
        "days": days,
        "quantity": 1,
        "is_prescribed": True,
        "dispensed_on": TODAY - timedelta(days=days_ago),
        **more,
    }


async def dispensed(
    connection: AsyncConnection,
    patient_id: UUID,
    lines: Sequence[dict[str, Any]],
    *,
    pharmacy: str = PHARMACY,
    status: str = "current",
    **prescription: Any,
) -> None:
    """Each line in a dispensation of its own, that answers this `prescription` if it is told."""
    for each in lines:
        day: date = each["dispensed_on"]
        at = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
        key = {"patient_id": patient_id, "dispensation_id": uuid4()}
        about = {"pharmacy": pharmacy, "pharmacy_number": uuid4().hex, "version": 1, "status": status}
        by = {"dispensed_at": at, "dispensed_by": "professional:essai", "fingerprint": "essai", "recorded_at": at}
        await connection.execute(insert(dispensation).values({**key, **about, **by, **prescription}))
        await connection.execute(insert(dispensation_line).values({**key, "number": 1, **each}))


async def opened(connection: AsyncConnection, patient_id: UUID, state: str = "open") -> None:
    """A pharmacy record."""
    at = datetime(2012, 1, 1, tzinfo=UTC)
    await connection.execute(insert(pharmacy_record).values(patient_id=patient_id, state=state, opened_at=at))
