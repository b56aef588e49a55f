"""What a pharmacy says that it dispensed: read, bounded, and named as the table of medicines of that day names it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.dossier import access as dossier_access
from passerelle.dossier.formats import values
from passerelle.kernel.clock import PARIS, legal_day
from passerelle.kernel.context import Context
from passerelle.kernel.errors import InvalidInput, LimitExceeded
from passerelle.pharmacy.product_classes import ProductClass
from passerelle.pharmacy.reference import cip, medicines
from passerelle.pharmacy.reference.composition import acting
from passerelle.pharmacy.reference.names import substance_name
from passerelle.pharmacy.reference.product_classes import product_class

_RPPS_DIGITS: Final = 11
_MOST: Final = Decimal(100_000)  # of a quantity and of days: beyond it, something was mistyped
_MOST_SUBSTANCES: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class DispensedLine:
    """One product. `is_refused`: the patient would not have it entered, and nothing of it is kept.

    A CIP13 that the table of medicines knows gives the class, the medicine, its substances and its ATC code; otherwise
    they are as given.
    """

    quantity: Decimal
    label: str | None = None
    cip13: str | None = None
    cis: str | None = None
    product_class: ProductClass | None = None
    substances: tuple[str, ...] = ()
    atc: str | None = None
    dose_text: str | None = None
    days: int | None = None
    batch: str | None = None
    is_prescribed: bool = True
    is_refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispensed:
    """One dispensation, under the pharmacy's own number. `prescription_number`: of the prescription that it answers;
    `document_version`: of the document that it comes as."""

    pharmacy_number: str
    dispensed_at: datetime
    lines: tuple[DispensedLine, ...]
    prescriber_rpps: str | None = None
    prescriber_name: str | None = None
    prescribed_on: date | None = None
    prescription_number: str | None = None
    document_version: int | None = None

    @property
    def dispensed_on(self) -> date:
        """The legal day."""
        return self.dispensed_at.astimezone(PARIS).date()

    @property
    def canonical(self) -> bytes:
        """What is kept of it, as octets: the same for the same content."""
        said = asdict(self) | {"dispensed_at": self.dispensed_at.timestamp()}
        return json.dumps(said, default=str, sort_keys=True).encode()


def checked(context: Context, said: Dispensed) -> Dispensed:
    """`said` trimmed and without what the patient refused.

    Refused: DISPENSATION_EMPTY, DISPENSATION_LINES_TOO_MANY, DISPENSED_IN_THE_FUTURE, PHARMACY_NUMBER_MISSING,
    PRESCRIBED_AFTER_DISPENSED, SUBSTANCES_TOO_MANY, DISPENSED_PRODUCT_UNNAMED, CIP_INVALID, CIS_INVALID,
    QUANTITY_INVALID, DAYS_INVALID, RPPS_INVALID, VALUE_TOO_LONG, VALUE_MALFORMED.
    """
    limit = dossier_access.number(context, "pharmacy.lines_max")
    if len(said.lines) > limit:
        raise LimitExceeded("DISPENSATION_LINES_TOO_MANY", limit=limit)
    if said.dispensed_at.tzinfo is None or said.dispensed_on > legal_day(context.clock):
        raise InvalidInput("DISPENSED_IN_THE_FUTURE")
    if said.prescribed_on is not None and said.prescribed_on > said.dispensed_on:
        raise InvalidInput("PRESCRIBED_AFTER_DISPENSED")
    number = values.key(said.pharmacy_number, "pharmacyNumber")
    if number is None:
        raise InvalidInput("PHARMACY_NUMBER_MISSING")
    rpps = values.key(said.prescriber_rpps, "prescriberRpps")
    if rpps is not None and (len(rpps) != _RPPS_DIGITS or not (rpps.isascii() and rpps.isdigit())):
        raise InvalidInput("RPPS_INVALID")
    lines = tuple(_checked(each) for each in said.lines if not each.is_refused)
    if not lines:
        raise InvalidInput("DISPENSATION_EMPTY")
    return replace(
        said,
        pharmacy_number=number,
        lines=lines,
        prescriber_rpps=rpps,
        prescriber_name=values.key(said.prescriber_name, "prescriberName"),
        prescription_number=values.key(said.prescription_number, "prescriptionNumber"),
    )


def _checked(line: DispensedLine) -> DispensedLine:
    label, cip13, cis = values.text(line.label, "label"), values.key(line.cip13, "cip13"), values.key(line.cis, "cis")
    if cip13 is not None and not cip.is_cip13(cip13):
        raise InvalidInput("CIP_INVALID")
    if cis is not None and not cip.is_cis(cis):
        raise InvalidInput("CIS_INVALID")
    if label is None and cip13 is None:
        raise InvalidInput("DISPENSED_PRODUCT_UNNAMED")
    if not line.quantity.is_finite() or not 0 < line.quantity <= _MOST:
        raise InvalidInput("QUANTITY_INVALID")
    if line.days is not None and not 0 < line.days <= _MOST:
        raise InvalidInput("DAYS_INVALID")
    if len(line.substances) > _MOST_SUBSTANCES:
        raise LimitExceeded("SUBSTANCES_TOO_MANY", limit=_MOST_SUBSTANCES)
    substances = (values.key(each, "substances") for each in line.substances)
    return replace(
        line,
        quantity=line.quantity.normalize(),
        label=label,
        cip13=cip13,
        cis=cis,
        substances=tuple(dict.fromkeys(substance_name(each) for each in substances if each)),
        atc=values.key(line.atc, "atc"),
        dose_text=values.text(line.dose_text, "doseText"),
        batch=values.key(line.batch, "batch"),
    )


async def rows_of(connection: AsyncConnection, said: Dispensed) -> list[dict[str, Any]]:
    """The lines of what was `checked`, as the table keeps them but for their keys."""
    codes = [each.cip13 for each in said.lines if each.cip13]
    known: Mapping[str, medicines.Product] = await medicines.products(connection, codes) if codes else {}
    return [
        {
            "number": number,
            **_named(line, known.get(line.cip13 or "")),
            "cip13": line.cip13,
            "quantity": line.quantity,
            "dose_text": line.dose_text,
            "days": line.days,
            "batch": line.batch,
            "is_prescribed": line.is_prescribed,
            "dispensed_on": said.dispensed_on,
        }
        for number, line in enumerate(said.lines, start=1)
    ]


def _named(line: DispensedLine, known: medicines.Product | None) -> dict[str, Any]:
    if known is None:
        said = line.product_class or ProductClass(product_class(line.atc, line.label or "", line.substances))
        return {
            "product_class": said.value,
            "cis": line.cis,
            "label": line.label or f"CIP {line.cip13}",
            "substances": list(line.substances),
            "atc": line.atc,
        }
    return {
        "product_class": ProductClass(known.medicine.product_class).value,
        "cis": known.medicine.cis,
        "label": line.label or known.medicine.name,
        "substances": substances_of(known.medicine),
        "atc": known.medicine.atc or line.atc,
    }


def substances_of(medicine: medicines.Medicine) -> list[str]:
    """The folded name of each substance of a medicine, its base where the table tells it from its salt."""
    chosen = (each.line for each in acting(medicine.substances))
    return list(dict.fromkeys(min(each.known_as, key=_shortest, default=substance_name(each.name)) for each in chosen))


def _shortest(name: str) -> tuple[int, str]:
    return len(name), name
