"""What is counted of every database of a process together."""

from __future__ import annotations

from typing import Final

from passerelle.kernel.tallies import Count, Times

SQL: Final = Times(
    "passerelle_sql_seconds",
    "Seconds of single statements, waiting included, and of transactions from their connection on.",
    "kind",
)
WAITS: Final = Times("passerelle_pool_wait_seconds", "Seconds that those waited who found no connection free.", "kind")
FULL: Final = Count("passerelle_pool_full", "Who was told DATABASE_BUSY, having waited or at once.", "kind")
