"""Sealing the journal in commit order (docs/decisions/0080).

A batch is what one snapshot sees and no leaf has: a line is sealed in the batch that follows its commit, a long
transaction holds up no other, and what was sealed stays before what is sealed later. PostgreSQL numbers
transactions when they begin to write; a batch therefore notes below which number everything is sealed and which
numbers were then under way, and the next one looks at no other line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Row,
    Select,
    Text,
    and_,
    any_,
    cast,
    exists,
    func,
    insert,
    literal,
    select,
    text,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.heads import Head, head_of
from passerelle.audit.leaves import columns_of_line, leaf_of, mark_of
from passerelle.audit.merkle import Frontier
from passerelle.audit.successions import Signers, signers
from passerelle.audit.tables import journal, journal_leaf, journal_seal
from passerelle.audit.tallies import tell
from passerelle.kernel.clock import Clock
from passerelle.kernel.context import Tenant
from passerelle.kernel.errors import BrokenIntegrity

AT_ONCE: Final = 5_000
_LOCK: Final = 5_083_713  # within one tenant's database
# A plan made for any batch, or for a table as it was when last analysed, reads the whole journal for twenty lines.
_PLANNER = text(
    "select set_config(name, value, true) from (values ('plan_cache_mode', 'force_custom_plan'),"
    " ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off'), ('jit', 'off')) as given(name, value)"
)
_CLUSTER = text("select system_identifier::text from pg_control_system()")
_ADD_LEAVES = text(
    "insert into journal_leaf (leaf_index, patient_id, line_id, hash, mark, subtrees) select * from unnest("
    "cast(:indices as bigint[]), cast(:patients as uuid[]), cast(:lines as bigint[]), cast(:hashes as bytea[]),"
    " cast(:marks as bytea[]), cast(:subtrees as bytea[]))"
)


@dataclass(frozen=True, slots=True)
class Sealed:
    """What one call did, and how many lines are sealed in all."""

    lines: int
    tree_size: int


@dataclass(frozen=True, slots=True)
class _Notes:
    """Where a batch begins: below `low_water` only the transactions `in_flight` may have lines without a leaf."""

    low_water: int
    in_flight: tuple[int, ...]
    cluster: str


async def seal(tenant: Tenant, clock: Clock, *, sweep: bool = False, at_once: int = AT_ONCE) -> Sealed:
    """Seal every line that is committed now, `at_once` in a transaction. Two sealers take turns.

    `sweep` looks at every line of the journal rather than at those since the last batch: for a worker that starts.
    Refused: JOURNAL_HEAD_BROKEN, the newest head is not one that this tenant's key signed: nothing is sealed on it;
    SEALING_KEY_SUPERSEDED, the key that signs now is not in our file.
    """
    lines = 0
    while True:
        async with tenant.database.transaction() as connection:
            taken, size = await _seal_batch(connection, tenant, clock.now(), sweep=sweep, limit=at_once)
        tell(tenant.id, taken)
        lines, sweep = lines + len(taken), False
        if len(taken) < at_once:
            return Sealed(lines, size)


async def _seal_batch(
    connection: AsyncConnection, tenant: Tenant, now: datetime, *, sweep: bool, limit: int
) -> tuple[Sequence[Row[Any]], int]:
    await take_turn(connection)
    await connection.execute(_PLANNER)
    last = (
        await connection.execute(select(journal_seal).order_by(journal_seal.c.tree_size.desc()).limit(1))
    ).one_or_none()
    by = await signers(connection, tenant)
    frontier, previous = _trusted(tenant, by, last)
    rows, notes = await _unsealed(connection, last, sweep=sweep, limit=limit)
    if not rows:
        return rows, frontier.size
    await connection.execute(_ADD_LEAVES, await asyncio.to_thread(_leaves, tenant, frontier, rows))
    unsigned = Head(
        tenant=tenant.id,
        tree_size=frontier.size,
        root=frontier.root(),
        sealed_at=now,
        previous_head=previous,
        key_id=by.key_id,
    )
    await connection.execute(
        insert(journal_seal).values(
            tree_size=unsigned.tree_size,
            root=unsigned.root,
            sealed_at=now,
            previous_head=previous,
            key_id=unsigned.key_id,
            signature=by.sign(unsigned.text()),
            frontier=frontier.packed(),
            low_water=notes.low_water,
            in_flight=list(notes.in_flight),
            cluster=notes.cluster,
        )
    )
    return rows, frontier.size


async def take_turn(connection: AsyncConnection) -> None:
    """Wait for whoever seals this journal now; nobody else does until the transaction ends."""
    await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def _trusted(tenant: Tenant, by: Signers, last: Row[Any] | None) -> tuple[Frontier, bytes]:
    """The tree to go on from, and the hash of its head. Nothing is added to a tree that is not ours."""
    if last is None:
        return Frontier(), bytes(32)
    head = head_of(tenant.id, last)
    try:
        frontier = Frontier(last.tree_size, bytes(last.frontier))
    except ValueError:
        frontier = Frontier()
    if not head.is_signed_by(by) or frontier.root() != head.root:
        raise BrokenIntegrity("JOURNAL_HEAD_BROKEN")
    return frontier, head.hash()


async def _unsealed(
    connection: AsyncConnection, last: Row[Any] | None, *, sweep: bool, limit: int
) -> tuple[Sequence[Row[Any]], _Notes]:
    """The lines of a batch in the order of their ids, and what to note for the next one."""
    cluster = str((await connection.execute(_CLUSTER)).scalar_one())
    ceiling = (await connection.execute(select(_CEILING))).scalar_one()
    # A journal restored elsewhere has numbers that mean nothing here: then every line is looked at, and until all
    # that was found is sealed, the order is that of the numbers.
    knows = last is not None and last.cluster == cluster and last.low_water <= ceiling
    rows: Sequence[Row[Any]]
    if knows and last is not None and not sweep:
        rows = (await connection.execute(_since(last.low_water, last.in_flight, limit))).all()
    else:
        rows = ()
        if last is not None and last.cluster == "" and not sweep:  # catching up, from where the last batch came
            rows = (await connection.execute(_candidates(limit).where(last.low_water <= _XID))).all()
        if len(rows) < limit:
            rows = (await connection.execute(_candidates(limit))).all()
    if not rows:
        return [], _Notes(0, (), "")
    _, highest, flying = str(rows[0].snapshot).split(":")
    in_flight = tuple(int(each) for each in flying.split(",") if each)
    if len(rows) < limit:
        notes = _Notes(int(highest), in_flight, cluster)
    elif knows:
        reached = int(rows[-1].xid)
        notes = _Notes(reached, tuple(each for each in in_flight if each < reached), cluster)
    else:
        notes = _Notes(int(rows[-1].xid), (), "")
    return sorted(rows, key=lambda row: (row.line_id, row.patient_id)), notes


# The type of the index: transaction numbers do not reach its sign.
_XID = cast(journal.c.transaction_id, BigInteger)
_CEILING = cast(cast(func.pg_snapshot_xmax(func.pg_current_snapshot()), Text), BigInteger)


def _since(low_water: int, in_flight: Sequence[int], limit: int) -> Select[Any]:
    later = _candidates(limit).where(low_water <= _XID, _XID < _CEILING)
    ended = _candidates(limit).where(any_(literal(list(in_flight), ARRAY(BigInteger))) == _XID)
    both = union_all(ended.subquery().select(), later.subquery().select()).subquery()
    return select(both).order_by(both.c.xid, both.c.line_id).limit(limit)


def _candidates(limit: int) -> Select[Any]:
    has_leaf = exists().where(
        and_(journal_leaf.c.patient_id == journal.c.patient_id, journal_leaf.c.line_id == journal.c.line_id)
    )
    snapshot = cast(func.pg_current_snapshot(), Text).label("snapshot")
    return (
        select(*columns_of_line(), _XID.label("xid"), snapshot)
        .where(~has_leaf)
        .order_by(_XID, journal.c.line_id)
        .limit(limit)
    )


def _leaves(tenant: Tenant, frontier: Frontier, rows: Sequence[Row[Any]]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {
        name: [] for name in ("indices", "patients", "lines", "hashes", "marks", "subtrees")
    }
    for row in rows:
        leaf, index = leaf_of(row), frontier.size
        columns["indices"].append(index)
        columns["patients"].append(row.patient_id)
        columns["lines"].append(row.line_id)
        columns["hashes"].append(leaf)
        columns["marks"].append(mark_of(tenant.keys, row.patient_id, row.line_id, leaf, index))
        columns["subtrees"].append(b"".join(frontier.append(leaf)) or None)
    return columns
