"""Is the journal what it claims to be: complete in its lines, and beyond the reach of the role that serves.

Sources: PGSSI-S, imputability; CSP L.1111-19. What only the domains know (that each act of theirs has its line)
they verify with `lines_by_actor`.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Subquery, and_, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.journal import Outcome
from passerelle.audit.tables import journal
from passerelle.kernel.context import Tenant

FORBIDDEN = ("UPDATE", "DELETE", "TRUNCATE", "TRIGGER")
# Whoever owns a table, or may become its owner, gives himself what rights he likes.
_OWNS = text("select pg_has_role(relowner, 'MEMBER') from pg_class where oid = 'journal'::regclass")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not as it must be: a stable code, and what it is about (no name, no INS)."""

    code: str
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalReport:
    """How many lines there are, and what is wrong with the journal; nothing, when all is well."""

    lines: int
    findings: tuple[Finding, ...]


async def verify_journal(tenant: Tenant) -> JournalReport:
    """Verify one tenant's journal as its serving role sees it.

    Finds: JOURNAL_MAY_BE_CHANGED (the serving role has a right it must not have, or could give itself one),
    JOURNAL_LINE_INCOMPLETE (an outcome that is neither allowed nor refused, a refusal without its code, an allowed
    line with one, no actor, no rule or no pack).
    """
    async with tenant.database.transaction() as connection:
        findings = [*await _rights(connection), *await _lines(connection)]
        counted = (await connection.execute(select(func.count()).select_from(journal))).scalar_one()
    return JournalReport(lines=counted, findings=tuple(findings))


def lines_by_actor() -> Subquery:
    """How many allowed lines each (patient_id, actor_id, action) has, for a domain to compare its acts with."""
    return (
        select(journal.c.patient_id, journal.c.actor_id, journal.c.action, func.count().label("lines"))
        .where(journal.c.outcome == Outcome.ALLOWED.value)
        .group_by(journal.c.patient_id, journal.c.actor_id, journal.c.action)
        .subquery("lines_by_actor")
    )


async def _rights(connection: AsyncConnection) -> list[Finding]:
    held = [
        right
        for right in FORBIDDEN
        if (await connection.execute(select(func.has_table_privilege(journal.name, right)))).scalar_one()
    ]
    columns = select(func.has_any_column_privilege(journal.name, "UPDATE"))
    if "UPDATE" not in held and (await connection.execute(columns)).scalar_one():
        held.append("UPDATE")
    if (await connection.execute(_OWNS)).scalar_one():
        held.append("OWNER")
    return [Finding(code="JOURNAL_MAY_BE_CHANGED", about=right) for right in held]


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
