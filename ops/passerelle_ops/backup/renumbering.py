"""Numbers that mean something elsewhere, made to go on after a restore.

Transactions are numbered by the server: in another one, rows that came with the dump may bear numbers that it has not
reached, and whoever follows would wait for years. Other networks remember the number of the newest state that they were
sent: a restored network's next one must be higher than any that it gave before.
"""

from __future__ import annotations

from typing import Final

from psycopg import AsyncConnection

from passerelle_ops.backup.sources import Source

#: More states than a network sends between a backup and its loss.
_LEAP: Final = 1_000_000_000
_IS_AHEAD: Final = b"select coalesce(max(transaction_id), 0) > pg_current_xact_id()::text::bigint from outbox"
_FOLLOWERS: Final = ["locator", "ledger"]


async def renumber(source: Source) -> None:
    """Once for each restore; done twice, it leaps twice, which costs nothing."""
    if not source.is_tenant:
        return
    async with await AsyncConnection.connect(source.site.owner_url) as connection:
        row = await (await connection.execute(_IS_AHEAD)).fetchone()
        if row is not None and row[0]:
            await connection.execute("update outbox set transaction_id = 0")
            await connection.execute("update notice_watermark set position = -1 where name = any(%s)", (_FOLLOWERS,))
        await connection.execute(
            "select setval('federation_version', last_value + %s) from federation_version", (_LEAP,)
        )
