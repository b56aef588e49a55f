"""What the network signed of its prunings: below which place of the tree its lines are gone, by which rule.

A statement is the fact `pruning` of a journal line about nobody, which is never pruned itself. The key signs it when
the lines go, not only once its own line is sealed: whoever owns the database cannot make a deletion look like one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import ARRAY, BigInteger, ColumnElement, and_, any_, literal, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.findings import Finding
from passerelle.audit.heads import Head, head_of, select_heads
from passerelle.audit.journal import NOBODY, Outcome
from passerelle.audit.successions import Signers, signers
from passerelle.audit.tables import IS_PRUNING, journal, journal_seal
from passerelle.audit.verifier import PRUNING_FORM, is_pruning, pruning_text
from passerelle.kernel.context import Tenant

FACT: Final = "pruning"
_PLACES: Final = range(1 << 63)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Who prunes, when, and on which rule: lines from before `until` go, kept for `years` by `parameter`."""

    by: str
    at: datetime
    until: datetime
    rule: str
    pack: str
    parameter: str
    years: int
    source: str


@dataclass(frozen=True, slots=True)
class Prunings:
    """The signed statements, oldest first, and what is wrong with them. Nothing is left below the place `below`."""

    statements: Sequence[Mapping[str, Any]]
    findings: tuple[Finding, ...]

    @property
    def below(self) -> int:
        return int(self.statements[-1]["below"]) if self.statements else 0

    @property
    def until(self) -> datetime | None:
        """The instant before which lines may be gone; None while nothing was ever pruned."""
        return datetime.fromisoformat(self.statements[-1]["until"]) if self.statements else None

    @property
    def lines(self) -> int:
        """How many lines went in all."""
        return sum(int(each["lines"]) for each in self.statements)


def stated(tenant: Tenant, by: Signers, reason: Reason, begins: int, head: Head, lines: int) -> dict[str, Any]:
    """The signed statement that `lines` went from the place `begins` up to that head."""
    told = head.document()
    statement = {
        "form": PRUNING_FORM,
        "tenant": tenant.id,
        "from": begins,
        "below": head.tree_size,
        "lines": lines,
        "root": told["root"],
        "sealed_at": told["sealed_at"],
        "until": _instant(reason.until),
        "at": _instant(reason.at),
        "by": reason.by,
        "rule": reason.rule,
        "pack": reason.pack,
        "parameter": reason.parameter,
        "years": reason.years,
        "source": reason.source,
        "key_id": by.key_id,
    }
    return {**statement, "signature": by.sign(pruning_text(statement)).hex()}


def is_statement() -> ColumnElement[bool]:
    """SQL condition: a line of the journal tells of a pruning."""
    return and_(
        journal.c.patient_id == NOBODY,
        literal_column(f"({IS_PRUNING})"),
        journal.c.outcome == Outcome.ALLOWED.value,
    )


async def prunings(connection: AsyncConnection, tenant: Tenant) -> Prunings:
    """Read the statements of a journal. Each must be signed by the network, say what a signed head says of that
    place, and go on where the one before ended.

    Finds JOURNAL_PRUNING_FALSE (a line's id) and JOURNAL_PRUNING_REMOVED (the places that a missing one told of).
    """
    told = select(journal.c.line_id, journal.c.facts[FACT].label("said")).where(is_statement())
    rows = (await connection.execute(told.order_by(journal.c.line_id))).all()
    if not rows:
        return Prunings((), ())
    by = await signers(connection, tenant)
    heads = await _heads(connection, tenant, by, [row.said for row in rows])
    findings: list[Finding] = []
    true: list[Mapping[str, Any]] = []
    reached = 0
    for row in rows:
        if not _is_true(row.said, tenant, by, heads) or row.said["from"] < reached:
            findings.append(Finding(code="JOURNAL_PRUNING_FALSE", about=str(row.line_id)))
            continue
        if row.said["from"] > reached:
            findings.append(Finding(code="JOURNAL_PRUNING_REMOVED", about=f"#{reached}–#{row.said['from'] - 1}"))
        true.append(row.said)
        reached = row.said["below"]
    return Prunings(true, tuple(findings))


async def _heads(connection: AsyncConnection, tenant: Tenant, by: Signers, said: Sequence[Any]) -> dict[int, Head]:
    places = [each["below"] for each in said if isinstance(each, dict) and _is_place(each.get("below"))]
    if not places:
        return {}
    found = select_heads().where(journal_seal.c.tree_size == any_(literal(places, ARRAY(BigInteger))))
    heads = [head_of(tenant.id, row) for row in await connection.execute(found)]
    return {head.tree_size: head for head in heads if head.is_signed_by(by)}


def _is_true(said: Any, tenant: Tenant, by: Signers, heads: Mapping[int, Head]) -> bool:
    try:
        if not is_pruning(said, tenant.id, by.of_pruning(said["below"])):
            return False
    except (TypeError, ValueError, KeyError, AttributeError):
        return False
    head = heads.get(said["below"])
    return head is not None and (head.root.hex(), head.document()["sealed_at"]) == (said["root"], said["sealed_at"])


def _is_place(value: Any) -> bool:
    return type(value) is int and value in _PLACES


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
