"""What would have come out differently: the journalled decisions of a network, asked again of another pack.

A pack is tried on what people really asked before it takes effect. The pack of each line is asked too: where it does
not give the outcome that the line tells, the line is not counted as a change but as astray.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from dataclasses import replace as renamed
from datetime import datetime
from typing import Final, TypeAlias
from uuid import uuid4

from passerelle.audit import asked_again
from passerelle.audit.journal import Outcome
from passerelle.dossier.recorded import Question, Unanswerable, answer, question_of
from passerelle.kernel.context import Tenant
from passerelle_policies.packs import Overrides, Pack, packs
from passerelle_policies.vocabulary import Action, Kind, Relation, Role

_EXAMPLES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Who asked for what: the profession, what tied him to the patient, the act and the type of document."""

    role: Role
    relations: tuple[Relation, ...]
    kind: Kind
    action: Action
    type_code: str | None


@dataclass(slots=True)
class Change:
    """How many decisions of one cell would come out otherwise, with the lines of a few of them (network:line)."""

    gained: int = 0
    lost: int = 0
    lines: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Replay:
    """What a replay found. `asked` decisions were asked again; the others are in `apart`, by why they could not be."""

    lines: int = 0
    asked: int = 0
    gained: int = 0
    lost: int = 0
    changes: dict[Cell, Change] = field(default_factory=dict)
    astray: int = 0
    astray_lines: list[str] = field(default_factory=list)
    apart: Counter[Unanswerable] = field(default_factory=Counter)

    def __iadd__(self, other: Replay) -> Replay:
        for name in ("lines", "asked", "gained", "lost", "astray"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.apart += other.apart
        self.astray_lines = (self.astray_lines + other.astray_lines)[:_EXAMPLES]
        for cell, change in other.changes.items():
            mine = self.changes.setdefault(cell, Change())
            mine.gained, mine.lost = mine.gained + change.gained, mine.lost + change.lost
            mine.lines = (mine.lines + change.lines)[:_EXAMPLES]
        return self


async def count(tenant: Tenant, since: datetime, until: datetime | None = None) -> int:
    """How many lines there are to go through."""
    async with tenant.database.transaction() as connection:
        return await asked_again.count_decisions(connection, since, until)


async def replay(
    tenant: Tenant,
    pack: Pack,
    since: datetime,
    until: datetime | None = None,
    *,
    on_lines: Callable[[int], None] = lambda _: None,
) -> Replay:
    """Ask every decision journalled since then under `pack`, with the network's own parameters of today.

    `pack` needs a name that no other pack of this process has (`draft`). What a list showed is not in the journal:
    of an opening, only the decision on the record is asked again.
    """
    asked: dict[_Key, _Seen] = {}
    lines = 0
    async with tenant.database.transaction() as connection:
        async for rows in asked_again.decisions(connection, since, until):
            for row in rows:
                key: _Key = tuple(row[1:])
                seen = asked.get(key)
                if seen is None:
                    seen = asked[key] = _Seen()
                seen.times += 1
                if seen.times <= _EXAMPLES:
                    seen.lines.append(f"{tenant.id}:{row[0]}")
            lines += len(rows)
            on_lines(lines)
    found = Replay(lines=lines)
    known = {each.name: each for each in packs()}
    for key, seen in asked.items():
        _judge(found, key, seen, pack, known, tenant.parameters)
    return found


def draft(pack: Pack) -> Pack:
    """A pack under a name of its own: decisions are kept by the name of the pack that took them."""
    return renamed(pack, name=f"{pack.name}#{uuid4().hex[:8]}")


_Key: TypeAlias = tuple[str | None, ...]


@dataclass(slots=True)
class _Seen:
    times: int = 0
    lines: list[str] = field(default_factory=list)


def _judge(found: Replay, key: _Key, seen: _Seen, pack: Pack, known: dict[str, Pack], overrides: Overrides) -> None:
    said = dict(zip((*asked_again.ASKED, "facts"), key, strict=True))
    line = {**said, "facts": json.loads(said["facts"] or "{}")}
    held = known.get(str(said["pack"]))
    question = question_of(line, pack.effective)
    if not isinstance(question, Question):
        found.apart[question] += seen.times
        return
    if held is None:
        found.apart[Unanswerable.PACK_UNKNOWN] += seen.times
        return
    found.asked += seen.times
    was_allowed = said["outcome"] == Outcome.ALLOWED
    if _is_allowed(question, held, overrides) != was_allowed:
        found.astray += seen.times
        found.astray_lines = [*found.astray_lines, *seen.lines][:_EXAMPLES]
        return
    is_allowed = _is_allowed(question, pack, overrides)
    if is_allowed == was_allowed:
        return
    change = found.changes.setdefault(_cell(question), Change())
    change.lines = [*change.lines, *seen.lines][:_EXAMPLES]
    if is_allowed:
        change.gained += seen.times
        found.gained += seen.times
    else:
        change.lost += seen.times
        found.lost += seen.times


def _is_allowed(question: Question, pack: Pack, overrides: Overrides) -> bool:
    decision = answer(question, pack, overrides)
    return decision is not None and decision.allowed


def _cell(question: Question) -> Cell:
    return Cell(
        role=question.facts.role,
        relations=_named(question.facts.relations),
        kind=question.kind,
        action=question.action,
        type_code=question.document.type_code if question.document else None,
    )


def _named(relations: Iterable[Relation]) -> tuple[Relation, ...]:
    held = set(relations) - {Relation.NONE}
    return tuple(each for each in Relation if each in held)
