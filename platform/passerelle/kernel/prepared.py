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
from psycopg.pq.abc import PGresult
from psycopg.rows import namedtuple_row
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.kernel.database import Statement
from passerelle.kernel.pipeline_values import Binary, Written, written

_FOR_BUNDLES: Final = b"""select set_config(name, value, true) from (values
    ('plan_cache_mode', 'force_generic_plan'), ('enable_seqscan', 'off'), ('enable_bitmapscan', 'off'), ('jit', 'off'))
    as given(name, value)"""


#: How often each was run by this process.
_runs: Counter[bytes] = Counter()


async def run(connection: AsyncConnection, statement: Statement, values: Mapping[str, Any]) -> list[Any]:
    """The rows of a statement, with its columns as names; none where it returns nothing."""
    cursor = await _send(connection, _planned(statement), written(statement.values(values)))
    return await cursor.fetchall() if cursor.description else []


async def octets(connection: AsyncConnection, statement: Statement, values: Mapping[str, Any]) -> list[bytes | None]:
    """The one row of a statement, column by column in PostgreSQL's binary format (`Binary` sends it back)."""
    cursor = await _send(connection, _planned(statement), written(statement.values(values)), binary=True)
    result = cast(PGresult, cursor.pgresult)
    return [result.get_value(0, each) for each in range(result.nfields)]


def _planned(statement: Statement) -> bytes:
    """Its text, another each time that it has run eight times as often: planned anew, as what it fills has grown."""
    _runs[statement.sql] += 1
    return b"%b --%d" % (statement.sql, _runs[statement.sql].bit_length() // 3)


async def plan_for_bundles(connection: AsyncConnection) -> None:
    """Until this transaction ends, plan once what is prepared, for a hundred rows that are looked up by index.

    A plan that is kept may have been made while the tables were empty: it must do when they are large.
    """
    await _send(connection, _FOR_BUNDLES, [])


async def _send(
    connection: AsyncConnection, sql: bytes, values: list[bytes | None], *, binary: bool = False
) -> AsyncRawCursor[Any]:
    driver = cast(PsycopgConnection[Any], (await connection.get_raw_connection()).driver_connection)
    cursor = AsyncRawCursor(driver, row_factory=namedtuple_row)
    given = [each if each is None or type(each) is Binary else Written(each) for each in values]
    await cursor.execute(sql, given, prepare=True, binary=binary)
    return cursor
