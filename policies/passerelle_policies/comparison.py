"""What changes from one rule pack to another: who gains or loses what, and which texts and values moved.

Rights are read from the compiled matrix (`reach_under`), each pack with its own parameters, so that a line that
sleeps gives nothing, and two matrices written otherwise that say the same have no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from operator import attrgetter
from typing import TypeAlias, TypeVar

from passerelle_policies.decision import reach_under
from passerelle_policies.facts import Reach
from passerelle_policies.matrix import NO_TYPE, Concealment, Line
from passerelle_policies.packs import Pack, Parameter, Value
from passerelle_policies.vocabulary import Action, Kind, Mode, Relation, Role, Setting
from passerelle_policies.words import ACT_WORDS

_Right: TypeAlias = tuple[Role, Relation, Setting | None, Kind, Action, Mode, Concealment, bool]
_Word = TypeVar("_Word")
_SAME = ("role", "kind", "action", "on_open_record", "gained", "lost")


@dataclass(frozen=True, slots=True, kw_only=True)
class RightsChange:
    """What one role gains and loses, under each of `relations`, in each of `modes`, for what is so concealed.

    `gained` and `lost` hold document types. Where no document is meant both are empty or `-`, and `on_open_record`
    says for which records. `settings` is empty where neither pack looks at it.
    """

    role: Role
    kind: Kind
    action: Action
    relations: tuple[Relation, ...]
    settings: tuple[Setting, ...]
    modes: tuple[Mode, ...]
    concealments: tuple[Concealment, ...]
    on_open_record: bool
    gained: tuple[str, ...]
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterChange:
    """A value that is not the same, or that only one of the packs has."""

    name: str
    before: Parameter | None
    after: Parameter | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LineChange:
    """A line that only one of the packs has, or that names another text, says something else or stands otherwise."""

    rule: str
    before: Line | None
    after: Line | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Everything that differs from `before` to `after`."""

    before: Pack
    after: Pack
    rights: tuple[RightsChange, ...]
    parameters: tuple[ParameterChange, ...]
    lines: tuple[LineChange, ...]


def compare(before: Pack, after: Pack) -> Comparison:
    """What changes when `after` takes the place of `before`."""
    by_setting = before.by_setting | after.by_setting
    lines_before = {line.rule: line for line in before.lines}
    lines_after = {line.rule: line for line in after.lines}
    return Comparison(
        before=before,
        after=after,
        rights=tuple(_rights_changed(_rights(before, by_setting), _rights(after, by_setting))),
        parameters=tuple(
            ParameterChange(name=name, before=before.parameters.get(name), after=after.parameters.get(name))
            for name in sorted({**before.parameters, **after.parameters})
            if _said(before.parameters.get(name)) != _said(after.parameters.get(name))
        ),
        lines=tuple(
            LineChange(rule=rule, before=lines_before.get(rule), after=lines_after.get(rule))
            for rule in {**lines_before, **lines_after}
            if lines_before.get(rule) != lines_after.get(rule)
        ),
    )


def _said(parameter: Parameter | None) -> tuple[Value, bool] | None:
    return (parameter.value, parameter.is_overridable) if parameter else None


def _rights(pack: Pack, by_setting: frozenset[Kind]) -> Mapping[_Right, frozenset[str]]:
    found: dict[_Right, set[str]] = {}
    for role, mode, (kind, action), is_open in product(Role, Mode, ACT_WORDS, (True, False)):
        settings: tuple[Setting | None, ...] = tuple(Setting) if kind in by_setting else (None,)
        for setting in settings:
            for line in reach_under(pack, role, mode, kind, action, is_open=is_open, setting=setting or Setting.NONE):
                for relation, concealment in product(line.relations, _shown(line)):
                    right = (role, relation, setting, kind, action, mode, concealment, is_open)
                    found.setdefault(right, set()).update(line.types or (NO_TYPE,))
    return {right: frozenset(types) for right, types in found.items()}


def _shown(line: Reach) -> Iterator[Concealment]:
    yield Concealment.PLAIN
    if not line.types:
        return
    if line.sees_masked:
        yield Concealment.MASKED
    if line.sees_hidden_from_patient:
        yield Concealment.HIDDEN_FROM_PATIENT
    if line.sees_hidden_from_representatives:
        yield Concealment.HIDDEN_FROM_REPRESENTATIVES


def _rights_changed(
    before: Mapping[_Right, frozenset[str]], after: Mapping[_Right, frozenset[str]]
) -> list[RightsChange]:
    changes: list[RightsChange] = []
    nothing: frozenset[str] = frozenset()
    for right in {**before, **after}:
        role, relation, setting, kind, action, mode, concealment, is_open = right
        gained = after.get(right, nothing) - before.get(right, nothing)
        lost = before.get(right, nothing) - after.get(right, nothing)
        if gained or lost:
            changes.append(
                RightsChange(
                    role=role,
                    kind=kind,
                    action=action,
                    relations=(relation,),
                    settings=(setting,) if setting else (),
                    modes=(mode,),
                    concealments=(concealment,),
                    on_open_record=is_open,
                    gained=tuple(sorted(gained)),
                    lost=tuple(sorted(lost)),
                )
            )
    for others, join in _JOINS:
        merged: dict[Hashable, RightsChange] = {}
        for change in changes:
            known = merged.get(others(change))
            merged[others(change)] = join(known, change) if known else change
        changes = list(merged.values())
    acts, roles = list(ACT_WORDS), list(Role)
    return sorted(changes, key=lambda each: (roles.index(each.role), acts.index((each.kind, each.action))))


def _join_concealments(one: RightsChange, other: RightsChange) -> RightsChange:
    return replace(one, concealments=_ordered(Concealment, one.concealments + other.concealments))


def _join_modes(one: RightsChange, other: RightsChange) -> RightsChange:
    return replace(one, modes=_ordered(Mode, one.modes + other.modes))


def _join_settings(one: RightsChange, other: RightsChange) -> RightsChange:
    return replace(one, settings=_ordered(Setting, one.settings + other.settings))


def _join_relations(one: RightsChange, other: RightsChange) -> RightsChange:
    return replace(one, relations=_ordered(Relation, one.relations + other.relations))


def _ordered(vocabulary: Iterable[_Word], words: Iterable[_Word]) -> tuple[_Word, ...]:
    found = set(words)
    return tuple(word for word in vocabulary if word in found)


# Changes alike in all the rest are told as one, first over concealments, then modes, settings, relations.
_JOINS: tuple[tuple[Callable[[RightsChange], Hashable], Callable[[RightsChange, RightsChange], RightsChange]], ...] = (
    (attrgetter(*_SAME, "relations", "settings", "modes"), _join_concealments),
    (attrgetter(*_SAME, "relations", "settings", "concealments"), _join_modes),
    (attrgetter(*_SAME, "relations", "modes", "concealments"), _join_settings),
    (attrgetter(*_SAME, "settings", "modes", "concealments"), _join_relations),
)
