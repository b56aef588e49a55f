"""The journal in the order of its commits, for whoever follows it: what is sealed has a place that never changes.

A line that is committed late is sealed after those that were committed before, whatever its own number and time:
who has followed up to a leaf has missed nothing below it.
"""

from __future__ import annotations

from sqlalchemy import Subquery, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.tables import journal, journal_leaf


def sealed_lines(name: str) -> Subquery:
    """A selectable of sealed lines under this alias: `leaf_index`, and the columns of the journal."""
    joined = journal.join(
        journal_leaf,
        and_(journal_leaf.c.patient_id == journal.c.patient_id, journal_leaf.c.line_id == journal.c.line_id),
    )
    return select(journal_leaf.c.leaf_index, *journal.c).select_from(joined).subquery(name)


async def last_leaf(connection: AsyncConnection) -> int:
    """The newest leaf; -1 for a journal of which nothing is sealed."""
    return int((await connection.execute(select(func.coalesce(func.max(journal_leaf.c.leaf_index), -1)))).scalar_one())
