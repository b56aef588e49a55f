"""Invented arguments: of what exists and of nothing, as literals and as variables, defaults and nulls included."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    Undefined,
    is_required_argument,
    is_required_input_field,
)

from passerelle_ops.bench._worlds import Draw

#: Texts that would break a statement that they stood in, and an answer that they were copied into.
HOSTILE: Final = (
    "'", "''", "' or '1'='1", "'; select pg_sleep(9); --", "$1", "$$", ":id", "%s", "%(x)s", "{0}", "--", "/*", "*/",
    ";", "\\", "\\'", "\\x00", '"', '"}', "\x01", "\x010\x02[]\x01", "\x02", "\x1f", "\x7f", "\x85", "\u2028", "\ufeff",
    "\ufffe", "é", "e\u0301", "ʼ", "😀", "𝔘", "\U0010ffff", "\u202e", "passerelle_body", "null", "", " ", "\t\n\r\b\f",
)  # fmt: skip
_INSTANTS: Final = (
    "2026-11-01T00:00:00Z", "2026-11-16T09:00:00.123456+05:30", "2024-02-29T23:59:59-12:00", "1999-01-01T00:00:00Z",
    "0002-01-01T00:00:00Z", "9998-12-31T23:59:59.999999Z", "2026-11-13T09:00:00+00:00",
)  # fmt: skip
_SIZES: Final = (*(1, 2, 3, 10, 20) * 3, 50, 100, 0, -1, 101, 2**31 - 1)
_ELSEWHERE: Final = ("", "nothing", "cA", "é", "0" * 24, *HOSTILE[:6])
_SELDOM: Final = (False,) * 9 + (True,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What exists, for arguments to name: ids of the graph, cursors, matricules (OID, value), codes."""

    patients: Sequence[str]
    documents: Sequence[str]
    teams: Sequence[str]
    pages: Sequence[str]
    lines: Sequence[str]
    places: Sequence[str]
    handed: Sequence[str]
    recalls: Sequence[str]
    products: Sequence[str]
    matricules: Sequence[tuple[str, str]]
    professionals: Sequence[str]
    types: Sequence[str]
    structures: Sequence[str]
    names: Sequence[tuple[str, str]]


class Word(str):
    """A value of an enumeration: bare in a document, a text among variables."""

    __slots__ = ()


@dataclass(slots=True)
class Arguments:
    """Writes the arguments of an operation, and declares its variables on the way; `given` are their values.

    `may_fail`: null may be given where it fails the field.
    """

    draw: Draw
    known: Known
    may_fail: bool = True
    given: dict[str, Any] = field(default_factory=dict)
    _declared: dict[str, str] = field(default_factory=dict)

    def of_field(self, field_name: str, arguments: Mapping[str, GraphQLArgument]) -> str:
        """The arguments of a field, in their parentheses."""
        written: list[str] = []
        for name, argument in arguments.items():
            if is_required_argument(argument) or self.draw.choose((False, False, False, True)):
                has_default = argument.default_value is not Undefined
                value = self._value(argument.type, f"{field_name}.{name}", has_default=has_default)
                written.append(f"{name}: {value}")
        return f"({', '.join(written)})" if written else ""

    def switch(self) -> str:
        """The condition of a directive."""
        form = self.draw.choose(("literal", "given", "default", "nullable"))
        yes = self.draw.choose((True, True, False))
        if form == "literal":
            return json.dumps(yes)
        if form == "given":
            return self._variable("Boolean!", given=yes)
        default = json.dumps(self.draw.choose((True, False)))
        if form == "default":
            return self._variable(f"Boolean! = {default}", **self.draw.choose(({}, {"given": yes})))
        return self._variable(f"Boolean = {default}", **self._said(yes, may_be_null=False))

    def declared(self) -> str:
        """The declarations of the variables that were made."""
        said = ", ".join(f"${name}: {type_}" for name, type_ in self._declared.items())
        return f"({said})" if said else ""

    # Values.

    def _value(self, type_: GraphQLInputType, place: str, *, has_default: bool, is_one_of: bool = False) -> str:
        """A literal, a variable, or a literal with variables in it."""
        bare = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        may_be_null = bare is type_ and not is_one_of
        if self.draw.choose((False, False, False, True)):
            return self._as_variable(bare, place, may_be_null=may_be_null, has_default=has_default, is_one_of=is_one_of)
        if may_be_null and self.draw.choose(_SELDOM):
            return "null"
        if isinstance(bare, GraphQLList) and self.draw.choose((True, True, False)):
            items = [self._value(bare.of_type, place, has_default=False) for _ in range(self.draw.choose((0, 1, 2)))]
            return f"[{', '.join(items)}]"
        if isinstance(bare, GraphQLInputObjectType) and not _is_one_of(bare):
            inside = [
                f"{name}: {self._value(each.type, f'{place}.{name}', has_default=_has_default(each))}"
                for name, each in self._some_of(bare)
            ]
            return f"{{{', '.join(inside)}}}"
        if isinstance(bare, GraphQLInputObjectType):
            name = self.draw.choose(("ins", "ins", "ins", "traits"))
            value = self._value(bare.fields[name].type, f"{place}.{name}", has_default=False, is_one_of=True)
            return f"{{{name}: {value}}}"
        return literal(self._plain(bare, place))

    def _as_variable(
        self, bare: GraphQLInputType, place: str, *, may_be_null: bool, has_default: bool, is_one_of: bool
    ) -> str:
        value = self._plain(bare, place)
        said: dict[str, Any] = {"given": json_of(value)}
        forms = ["given", "given", "default", *(() if is_one_of else ("nullable",)), *(["free"] if may_be_null else [])]
        if has_default and not may_be_null:
            forms.append("free")
        form = self.draw.choose(forms)
        if form == "given":
            return self._variable(f"{bare}!", **said)
        default = literal(self._plain(bare, place))
        if form == "default":
            return self._variable(f"{bare}! = {default}", **self.draw.choose(({}, said)))
        if form == "nullable":
            return self._variable(f"{bare} = {default}", **self._said(json_of(value), may_be_null=may_be_null))
        return self._variable(f"{bare}", **self._said(json_of(value), may_be_null=may_be_null))

    def _said(self, value: Any, *, may_be_null: bool) -> dict[str, Any]:
        """What is sent along for a nullable variable: nothing, a value, or null."""
        said: dict[str, Any] = {"given": value}
        if may_be_null:
            return self.draw.choose(({}, said, said, {"given": None}))
        fails: list[dict[str, Any]] = [{"given": None}] if self.may_fail else []
        return self.draw.choose([{}, said, *fails])

    def _variable(self, declared: str, **said: Any) -> str:
        name = f"v{len(self._declared)}"
        self._declared[name] = declared
        if "given" in said:
            self.given[name] = said["given"]
        return f"${name}"

    def _plain(self, type_: GraphQLInputType, place: str) -> Any:
        """A value without variables."""
        if isinstance(type_, GraphQLNonNull):
            return self._plain(type_.of_type, place)
        if isinstance(type_, GraphQLList):
            return [self._plain(type_.of_type, place) for _ in range(self.draw.choose((0, 1, 1, 2)))]
        if isinstance(type_, GraphQLEnumType):
            return Word(self.draw.choose(list(type_.values)))
        if isinstance(type_, GraphQLInputObjectType):
            if _is_one_of(type_):
                name = self.draw.choose(("ins", "ins", "ins", "traits"))
                return {name: self._plain(type_.fields[name].type, f"{place}.{name}")}
            if type_.name == "InsInput":
                oid, value = self.draw.choose(self.known.matricules)
                return {"oid": oid, "value": value}
            if type_.name == "TraitsInput" and self.draw.choose((True, False)):
                family_name, birth_date = self.draw.choose(self.known.names)
                return {"familyName": family_name, "birthDate": birth_date}
            return {name: self._plain(each.type, f"{place}.{name}") for name, each in self._some_of(type_)}
        return self._scalar(str(type_), place)

    def _scalar(self, name: str, place: str) -> Any:
        if name == "Boolean":
            return self.draw.choose((True, False))
        if name == "Int":
            return self.draw.choose(_SIZES)
        if name == "DateTime":
            return self.draw.choose(_INSTANTS)
        among = self._among(place)
        return self.draw.choose(among) if among and not self.draw.choose(_SELDOM) else self.draw.choose(_ELSEWHERE)

    def _among(self, place: str) -> Sequence[str]:
        known, last = self.known, place.rpartition(".")[2]
        by_name: Mapping[str, Sequence[str]] = {
            "patientId": (*known.patients, *known.documents[:1]),
            "id": known.recalls if place.startswith("recall") else (*known.documents, *known.documents),
            "recallId": known.recalls,
            "cip13": known.products,
            "teamId": known.teams,
            "after": self._cursors(place.partition(".")[0]),
            "rpps": known.professionals,
            "authors": known.professionals,
            "types": known.types,
            "structures": known.structures,
            "oid": [each[0] for each in known.matricules],
            "value": [each[1] for each in known.matricules],
            "familyName": [each[0] for each in known.names],
            "birthDate": [each[1] for each in known.names],
        }
        return by_name.get(last, HOSTILE)

    def _cursors(self, field: str) -> Sequence[str]:
        known = self.known
        found: Mapping[str, Sequence[str]] = {
            "journal": known.lines,
            "journalSearch": known.places,
            "dispensingHistory": known.handed,
            "concernedPatients": known.patients,
        }
        return found.get(field, known.pages)

    def _some_of(self, type_: GraphQLInputObjectType) -> list[tuple[str, GraphQLInputField]]:
        return [
            (name, each)
            for name, each in type_.fields.items()
            if is_required_input_field(each) or self.draw.choose((False, False, True))
        ]


def _is_one_of(type_: GraphQLInputObjectType) -> bool:
    return bool(type_.extensions["strawberry-definition"].is_one_of)


def _has_default(field: GraphQLInputField) -> bool:
    return field.default_value is not Undefined


def literal(value: Any) -> str:
    """A value as it stands in a document."""
    if isinstance(value, Word):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {literal(each)}' for name, each in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)


def json_of(value: Any) -> Any:
    """A value as it stands among variables."""
    if isinstance(value, list):
        return [json_of(each) for each in value]
    if isinstance(value, dict):
        return {name: json_of(each) for name, each in value.items()}
    return str(value) if isinstance(value, Word) else value
