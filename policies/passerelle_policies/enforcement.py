"""Casbin's side: the matrix as its policy, its answers compiled once into filter lines.

Nothing outside this module calls Casbin. A compiled column (pack, role, mode, kind, action, wakeful parameters) is kept
for the life of the process: packs do not change under a running one, and are told apart by their names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from importlib.resources import files
from typing import Any

import casbin

from passerelle_policies.compilation import Compiled, alike_types, merged, rules_of
from passerelle_policies.facts import Reach
from passerelle_policies.matrix import NO_TYPE, Concealment, Line, terms_matching
from passerelle_policies.packs import NO_OVERRIDES, Overrides, Pack
from passerelle_policies.vocabulary import Action, Kind, Mode, Relation, Role, Setting


def ask_casbin(
    pack: Pack,
    role: Role,
    relation: Relation,
    kind: Kind,
    type_code: str,
    action: Action,
    mode: Mode,
    concealment: Concealment = Concealment.PLAIN,
    *,
    is_open: bool = True,
    overrides: Overrides = NO_OVERRIDES,
    setting: Setting = Setting.NONE,
) -> tuple[bool, str]:
    """Casbin's own answer on the whole matrix, with the line that made it: the judge of what is compiled and kept."""
    enforcer = _whole_matrix(pack.name, _gates(pack, overrides), pack)
    return _enforce(enforcer, (role, relation, setting, kind, type_code, action, mode, concealment, _dossier(is_open)))


def compiled(
    pack: Pack,
    role: Role,
    mode: Mode,
    kind: Kind,
    action: Action,
    overrides: Overrides = NO_OVERRIDES,
    *,
    is_objected: bool = False,
    setting: Setting = Setting.NONE,
) -> Compiled:
    """Every answer of Casbin to one column of the matrix, under a tenant's parameters.

    `is_objected`: the patient objected to emergencies, so that what only they open is left out (L.1111-17 I).
    """
    gates = _gates(pack, overrides)
    is_objected = is_objected and mode is not Mode.NORMAL
    setting = setting if kind in pack.by_setting else Setting.NONE  # or one column would be compiled for each of them
    key = (pack.name, role, mode, kind, action, gates, is_objected, setting)
    kept = _tables.get(key)
    if kept is None:
        kept = _tables[key] = _compile(pack, role, mode, kind, action, gates, is_objected=is_objected, setting=setting)
    return kept


def _compile(
    pack: Pack,
    role: Role,
    mode: Mode,
    kind: Kind,
    action: Action,
    gates: frozenset[str],
    *,
    is_objected: bool,
    setting: Setting,
) -> Compiled:
    lines = [
        line
        for line in pack.lines
        if role in line.roles
        and kind is line.kind
        and action in line.actions
        and mode in line.modes
        and setting in line.settings
        and (not line.when or line.when in gates)
        and (not is_objected or Mode.NORMAL in line.modes or line.effect == "deny")
    ]
    if not lines:
        return _NOTHING
    enforcer = _enforcer(pack, lines)
    relations = [each for each in Relation if any(each in line.relations for line in lines)]
    alike = alike_types(pack, lines) if kind is Kind.DOCUMENT else {NO_TYPE: ()}
    denials: dict[str, dict[Relation, str]] = {}

    def answers(is_open: bool) -> tuple[Reach, ...]:
        grouped: dict[tuple[Relation, str, frozenset[Concealment]], list[str]] = {}
        for relation in relations:
            for sample, types in alike.items():
                cell: dict[Concealment, str] = {}
                for concealment in Concealment:
                    asked = (role, relation, setting, kind, sample, action, mode, concealment, _dossier(is_open))
                    allowed, rule = _enforce(enforcer, asked)
                    if allowed:
                        cell[concealment] = rule
                    elif rule and is_open:
                        for type_code in types:
                            denials.setdefault(type_code, {})[relation] = rule
                for rule, seen in rules_of(cell):
                    grouped.setdefault((relation, rule, seen), []).extend(types)
        return merged(grouped)

    return Compiled(
        open=answers(is_open=True),
        otherwise=answers(is_open=False) if any(not line.needs_open_dossier for line in lines) else (),
        denials=denials,
        lines={line.rule: line for line in lines},
    )


class _Enforcer(casbin.Enforcer):  # type: ignore[misc]
    """Casbin's, which parses its matcher anew at each question: ours has one, and parses it once.

    What is parsed holds the question under way, so that one of these serves one thread: a column is compiled by one of
    its own, `ask_casbin` is for tests and measures.
    """

    def _get_expression(self, expr: str, functions: Any = None) -> Any:
        kept = self.__dict__.get("_parsed")
        if kept is None:
            kept = self._parsed = super()._get_expression(expr, functions)
        return kept


def _enforcer(pack: Pack, lines: Iterable[Line]) -> casbin.Enforcer:
    model = casbin.model.Model()
    model.load_model_from_text(_model())
    enforcer = _Enforcer(model)
    enforcer.add_function("lists", _lists)
    enforcer.add_function("names", _names(pack))
    # The last line that matches is the one Casbin cites: the first of the matrix goes in last.
    enforcer.add_policies([_row(line) for line in reversed(list(lines))])
    return enforcer


def _enforce(enforcer: casbin.Enforcer, asked: tuple[str, ...]) -> tuple[bool, str]:
    allowed, line = enforcer.enforce_ex(*(str(each) for each in asked))
    return bool(allowed), str(line[-2]) if line else ""


def _row(line: Line) -> list[str]:
    return [
        "|".join(sorted(line.roles)),
        "|".join(sorted(line.relations)),
        "|".join(sorted(line.settings)),
        line.kind.value,
        "|".join(line.types) or NO_TYPE,
        "|".join(sorted(line.actions)),
        "|".join(sorted(line.modes)),
        "|".join(sorted(line.even_if)),
        "open" if line.needs_open_dossier else "open|other",
        line.rule,
        line.effect,
    ]


def _lists(cell: str, word: str) -> bool:
    return word in cell.split("|")


def _names(pack: Pack) -> Callable[[str, str], bool]:
    def names(cell: str, type_code: str) -> bool:
        return terms_matching(cell.split("|"), type_code, pack.sets_of_type.get(type_code, frozenset()))

    return names


def _whole_matrix(name: str, gates: frozenset[str], pack: Pack) -> casbin.Enforcer:
    key = (name, gates)
    if key not in _matrices:
        _matrices[key] = _enforcer(pack, [line for line in pack.lines if not line.when or line.when in gates])
    return _matrices[key]


def _dossier(is_open: bool) -> str:
    return "open" if is_open else "other"


def _gates(pack: Pack, overrides: Overrides) -> frozenset[str]:
    return frozenset(gate for gate in pack.gates if pack.holds(gate, overrides))


@cache
def _model() -> str:
    return files("passerelle_policies").joinpath("model.conf").read_text("utf-8")


_NOTHING = Compiled(open=(), otherwise=(), denials={}, lines={})
_tables: dict[tuple[object, ...], Compiled] = {}
_matrices: dict[tuple[str, frozenset[str]], casbin.Enforcer] = {}
