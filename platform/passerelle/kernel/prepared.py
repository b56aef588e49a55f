"""A `Statement` within a transaction: sent as it is and prepared once on each connection, however long its text.

SQLAlchemy renders a statement anew at each call, and psycopg looks for its own placeholders in it: of a text of
thousands of characters that costs more than what PostgreSQL does with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, cast

from psycopg import AsyncConnection as PsycopgConnection
from psycopg import AsyncRawCursor
from psycopg.rows import namedtuple_row
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.kernel.database import Statement
from passerelle.kernel.pipeline_values import Written, written

_FOR_BUNDLES: Final = b"""select set_config(name, value, true) from (values
    ('plan_cache_mode', 'force_generic_plan'), ('enable_seqscan', 'off'), ('jit', 'off')) as given(name, value)"""


#: How often each was run by this process.
_runs: Counter[bytes] = Counter()


async def run(connection: AsyncConnection, statement: Statement, values: Mapping[str, Any]) -> list[Any]:
    """The rows of a statement, with its columns as names; none where it returns nothing."""
    _runs[statement.sql] += 1
    # Each time that it has run eight times as often it is planned anew: what it fills has grown meanwhile.
    sql = b"%b --%d" % (statement.sql, _runs[statement.sql].bit_length() // 3)
    cursor = await _send(connection, sql, written(statement.values(values)))
    return await cursor.fetchall() if cursor.description else []


async def plan_for_bundles(connection: AsyncConnection) -> None:
    """Until this transaction ends, plan once what is prepared, for a hundred rows that are looked up by index.

    A plan that is kept may have been made while the tables were empty: it must do when they are large.
    """
    await _send(connection, _FOR_BUNDLES, [])


async def _send(connection: AsyncConnection, sql: bytes, values: list[bytes | None]) -> AsyncRawCursor[Any]:
    driver = cast(PsycopgConnection[Any], (await connection.get_raw_connection()).driver_connection)
    cursor = AsyncRawCursor(driver, row_factory=namedtuple_row)
    await cursor.execute(sql, [None if each is None else Written(each) for each in values], prepare=True)
    return cursor
