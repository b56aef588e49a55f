"""Do the sealed journal and its seals still say the same: every line, every leaf, every head, in one pass.

The tree is built again from the first leaf to the last beside the lines as they are now; nothing is kept of what
was read but the frontier. A fault breaks the head above it and no later one: each head's own frontier, once it
gives the signed root, is where the pass goes on. Lines that a signed statement says were pruned are not missed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ARRAY, BigInteger, Row, and_, any_, exists, func, literal, not_, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.findings import Finding
from passerelle.audit.heads import Head, head_of, select_heads
from passerelle.audit.leaves import columns_of_line, fits, leaf_of
from passerelle.audit.merkle import Frontier
from passerelle.audit.pruning_statements import Prunings, is_statement, prunings
from passerelle.audit.shown_lines import is_copy
from passerelle.audit.successions import Signers, signers
from passerelle.audit.tables import journal, journal_leaf, journal_seal
from passerelle.kernel.context import Tenant

Progress = Callable[[int, int], None]
_PAGE: Final = 2_000
_BEFORE: Final = -(1 << 63)
_NAMED: Final = 10_000  # of the places of one gap; the others are one finding


async def seal_findings(
    tenant: Tenant, now: datetime, late: timedelta, on_progress: Progress = lambda _done, _total: None
) -> AsyncIterator[Finding]:
    """What is wrong with the seals of a journal, as its serving role sees it, in one snapshot.

    Finds, each with the line's id (or `#n`, its place in the tree, when nothing else is left of it):
    JOURNAL_LINE_ALTERED, JOURNAL_LINE_REMOVED, JOURNAL_LINE_REORDERED, JOURNAL_LINE_UNSEALED (for longer than
    `late`), JOURNAL_TREE_TRUNCATED, JOURNAL_TREE_ALTERED; and with the size of the head: JOURNAL_HEAD_BROKEN,
    JOURNAL_HEAD_SIGNATURE. Of prunings: JOURNAL_LINE_RETURNED (a line that was pruned is there again), and what
    `pruning_statements.prunings` finds.
    """
    async with tenant.database.transaction() as connection:
        await connection.execute(text("set transaction isolation level repeatable read, read only"))
        total = (await connection.execute(select(func.max(journal_leaf.c.leaf_index)))).scalar() or 0
        pruned = await prunings(connection, tenant)
        for finding in pruned.findings:
            yield finding
        reading = _Reading(tenant, pruned, await signers(connection, tenant))
        leaves = leaves_between(connection)
        leaf = await anext(leaves, None)
        async for row in _heads(connection):
            while leaf is not None and leaf.leaf_index < row.tree_size:
                for finding in reading.of_leaf(leaf):
                    yield finding
                if reading.expected % _PAGE == 0:
                    on_progress(reading.expected, total + 1)
                leaf = await anext(leaves, None)
            for finding in reading.of_head(row, is_end=leaf is None):
                yield finding
        if leaf is not None:
            yield Finding(code="JOURNAL_HEAD_BROKEN", about=f"#{leaf.leaf_index}")
        if reading.cut_at is not None:
            yield Finding(code="JOURNAL_TREE_TRUNCATED", about=f"#{reading.cut_at}–#{reading.size - 1}")
        elsewhere = await _elsewhere(connection, reading.missing)
        for line_id in reading.missing:
            code = "JOURNAL_LINE_ALTERED" if line_id in elsewhere else "JOURNAL_LINE_REMOVED"
            yield Finding(code=code, about=str(line_id))
        for line_id in await _unsealed(connection, now, late):
            if line_id not in elsewhere:
                yield Finding(code="JOURNAL_LINE_UNSEALED", about=str(line_id))
        on_progress(total + 1, total + 1)


@dataclass(slots=True)
class _Reading:
    """How far the pass has come. `tree` is null from a fault to the next head that can be gone on from."""

    tenant: Tenant
    pruned: Prunings
    signers: Signers
    tree: Frontier | None = field(default_factory=Frontier)
    expected: int = 0
    size: int = 0
    previous: bytes = bytes(32)
    cut_at: int | None = None
    missing: list[int] = field(default_factory=list)

    def of_leaf(self, row: Row[Any]) -> Iterator[Finding]:
        yield from self._gap(row.leaf_index)
        self.expected = max(self.expected, row.leaf_index + 1)
        hash_ = bytes(row.hash)
        if self.tree is not None and b"".join(self.tree.append(hash_)) != bytes(row.subtrees or b""):
            yield Finding(code="JOURNAL_TREE_ALTERED", about=f"#{row.leaf_index}")
        is_of_line, is_in_place = fits(
            self.tenant.keys, bytes(row.mark), row.leaf_patient, row.leaf_line, hash_, row.leaf_index
        )
        is_pruned = row.leaf_index < self.pruned.below
        if row.line_id is None and not is_pruned:
            self.missing.append(row.leaf_line)
        elif not is_of_line or (row.line_id is not None and leaf_of(row) != hash_):
            yield Finding(code="JOURNAL_LINE_ALTERED", about=str(row.leaf_line))
        elif not is_in_place:
            yield Finding(code="JOURNAL_LINE_REORDERED", about=str(row.leaf_line))
        elif row.line_id is not None and is_pruned and not row.is_statement:
            yield Finding(code="JOURNAL_LINE_RETURNED", about=str(row.leaf_line))

    def of_head(self, row: Row[Any], *, is_end: bool) -> Iterator[Finding]:
        head = head_of(self.tenant.id, row)
        if is_end and self.expected < head.tree_size:
            self.cut_at = self.expected if self.cut_at is None else self.cut_at
            self.tree = None
        else:
            yield from self._gap(head.tree_size)
        if not head.is_signed_by(self.signers):
            yield Finding(code="JOURNAL_HEAD_SIGNATURE", about=str(head.tree_size))
        stored = _frontier(row, head)
        if (
            head.previous_head != self.previous
            or stored is None
            or (self.tree is not None and self.tree.root() != head.root)
        ):
            yield Finding(code="JOURNAL_HEAD_BROKEN", about=str(head.tree_size))
        self.previous, self.size, self.expected = head.hash(), head.tree_size, head.tree_size
        self.tree = stored

    def _gap(self, until: int) -> Iterator[Finding]:
        named = min(until, self.expected + _NAMED)
        for index in range(self.expected, named):
            self.tree = None
            yield Finding(code="JOURNAL_LINE_REMOVED", about=f"#{index}")
        # A leaf that was put far beyond the end must not make the pass endless.
        if self.expected < named < until:
            yield Finding(code="JOURNAL_LINE_REMOVED", about=f"#{named}–#{until - 1}")


def _frontier(row: Row[Any], head: Head) -> Frontier | None:
    try:
        frontier = Frontier(head.tree_size, bytes(row.frontier))
    except ValueError:
        return None
    return frontier if frontier.root() == head.root else None


async def leaves_between(
    connection: AsyncConnection, begins: int | None = None, end: int | None = None
) -> AsyncIterator[Row[Any]]:
    """Every leaf in its order from one place to another, the second exclusive, with its line or nulls."""
    page = (
        select(
            journal_leaf.c.leaf_index,
            journal_leaf.c.patient_id.label("leaf_patient"),
            journal_leaf.c.line_id.label("leaf_line"),
            journal_leaf.c.hash,
            journal_leaf.c.mark,
            journal_leaf.c.subtrees,
            is_statement().label("is_statement"),
            *columns_of_line(),
        )
        .select_from(
            journal_leaf.outerjoin(
                journal,
                and_(journal.c.patient_id == journal_leaf.c.patient_id, journal.c.line_id == journal_leaf.c.line_id),
            )
        )
        .order_by(journal_leaf.c.leaf_index)
        .limit(_PAGE)
    )
    if end is not None:
        page = page.where(journal_leaf.c.leaf_index < end)
    last = _BEFORE if begins is None else begins - 1
    while rows := (await connection.execute(page.where(journal_leaf.c.leaf_index > last))).all():
        for row in rows:
            yield row
        last = rows[-1].leaf_index


async def _heads(connection: AsyncConnection) -> AsyncIterator[Row[Any]]:
    last = _BEFORE
    page = select_heads().limit(_PAGE)
    while rows := (await connection.execute(page.where(journal_seal.c.tree_size > last))).all():
        for row in rows:
            yield row
        last = rows[-1].tree_size


async def _elsewhere(connection: AsyncConnection, line_ids: list[int]) -> set[int]:
    """Of lines that are not where their leaf says, those that stand under another patient."""
    if not line_ids:
        return set()
    found = select(journal.c.line_id).where(journal.c.line_id == any_(literal(line_ids, ARRAY(BigInteger))))
    return set((await connection.execute(found)).scalars())


async def _unsealed(connection: AsyncConnection, now: datetime, late: timedelta) -> list[int]:
    has_leaf = exists().where(
        and_(journal_leaf.c.patient_id == journal.c.patient_id, journal_leaf.c.line_id == journal.c.line_id)
    )
    # A line that says it comes from the future is no younger for it; one of another network says when it was there.
    is_late = or_(journal.c.at < now - late, journal.c.at > now + late)
    found = select(journal.c.line_id).where(~has_leaf, is_late, not_(is_copy(journal))).order_by(journal.c.line_id)
    return list((await connection.execute(found)).scalars())
