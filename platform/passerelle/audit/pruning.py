"""Removing the journal's oldest lines once their retention is over: whole sealed prefixes, heads and leaves stay.

A prefix ends at a signed head that was sealed before the day in question, and no line of it is younger. It goes only as
it was sealed: a missing or changed line is never covered by its pruning. Under the role that owns the tables.
Source: RGPD, art. 5-1 e; docs/decisions/0092.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import CursorResult, Row, and_, delete, func, not_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit import pruned_facts
from passerelle.audit.heads import Head, head_of
from passerelle.audit.leaves import fits, leaf_of
from passerelle.audit.merkle import Frontier
from passerelle.audit.pruning_statements import Prunings, is_statement, prunings
from passerelle.audit.seal_verification import leaves_between
from passerelle.audit.successions import signers
from passerelle.audit.tables import journal, journal_leaf, journal_seal
from passerelle.kernel.context import Tenant
from passerelle.kernel.errors import BrokenIntegrity, Conflict

_LOCK: Final = 5_083_714  # within one tenant's database
_OWNS = text("select pg_has_role(relowner, 'MEMBER') from pg_class where oid = cast('journal' as regclass)")
# A batch is found by its leaves: a plan for the whole table would read all of the journal for it.
_PLANNER = text("select set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)")


@dataclass(frozen=True, slots=True)
class Prefix:
    """What may go at once: the lines from the place `begins` up to `head`."""

    begins: int
    head: Head
    frontiers: tuple[Frontier, Frontier]


async def take_turn(connection: AsyncConnection) -> None:
    """Wait for whoever prunes this journal now, until the transaction ends. Refused: JOURNAL_NOT_OWNED."""
    if not (await connection.execute(_OWNS)).scalar_one():
        raise Conflict("JOURNAL_NOT_OWNED")
    await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    await connection.execute(_PLANNER)


async def told(connection: AsyncConnection, tenant: Tenant) -> Prunings:
    """What was pruned already. Refused: JOURNAL_PRUNING_FALSE, JOURNAL_PRUNING_REMOVED."""
    found = await prunings(connection, tenant)
    for finding in found.findings:
        raise BrokenIntegrity(finding.code)
    return found


async def ends_at(connection: AsyncConnection, begins: int, until: datetime, limit: int) -> int:
    """The end of the last sealed prefix whose lines are all from before `until`, `limit` at most; `begins` if none."""
    young_head = select(func.min(journal_seal.c.tree_size)).where(
        journal_seal.c.tree_size > begins, journal_seal.c.sealed_at >= until
    )
    first = (await connection.execute(young_head)).scalar()
    before = limit if first is None else min(limit, first - 1)
    end = await _last_head(connection, begins, before)
    young_line = (
        select(journal_leaf.c.leaf_index)
        .select_from(journal_leaf.join(journal, _is_its_line()))
        .where(journal_leaf.c.leaf_index >= begins, journal_leaf.c.leaf_index < end, journal.c.at >= until)
        .order_by(journal_leaf.c.leaf_index)
        .limit(1)
    )
    held = (await connection.execute(young_line.where(not_(is_statement())))).scalar()
    return end if held is None else await _last_head(connection, begins, held)


async def count_lines(connection: AsyncConnection, begins: int, end: int) -> int:
    """How many lines would go between two places."""
    counted = select(func.count()).select_from(journal_leaf.join(journal, _is_its_line()))
    return (await connection.execute(counted.where(_goes(begins, end)))).scalar_one()


async def count_past(connection: AsyncConnection, until: datetime) -> int:
    """How many lines are from before `until`, whether they may go yet or not."""
    counted = select(func.count()).select_from(journal).where(journal.c.at < until, not_(is_statement()))
    return (await connection.execute(counted)).scalar_one()


async def next_prefix(connection: AsyncConnection, tenant: Tenant, begins: int, end: int, at_once: int) -> Prefix:
    """The next prefix of `at_once` places at most, or up to the next head when that is further; up to `end`.

    Refused: JOURNAL_HEAD_BROKEN, a head between which it lies is not what this network signed.
    """
    place = await _last_head(connection, begins, min(end, begins + at_once))
    if place == begins:
        place = await _first_head(connection, begins)
    head, frontier = await _trusted(connection, tenant, place)
    before = (await _trusted(connection, tenant, begins))[1] if begins else Frontier()
    return Prefix(begins, head, (before, frontier))


async def remove(connection: AsyncConnection, tenant: Tenant, prefix: Prefix) -> int:
    """Remove the lines of a prefix, once each was found to be as it was sealed; how many.

    What must outlive them is kept (`pruned_facts`); the statements of earlier prunings stay. Refused:
    JOURNAL_NOT_AS_SEALED.
    """
    begins, end = prefix.begins, prefix.head.tree_size
    tree, sealed = prefix.frontiers
    async for row in leaves_between(connection, begins, end):
        if row.leaf_index != tree.size or not _is_as_sealed(tenant, row):
            raise BrokenIntegrity("JOURNAL_NOT_AS_SEALED", place=tree.size)
        tree.append(bytes(row.hash))
    if (tree.size, tree.root()) != (end, sealed.root()):
        raise BrokenIntegrity("JOURNAL_NOT_AS_SEALED", place=tree.size)
    gone = select(journal).select_from(journal_leaf.join(journal, _is_its_line())).where(_goes(begins, end))
    await pruned_facts.keep(connection, gone)
    done: CursorResult[Any] = await connection.execute(delete(journal).where(_is_its_line(), _goes(begins, end)))
    return done.rowcount


def _is_as_sealed(tenant: Tenant, row: Row[Any]) -> bool:
    hash_ = bytes(row.hash)
    if row.line_id is None or leaf_of(row) != hash_:
        return False
    return all(fits(tenant.keys, bytes(row.mark), row.leaf_patient, row.leaf_line, hash_, row.leaf_index))


def _is_its_line() -> Any:
    return and_(journal_leaf.c.patient_id == journal.c.patient_id, journal_leaf.c.line_id == journal.c.line_id)


def _goes(begins: int, end: int) -> Any:
    return and_(journal_leaf.c.leaf_index >= begins, journal_leaf.c.leaf_index < end, not_(is_statement()))


async def _last_head(connection: AsyncConnection, begins: int, until: int) -> int:
    found = select(func.max(journal_seal.c.tree_size)).where(
        journal_seal.c.tree_size > begins, journal_seal.c.tree_size <= until
    )
    return int((await connection.execute(found)).scalar() or begins)


async def _first_head(connection: AsyncConnection, begins: int) -> int:
    found = select(func.min(journal_seal.c.tree_size)).where(journal_seal.c.tree_size > begins)
    return int((await connection.execute(found)).scalar_one())


async def _trusted(connection: AsyncConnection, tenant: Tenant, place: int) -> tuple[Head, Frontier]:
    row = (await connection.execute(select(journal_seal).where(journal_seal.c.tree_size == place))).one_or_none()
    if row is not None:
        head = head_of(tenant.id, row)
        try:
            frontier = Frontier(row.tree_size, bytes(row.frontier))
        except ValueError:
            frontier = Frontier()
        if head.is_signed_by(await signers(connection, tenant)) and frontier.root() == head.root:
            return head, frontier
    raise BrokenIntegrity("JOURNAL_HEAD_BROKEN")
