"""What of a basket runs short, and what else there is of its generic group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from passerelle.kernel import messages
from passerelle.pharmacy.checks.findings import Alert, Alternative, Finding, FindingCode, Source
from passerelle.pharmacy.checks.items import Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """What the ANSM says of a product that runs short. `status`: out, strained or stopped."""

    status: str
    since: date
    alternatives: tuple[Alternative, ...] = ()


def running_short(products: Iterable[tuple[Item, Shortage]], medicines: Source) -> Iterator[Finding]:
    """Each product of the basket that runs short."""
    for item, short in products:
        alert = Alert(
            code=FindingCode.SHORTAGE,
            source=medicines,
            between=(short.status,),
            sentence=messages.sentence(f"CHECK_SHORTAGE_{short.status.upper()}", {"since": f"{short.since:%d/%m/%Y}"}),
            alternatives=short.alternatives,
        )
        yield Finding(alert, (item,), (item.product,))
