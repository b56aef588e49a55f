"""Is the journal what it claims to be: as it was sealed, complete in its lines, out of reach of the role that serves.

Sources: PGSSI-S, imputability; CSP L.1111-19. What only the domains know (that each act of theirs has its line)
they verify with `lines_by_actor`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Subquery, and_, func, or_, select, text, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit import pruned_facts
from passerelle.audit.findings import Finding
from passerelle.audit.heads import head_at
from passerelle.audit.journal import Outcome
from passerelle.audit.pruning_statements import Prunings, prunings
from passerelle.audit.seal_verification import Progress, seal_findings
from passerelle.audit.tables import journal, journal_key, journal_leaf, journal_pruned_fact, journal_seal
from passerelle.kernel.clock import Clock, legal_day
from passerelle.kernel.context import Tenant
from passerelle_policies.packs import pack_on

__all__ = ["Finding", "JournalReport", "lines_by_actor", "verify_journal"]

FORBIDDEN = ("UPDATE", "DELETE", "TRUNCATE", "TRIGGER")
_SEALED = (journal.name, journal_leaf.name, journal_seal.name, journal_key.name, journal_pruned_fact.name)
# Whoever owns a table, or may become its owner, gives himself what rights he likes.
_OWNS = text("select pg_has_role(relowner, 'MEMBER') from pg_class where oid = cast(:name as regclass)")
_LISTED = 1000  # of each code: a journal that was emptied has as many findings as it had lines


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalReport:
    """How many lines there are, how many are sealed, below which place they are pruned, and what is wrong with the
    journal; nothing, when all is well.

    `findings` are the first thousand of each code; `counts` tell of all of them.
    """

    lines: int
    sealed: int
    pruned: int
    findings: tuple[Finding, ...]
    counts: Mapping[str, int]


async def verify_journal(
    tenant: Tenant,
    clock: Clock,
    *,
    known: Sequence[Mapping[str, Any]] = (),
    on_progress: Progress = lambda _done, _total: None,
) -> JournalReport:
    """Verify one tenant's journal as its serving role sees it. `known`: heads of exports that were given out before.

    Finds: JOURNAL_MAY_BE_CHANGED (the serving role has a right it must not have, or could give itself one),
    JOURNAL_LINE_INCOMPLETE (an outcome that is neither allowed nor refused, a refusal without its code, an allowed
    line with one, no actor, no rule or no pack), JOURNAL_TREE_TRUNCATED (a known head is no longer one of this
    journal's), and what `seal_findings` finds.
    """
    async with tenant.database.transaction() as connection:
        findings = [*await _rights(connection), *await _lines(connection), *await _rewritten(connection, tenant, known)]
        pruned = await prunings(connection, tenant)
        counted, sealed = await count_lines(connection, pruned)
    counts = Counter(finding.code for finding in findings)
    late = pack_on(legal_day(clock)).number("journal.seal_late_seconds", tenant.parameters)
    async for finding in seal_findings(tenant, clock.now(), timedelta(seconds=late), on_progress):
        counts[finding.code] += 1
        if counts[finding.code] <= _LISTED:
            findings.append(finding)
    return JournalReport(lines=counted, sealed=sealed, pruned=pruned.below, findings=tuple(findings), counts=counts)


async def count_lines(connection: AsyncConnection, pruned: Prunings) -> tuple[int, int]:
    """How many lines the journal has, and how many of them are sealed."""
    lines = (await connection.execute(select(func.count()).select_from(journal))).scalar_one()
    places = (await connection.execute(select(func.count()).select_from(journal_leaf))).scalar_one()
    return lines, places - pruned.lines


def lines_by_actor() -> Subquery:
    """How many allowed lines each (patient_id, actor_id, action) has, or had before they were pruned, for a domain to
    compare its acts with. One that was pruned in part has two rows."""
    there = (
        select(journal.c.patient_id, journal.c.actor_id, journal.c.action, func.count().label("lines"))
        .where(journal.c.outcome == Outcome.ALLOWED.value)
        .group_by(journal.c.patient_id, journal.c.actor_id, journal.c.action)
    )
    return union_all(there, pruned_facts.acts_counted()).subquery("lines_by_actor")


async def _rights(connection: AsyncConnection) -> list[Finding]:
    found = []
    for table in _SEALED:
        held = [
            right
            for right in FORBIDDEN
            if (await connection.execute(select(func.has_table_privilege(table, right)))).scalar_one()
        ]
        columns = select(func.has_any_column_privilege(table, "UPDATE"))
        if "UPDATE" not in held and (await connection.execute(columns)).scalar_one():
            held.append("UPDATE")
        if table == journal_pruned_fact.name:
            added = select(func.has_any_column_privilege(table, "INSERT"))
            held += ["INSERT"] if (await connection.execute(added)).scalar_one() else []
        if (await connection.execute(_OWNS, {"name": table})).scalar_one():
            held.append("OWNER")
        found += [f"{table} {right}" for right in held]
    return [Finding(code="JOURNAL_MAY_BE_CHANGED", about=right) for right in found]


async def _rewritten(connection: AsyncConnection, tenant: Tenant, known: Sequence[Mapping[str, Any]]) -> list[Finding]:
    found = []
    for told in known:
        kept = await head_at(connection, tenant.id, int(told["tree_size"]))
        if kept is None or kept.document() != dict(told):
            found.append(Finding(code="JOURNAL_TREE_TRUNCATED", about=f"#{told['tree_size']}"))
    return found


async def _lines(connection: AsyncConnection) -> list[Finding]:
    broken = await connection.execute(
        select(journal.c.line_id)
        .where(
            or_(
                journal.c.outcome.not_in([each.value for each in Outcome]),
                and_(journal.c.outcome == Outcome.REFUSED.value, journal.c.code.is_(None)),
                and_(journal.c.outcome == Outcome.ALLOWED.value, journal.c.code.is_not(None)),
                journal.c.rule == "",
                journal.c.pack == "",
                journal.c.actor_id == "",
            )
        )
        .order_by(journal.c.line_id)
        .limit(100)
    )
    return [Finding(code="JOURNAL_LINE_INCOMPLETE", about=str(line_id)) for line_id in broken.scalars()]
