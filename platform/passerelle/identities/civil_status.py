"""What the civil status says of a patient: alive or not, and born when (état civil)."""

from __future__ import annotations

import re
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, literal, not_, select, update

from passerelle.audit.transactions import Act
from passerelle.identities.tables import patient
from passerelle.kernel.clock import PARIS

_DAY = re.compile(r"(\d{4})(\d{2})?(\d{2})?")


def is_alive(patient_id: ColumnElement[Any], on: ColumnElement[date]) -> ColumnElement[bool]:
    """SQL condition: no death by that day is recorded."""
    dead = select(literal(1)).where(patient.c.patient_id == patient_id, patient.c.deceased_on <= on)
    return not_(dead.exists())


def was_born_by(patient_id: ColumnElement[Any], day: ColumnElement[str]) -> ColumnElement[bool]:
    """SQL condition: he may have been born on `day` (YYYYMMDD) or before, as far as his birth date is known."""
    # An incomplete date, or none, sorts before every day that it may stand for.
    born = func.left(func.coalesce(patient.c.birth_date, ""), 8)
    return select(literal(1)).where(patient.c.patient_id == patient_id, born <= day).exists()


def birth_date_of(patient_id: ColumnElement[Any]) -> ColumnElement[Any]:
    """SQL value: the birth date of a patient, as given."""
    return select(patient.c.birth_date).where(patient.c.patient_id == patient_id).scalar_subquery()


def first_day(birth_date: str) -> date | None:
    """The earliest day that an HL7 birth date of any precision may stand for; nothing when it says none."""
    if (said := _DAY.match(birth_date)) is None:
        return None
    year, month, day = (int(each or 0) for each in said.groups())
    try:
        return date(year, month or 1, day or 1)
    except ValueError:
        return None


async def deceased_on(act: Act, patient_id: UUID) -> date | None:
    """The day of death, with the identity locked against another declaration in the same instant."""
    found = await act.connection.execute(
        select(patient.c.deceased_on).where(patient.c.patient_id == patient_id).with_for_update(key_share=True)
    )
    said: date | None = found.scalar_one_or_none()
    return said


async def record_death(act: Act, patient_id: UUID, on: date | None) -> None:
    """Write the day of death, or that there was none. For a use case that has already decided."""
    await act.connection.execute(update(patient).where(patient.c.patient_id == patient_id).values(deceased_on=on))


def grown_up(born_by: str, years: int) -> Select[Any]:
    """`patient_id`, `person_key` and `birth_date` of those registered as minors who were born by that day, and so came
    of age `years` later; of no one who cannot sign in or has died."""
    registered = func.timezone(str(PARIS), patient.c.registered_at)
    as_minor = func.to_char(registered - func.make_interval(years), "YYYYMMDD")
    born = func.left(patient.c.birth_date, 8)
    return select(patient.c.patient_id, patient.c.person_key, patient.c.birth_date).where(
        born <= born_by, born > as_minor, patient.c.person_key.is_not(None), patient.c.deceased_on.is_(None)
    )
