"""The journal's retention carried out: the operator removes the lines whose time is over, by the rule in force.

Nothing goes that is still looked at: what the reader task has not followed yet, nor the days on which newcomers and
unusual patterns are judged, however short a network's retention. Sources: RGPD, art. 5-1 e; docs/decisions/0092.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from passerelle.audit import journal, pruning
from passerelle.audit.journal import NOBODY
from passerelle.audit.pruning_statements import FACT, Reason, stated
from passerelle.audit.successions import signers
from passerelle.audit.transactions import Act, transaction
from passerelle.audit.verification import count_lines
from passerelle.dossier import access, refusals
from passerelle.dossier.newcomers import WATERMARK
from passerelle.kernel.clock import PARIS, months_before
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Refused
from passerelle.notices import watermarks
from passerelle_policies.decision import decide
from passerelle_policies.vocabulary import Action, Kind

Progress = Callable[[int, int], None]
AT_ONCE: Final = 20_000
_PARAMETER: Final = "journal.retention_years"


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What the retention asks for: `past` lines are from before `until`, of which `lines` may go now, up to `below`.

    Below the place `begins` everything is pruned already: nothing from before `pruned_until` need be left. The journal
    has `kept` lines, `sealed` of them sealed.
    """

    until: datetime
    years: int
    source: str
    past: int
    lines: int
    begins: int
    below: int
    kept: int
    sealed: int
    pruned_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """How many lines went, and below which place nothing is left."""

    lines: int
    below: int


async def due(context: Context) -> Due:
    """What pruning would do now; nothing is changed. Refused: JOURNAL_PRUNING_FALSE, JOURNAL_PRUNING_REMOVED."""
    tenant, until = context.tenant, _until(context)
    async with tenant.database.transaction() as connection:
        told = await pruning.told(connection, tenant)
        limit = await watermarks.position(connection, WATERMARK) + 1
        below = await pruning.ends_at(connection, told.below, until, limit)
        kept, sealed = await count_lines(connection, told)
        years, source = _rule(context)
        return Due(
            until=until,
            years=years,
            source=source,
            past=await pruning.count_past(connection, until),
            lines=await pruning.count_lines(connection, told.below, below),
            begins=told.below,
            below=below,
            kept=kept,
            sealed=sealed,
            pruned_until=told.until,
        )


async def prune(
    context: Context, on_progress: Progress = lambda _done, _total: None, *, at_once: int = AT_ONCE
) -> Pruned:
    """Remove what is due, `at_once` lines in an act with its signed statement; the database is opened by its owner.

    Whoever is cut off goes on from his last act. Refused: ACCESS_REFUSED but to the operator, JOURNAL_NOT_OWNED,
    JOURNAL_NOT_AS_SEALED, JOURNAL_HEAD_BROKEN, JOURNAL_PRUNING_FALSE, JOURNAL_PRUNING_REMOVED, SEALING_KEY_SUPERSEDED.
    """
    until, lines, end, first = _until(context), 0, None, 0
    while True:
        async with transaction(context) as act:
            rule, said = await _decided(act)
            await pruning.take_turn(act.connection)
            begins = (await pruning.told(act.connection, context.tenant)).below
            if end is None:
                limit = await watermarks.position(act.connection, WATERMARK) + 1
                first, end = begins, await pruning.ends_at(act.connection, begins, until, limit)
            if begins >= end:
                return Pruned(lines=lines, below=begins)
            prefix = await pruning.next_prefix(act.connection, context.tenant, begins, end, at_once)
            removed = await pruning.remove(act.connection, context.tenant, prefix)
            why = _reason(act, until, rule)
            by = await signers(act.connection, context.tenant)
            statement = stated(context.tenant, by, why, begins, prefix.head, removed)
            await journal.append(act.connection, context, replace(said, facts={**said.facts, FACT: statement}))
        lines += removed
        on_progress(prefix.head.tree_size - first, end - first)


async def _decided(act: Act) -> tuple[str, journal.Line]:
    facts = await access.facts_of(act.context, act.connection, NOBODY)
    decision = decide(facts, Kind.JOURNAL, Action.PURGE, overrides=act.context.tenant.parameters)
    said = access.line(decision, Kind.JOURNAL, Action.PURGE, NOBODY, facts)
    if not decision.allowed:
        raise Refused(refusals.code_told(decision, facts, Kind.JOURNAL, Action.PURGE), line=said)
    return decision.rule, said


def _until(context: Context) -> datetime:
    now = context.clock.now()
    years, _ = _rule(context)
    still_asked = max(
        access.number(context, "notices.newcomer_days"),
        access.number(context, "oversight.period_days") + access.number(context, "oversight.habit_days"),
    )
    over = months_before(now.astimezone(PARIS), 12 * years).astimezone(UTC)
    return min(over, now - timedelta(days=still_asked))


def _rule(context: Context) -> tuple[int, str]:
    own = context.tenant.parameters
    source = access.pack_in(context).parameters[_PARAMETER].source
    return access.number(context, _PARAMETER), f"Choix du réseau ({source})" if _PARAMETER in own else source


def _reason(act: Act, until: datetime, rule: str) -> Reason:
    years, source = _rule(act.context)
    return Reason(
        by=act.context.actor.id,
        at=act.now,
        until=until,
        rule=rule,
        pack=access.pack_in(act.context).name,
        parameter=_PARAMETER,
        years=years,
        source=source,
    )
