"""What was dispensed to a patient, as far as it may be seen: the only way in which the history is read.

A line is shown while its dispensation stands (neither corrected nor cancelled) and within its window (`windows`).
Which pharmacy dispensed it is not of the view: what the DP shows is the product, how much of it, and when
(requirements, §1.2), and which prescription it answers. Who prescribed it is shown to that pharmacy, and to the patient
or who represents him (0110, 0116). Newest first.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    Boolean,
    ColumnElement,
    Date,
    Integer,
    Select,
    Text,
    Uuid,
    bindparam,
    case,
    func,
    or_,
    select,
    tuple_,
)

from passerelle.kernel.clock import legal_day
from passerelle.kernel.context import Context
from passerelle.kernel.errors import InvalidInput
from passerelle.pharmacy import windows
from passerelle.pharmacy.product_classes import ProductClass
from passerelle.pharmacy.tables.dispensing import dispensation, dispensation_line
from passerelle_policies.vocabulary import ActorKind

_OF_LINE = (
    "dispensation_id", "number", "product_class", "cip13", "cis", "label", "substances", "atc", "quantity",
    "dose_text", "days", "batch", "is_prescribed", "dispensed_on",
)  # fmt: skip
_OF_PRESCRIPTION = ("prescription_number", "prescribed_on", "prescriber")
#: What a line shows of itself, and of the prescription that it answers.
SHOWN = (*_OF_LINE, *_OF_PRESCRIPTION)
#: The same, whether the pharmacy from which the reader acts dispensed it, and the network where that was, if another.
COLUMNS = (*SHOWN, "dispensed_here", "network")

_EPOCH = date(1970, 1, 1)
_AFTER = (
    bindparam("after_on", type_=Date()),
    bindparam("after_id", type_=Uuid()),
    bindparam("after_number", type_=Integer()),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a line stands in the history."""

    on: date
    dispensation_id: UUID
    number: int


def shown_lines(patient_id: ColumnElement[UUID], *conditions: ColumnElement[bool]) -> Select[Any]:
    """The lines of a record that may be seen on the day of reading: `COLUMNS`; bind values in `lines_parameters`.

    For a reader who was let in: add the condition that he was, or ask after `access.require`.
    """
    is_here = dispensation.c.pharmacy.is_not_distinct_from(bindparam("history_place", type_=Text()))
    prescriber = func.coalesce(dispensation.c.prescriber_name, dispensation.c.prescriber_rpps)
    may_see_prescriber = or_(is_here, bindparam("history_of_person", type_=Boolean()))
    of_patient = select(
        dispensation.c.dispensation_id,
        is_here.label("here"),
        dispensation.c.origin.label("network"),
        dispensation.c.prescription_number,
        dispensation.c.prescribed_on,
        case((may_see_prescriber, prescriber)).label("prescriber"),
    ).where(dispensation.c.patient_id == patient_id, dispensation.c.status == "current", *conditions)
    # Read once for the patient: looking each line's up would cost more than the lines.
    standing = of_patient.cte("standing").prefix_with("materialized")
    return (
        select(
            *(dispensation_line.c[name] for name in _OF_LINE),
            *(case((dispensation_line.c.is_prescribed, standing.c[name])).label(name) for name in _OF_PRESCRIPTION),
            standing.c.here.label("dispensed_here"),
            standing.c.network,
        )
        .join_from(dispensation_line, standing, standing.c.dispensation_id == dispensation_line.c.dispensation_id)
        .where(dispensation_line.c.patient_id == patient_id, windows.is_within(dispensation_line))
    )


def lines_parameters(context: Context) -> dict[str, Any]:
    """Values for the bind parameters of `shown_lines`."""
    return {
        **windows.parameters(legal_day(context.clock)),
        "history_place": context.actor.establishment,
        "history_of_person": context.actor.kind is ActorKind.PERSON,
    }


def newest(lines: Any, *, limit: ColumnElement[int]) -> Select[Any]:
    """Lines out of `shown_lines`, newest first."""
    return select(lines).order_by(*_newest_first(lines)).limit(limit)


def page(lines: Any, *, limit: ColumnElement[int]) -> Select[Any]:
    """The same after a place; bind values in `place_parameters`."""
    after = tuple_(lines.c.dispensed_on, lines.c.dispensation_id, lines.c.number) < tuple_(*_AFTER)
    return newest(lines, limit=limit).where(or_(_AFTER[1].is_(None), after))


def of_class(lines: CTE, product_class: ProductClass, *, limit: ColumnElement[int]) -> Select[Any]:
    """Lines of one class, newest first."""
    return newest(lines, limit=limit).where(lines.c.product_class == product_class.value)


def place_parameters(after: Place | None) -> dict[str, Any]:
    """Values for the bind parameters of `page`."""
    return {
        "after_on": after.on if after else None,
        "after_id": after.dispensation_id if after else None,
        "after_number": after.number if after else None,
    }


def cursor_of(line: Mapping[str, Any]) -> str:
    """The opaque cursor after this line: its day and its key, nothing else."""
    days, number = (line["dispensed_on"] - _EPOCH).days, line["number"]
    raw = days.to_bytes(4, signed=True) + line["dispensation_id"].bytes + number.to_bytes(4, signed=True)
    return base64.urlsafe_b64encode(raw).decode("ascii")


def read_cursor(cursor: str) -> Place:
    """Read a cursor back. Refused: CURSOR_INVALID when it is not one of ours."""
    try:
        raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
        on = _EPOCH + timedelta(days=int.from_bytes(raw[:4], signed=True))
        place = Place(on=on, dispensation_id=UUID(bytes=raw[4:20]), number=int.from_bytes(raw[20:], signed=True))
    except (ValueError, OverflowError, binascii.Error) as wrong:
        raise InvalidInput("CURSOR_INVALID") from wrong
    if len(raw) != 24:
        raise InvalidInput("CURSOR_INVALID")
    return place


def _newest_first(lines: Any) -> tuple[Any, ...]:
    return lines.c.dispensed_on.desc(), lines.c.dispensation_id.desc(), lines.c.number.desc()
