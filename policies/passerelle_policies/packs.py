"""Rules with a date: the pack in force on a day, with its matrix, its sets of document types and its parameters.

A pack is a folder of `packs/`: `pack.toml` (name, day it takes effect, source, the pack it extends), `matrix.csv`
(see `matrix`), `groups.csv` (named sets of document types), `parameters.toml`. A pack that extends another says only
what changes: its lines replace those of the same name or come after them, `removed` in `pack.toml` takes lines
away, its parameters replace those of the same name; the sets of types are the nearest. `operator.toml` holds what
the operator chose and no text dates, beneath every pack. Nothing here is a constant of code.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import TypeAlias

from passerelle_policies import nomenclatures
from passerelle_policies.matrix import InvalidPack, Line, amended, read_matrix
from passerelle_policies.nomenclatures import Code
from passerelle_policies.vocabulary import Action, Kind, Setting
from passerelle_policies.words import ACTS

Value: TypeAlias = int | str | bool
Overrides: TypeAlias = Mapping[str, Value]

NO_OVERRIDES: Overrides = MappingProxyType({})


class NoPackInForce(LookupError):
    """No rule pack covers the day asked about."""


class InvalidOverride(ValueError):
    """A tenant's override that the pack does not allow: unknown, of another type, or not overridable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One dated value, with the text it comes from. `is_established` is false where no text was found."""

    name: str
    value: Value
    source: str
    effective: date
    is_overridable: bool
    is_established: bool
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """The rules in force from one day until the next pack's.

    `nobody` holds the acts that it opens to nobody, on purpose; `by_setting`, the kinds of which a line asks from where
    one acts.
    """

    name: str
    label: str
    effective: date
    source: str
    lines: tuple[Line, ...]
    groups: Mapping[str, frozenset[str]]
    parameters: Mapping[str, Parameter]
    extends: str | None = None
    nobody: frozenset[tuple[Kind, Action]] = frozenset()
    gates: tuple[str, ...] = field(default=())
    by_setting: frozenset[Kind] = frozenset()
    sets_of_type: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def dmp_types(self) -> frozenset[str]:
        """The document types that a DMP takes (ASS_X16)."""
        return self.groups["dmp:*"]

    def class_of(self, type_code: str) -> Code:
        """The class of a document type. Raises `KeyError` for a type that has none."""
        its_type = nomenclatures.document_types()[type_code]
        if its_type.class_code is None:
            raise KeyError(type_code)
        return nomenclatures.document_classes()[its_type.class_code]

    def parameter(self, name: str, overrides: Overrides = NO_OVERRIDES) -> Value:
        """The value of a parameter, or the tenant's. Raises `InvalidOverride`, or `KeyError` when unknown."""
        parameter = self.parameters[name]
        if name not in overrides:
            return parameter.value
        return _checked(parameter, overrides[name])

    def line(self, rule: str) -> Line | None:
        """The line of the matrix of that name; None for a rule that is no line of it (a block, the default)."""
        return next((each for each in self.lines if each.rule == rule), None)

    def number(self, name: str, overrides: Overrides = NO_OVERRIDES) -> int:
        """`parameter`, when it must be a whole number."""
        value = self.parameter(name, overrides)
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"parameter {name} is not a number")
        return value

    def holds(self, name: str, overrides: Overrides = NO_OVERRIDES) -> bool:
        """`parameter`, when it must be yes or no."""
        value = self.parameter(name, overrides)
        if not isinstance(value, bool):
            raise TypeError(f"parameter {name} is not a yes or no")
        return value


def pack_on(day: date) -> Pack:
    """The pack in force on `day`. Raises `NoPackInForce` before the first."""
    pack = _kept_by_day.get(day)
    if pack is None:
        pack = next((each for each in reversed(packs()) if each.effective <= day), None)
        if pack is None:
            raise NoPackInForce(f"no rule pack is in force on {day.isoformat()}")
        if len(_kept_by_day) > 20_000:
            _kept_by_day.clear()
        _kept_by_day[day] = pack
    return pack


def pack_named(name: str) -> Pack:
    """The pack of that name. Raises `KeyError`."""
    return {each.name: each for each in packs()}[name]


@cache
def packs() -> tuple[Pack, ...]:
    """Every pack of the distribution, oldest first."""
    return tuple(sorted(map(read_pack, pack_names()), key=lambda pack: pack.effective))


def pack_names() -> list[str]:
    """The names of the packs of the distribution, readable or not."""
    return sorted(each.name for each in _folder().iterdir() if each.joinpath("pack.toml").is_file())


def read_pack(name: str) -> Pack:
    """Read one pack of the distribution anew. Raises `InvalidPack`."""
    return load_pack(_folder().joinpath(name), _folder())


def load_pack(folder: Traversable, beside: Traversable) -> Pack:
    """Read one pack; the pack it extends lies in `beside`. Raises `InvalidPack`."""
    chain = _chain(folder, beside)
    about = _toml(folder.joinpath("pack.toml"), "pack.toml")
    name = folder.name
    parameters: dict[str, Parameter] = {}
    lines: tuple[Line, ...] = ()
    operator = beside.joinpath("operator.toml")
    if operator.is_file():
        parameters |= _parameters(_toml(operator, operator.name), operator.name)
    for each in reversed(chain):
        if (file := each.joinpath("parameters.toml")).is_file():
            parameters |= _parameters(_toml(file, f"{each.name}/{file.name}"), f"{each.name}/{file.name}")
        lines = _amended(lines, each)
    if not lines:
        raise InvalidPack(f"{name}: no matrix, here or in what it extends")
    groups = _groups(_nearest(chain, "groups.csv"))
    sets_of_type: dict[str, set[str]] = {}
    for group, codes in groups.items():
        for code in codes:
            sets_of_type.setdefault(code, set()).add(group)
    effective, label, source = about.get("effective"), about.get("label"), about.get("source")
    if not isinstance(effective, date) or not isinstance(label, str) or not isinstance(source, str):
        raise InvalidPack(f"{name}/pack.toml: effective (a day), label and source are needed")
    gates = tuple(sorted({line.when for line in lines if line.when}))
    for gate in gates:
        if gate not in parameters or not isinstance(parameters[gate].value, bool):
            raise InvalidPack(f"{name}/matrix.csv: {gate} is not a yes-or-no parameter")
    return Pack(
        name=name,
        label=label,
        effective=effective,
        source=source,
        lines=lines,
        groups=groups,
        parameters=parameters,
        extends=chain[1].name if len(chain) > 1 else None,
        nobody=_acts(about.get("nobody", []), name),
        gates=gates,
        by_setting=frozenset(line.kind for line in lines if line.settings != frozenset(Setting)),
        sets_of_type={code: frozenset(each) for code, each in sets_of_type.items()},
    )


def check_overrides(pack: Pack, overrides: Overrides) -> list[str]:
    """What is wrong with a tenant's overrides, one sentence each; none when all may stand."""
    faults = []
    for name, value in overrides.items():
        try:
            _checked(pack.parameters[name], value)
        except KeyError:
            faults.append(f"{name}: no such parameter in {pack.name}")
        except InvalidOverride as fault:
            faults.append(str(fault))
    return faults


def _folder() -> Traversable:
    return files("passerelle_policies").joinpath("packs")


def _checked(parameter: Parameter, value: Value) -> Value:
    if not parameter.is_overridable:
        raise InvalidOverride(f"{parameter.name}: set by {parameter.source}, no tenant may change it")
    if type(value) is not type(parameter.value):
        raise InvalidOverride(f"{parameter.name}: {type(parameter.value).__name__} is needed")
    return value


def _chain(folder: Traversable, beside: Traversable) -> list[Traversable]:
    chain = [folder]
    while isinstance(name := _toml(chain[-1].joinpath("pack.toml"), "pack.toml").get("extends"), str):
        after = beside.joinpath(name)
        if not after.is_dir() or any(each.name == name for each in chain):
            raise InvalidPack(f"{chain[-1].name}/pack.toml: cannot extend {name}")
        chain.append(after)
    return chain


def _amended(lines: tuple[Line, ...], folder: Traversable) -> tuple[Line, ...]:
    """`lines` as the pack of `folder` changes them."""
    removed = _toml(folder.joinpath("pack.toml"), "pack.toml").get("removed", [])
    if not isinstance(removed, list):
        raise InvalidPack(f"{folder.name}/pack.toml: removed must be a list of lines")
    name = f"{folder.name}/matrix.csv"
    file = folder.joinpath("matrix.csv")
    return amended(lines, removed, read_matrix(file.read_text("utf-8"), name) if file.is_file() else (), name)


def _acts(said: object, name: str) -> frozenset[tuple[Kind, Action]]:
    if not isinstance(said, list) or any(each not in ACTS for each in said):
        raise InvalidPack(f"{name}/pack.toml: nobody must be a list of acts (words.toml)")
    return frozenset(ACTS[each] for each in said)


def _nearest(chain: list[Traversable], file: str) -> str:
    for folder in chain:
        if folder.joinpath(file).is_file():
            return folder.joinpath(file).read_text("utf-8")
    raise InvalidPack(f"{chain[0].name}: no {file}, here or in what it extends")


def _groups(text: str) -> Mapping[str, frozenset[str]]:
    groups: dict[str, set[str]] = {}
    for its_type in nomenclatures.document_types().values():
        if its_type.in_dmp:
            groups.setdefault("dmp:*", set()).add(its_type.code)
            groups.setdefault(f"class:{its_type.class_code}", set()).add(its_type.code)
    for row in csv.DictReader(text.splitlines()):
        if row["type"] not in groups["dmp:*"]:
            raise InvalidPack(f"groups.csv: {row['type']} is not a type of the DMP")
        groups.setdefault(f"group:{row['group']}", set()).add(row["type"])
    return {name: frozenset(codes) for name, codes in groups.items()}


def _parameters(content: Mapping[str, object], file: str) -> dict[str, Parameter]:
    found: dict[str, Parameter] = {}
    for name, entry in content.items():
        if not isinstance(entry, dict):
            raise InvalidPack(f"{file}: [{name}] must be a table")
        if not isinstance(entry.get("effective"), date):
            raise InvalidPack(f"{file}: [{name}] lacks the day it takes effect (effective)")
        try:
            found[name] = Parameter(
                name=name,
                value=entry["value"],
                source=entry["source"],
                effective=entry["effective"],
                is_overridable=entry["overridable"],
                is_established=entry["established"],
                meaning=entry["meaning"],
            )
        except KeyError as missing:
            raise InvalidPack(f"{file}: [{name}] lacks {missing}") from missing
    return found


def _toml(file: Traversable, name: str) -> Mapping[str, object]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, OSError) as fault:
        raise InvalidPack(f"{name}: {fault}") from fault


_kept_by_day: dict[date, Pack] = {}
