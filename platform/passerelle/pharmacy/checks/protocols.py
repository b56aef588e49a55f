"""What of a basket overlaps with a treatment protocol that runs, without a word of the protocol."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from passerelle.kernel import messages
from passerelle.pharmacy.checks.findings import Alert, Finding, FindingCode, Source, TableName
from passerelle.pharmacy.checks.interactions import Interactions
from passerelle.pharmacy.checks.items import Item, Substance


def overlaps_met(basket: Iterable[Item], given: frozenset[str], table: Interactions | None) -> Iterator[Finding]:
    """Each product that has a substance of a running protocol, or one that does not go with it; the heaviest level."""
    running = [Substance(each, frozenset({each})) for each in sorted(given)]
    for item in basket:
        met = [(mine, its) for mine in item.substances for its in running]
        levels = [
            each.level for mine, its in met if table is not None for each in table.between(mine, its) if each.level
        ]
        if levels or any(mine.is_same(its) for mine, its in met):
            alert = Alert(
                code=FindingCode.PROTOCOL_OVERLAP,
                source=Source(TableName.PROTOCOLS, table.source.dated if table is not None and levels else None),
                level=max(levels, default=None),
                sentence=messages.sentence(FindingCode.PROTOCOL_OVERLAP, {}),
            )
            yield Finding(alert, (item,), (item.product,))
