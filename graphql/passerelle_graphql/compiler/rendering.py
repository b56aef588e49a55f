"""How Python writes a value of the schema as JSON: problems, and what is written late.

The value is what a resolver would return, or has the attributes of its fields, and so on below; only plain fields of it
are shown, none that has a resolver.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain, groupby, repeat
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeAlias

from graphql import (
    GraphQLEnumType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLString,
    GraphQLUnionType,
)

from passerelle.kernel.context import Context
from passerelle_graphql.bodies import as_json
from passerelle_graphql.compiler.building import Builder, NotCompiled, Shape, later
from passerelle_graphql.compiler.late import Late
from passerelle_graphql.compiler.selections import Selected, Selections
from passerelle_graphql.compiler.shapes import Sql

#: Makes JSON of a value that is there.
Writer: TypeAlias = Callable[[Any], bytes]
#: Makes a writer for one answer, which writes an object once however often it stands there.
Beginning: TypeAlias = Callable[[], Writer]
_escaped: Final = json.encoder.encode_basestring
#: In the metadata of a field: the attribute of the value that holds it, one for all such fields of a type. Where that
#: one `lasts`, what is written of it is kept.
PART: Final = "part"
_PARTS_AT_MOST: Final = 4_000


def written(selections: Selections, type_: GraphQLOutputType, selected: Selected, value: Any) -> bytes:
    """The JSON of a field's value. NotCompiled as `writer`."""
    return b"null" if value is None else writer(selections, type_, selected)(value)


def made(
    type_name: str,
    field: str,
    make: Callable[..., object],
    *columns: Sql,
    lookup: Callable[[Context, Sequence[Sequence[Any]]], Awaitable[Mapping[str, Any]]] | None = None,
) -> Shape:
    """A field of a type that Python makes out of columns: `make` is given the context and each of them, or with a
    `lookup` what it found and each of them."""

    def late(builder: Builder, selected: Selected) -> Late:
        type_ = builder.type_of(type_name).fields[field].type

        def write(context: Context, values: Sequence[Any], found: Mapping[str, Any]) -> bytes:
            return written(builder.selections, type_, selected, make(context if lookup is None else found, *values))

        return Late(write=write, lookup=lookup)

    return later(late, *columns)


def writer(selections: Selections, type_: GraphQLOutputType, selected: Selected) -> Writer:
    """How a value that is there is written. NotCompiled for a field below that has a resolver."""
    begin = _beginning(selections, type_, selected)
    return lambda value: begin()(value)


def _beginning(selections: Selections, type_: GraphQLOutputType, selected: Selected) -> Beginning:
    if isinstance(type_, GraphQLNonNull):
        type_ = type_.of_type
    if isinstance(type_, GraphQLList):
        return _list(_beginning(selections, type_.of_type, selected))
    if type_ is GraphQLString:
        return lambda: _quoted
    if isinstance(type_, GraphQLEnumType):
        words = {each.value: _quoted(type_.serialize(each.value)) for each in type_.values.values()}
        return lambda: words.__getitem__
    if isinstance(type_, GraphQLScalarType):
        serialize = type_.serialize
        return lambda: lambda value: _plain(serialize(value))
    if isinstance(type_, GraphQLObjectType):
        return _object(selections, type_, selected)
    if isinstance(type_, GraphQLUnionType):
        return _union(selections, type_, selected)
    raise NotCompiled(str(type_))


def _quoted(value: str) -> bytes:
    return _escaped(value).encode()


def _plain(value: Any) -> bytes:
    if type(value) is str:
        return _quoted(value)
    return b"%d" % value if type(value) is int else as_json(value)


def _always(said: bytes) -> Writer:
    return lambda _value: said


def _list(begin: Beginning) -> Beginning:
    def begun() -> Writer:
        write_one = begin()
        if isinstance(write_one, _Object):
            return write_one.listed
        return lambda some: b"[%s]" % b",".join([write_one(each) for each in some])

    return begun


def _union(selections: Selections, type_: GraphQLUnionType, selected: Selected) -> Beginning:
    members = {each.name: each for each in type_.types}

    def write(value: Any) -> bytes:
        of = members[type(value).__strawberry_definition__.name]
        return _object(selections, of, selected)()(value)

    return lambda: write


def _object(selections: Selections, type_: GraphQLObjectType, selected: Selected) -> Beginning:
    members: list[_Member] = []
    for each in selections.below(type_, selected):
        if each.name == "__typename":
            said = _quoted(type_.name)
            members.append(_Member(each.key, "__class__", partial(_always, said)))
            continue
        field = type_.fields[each.name]
        declared = field.extensions["strawberry-definition"]
        if declared.base_resolver is not None:
            raise NotCompiled(f"{type_.name}.{each.name}")
        begin = _beginning(selections, field.type, each)
        members.append(_Member(each.key, declared.python_name, begin, declared.metadata.get(PART)))
    if not members:
        return lambda: _always(b"{}")
    is_whole = all(each.part is None for each in members)
    if not is_whole:
        members = _in_parts(members)

    def begun() -> Writer:
        known: dict[int, tuple[Any, bytes]] = {}
        write_new = _Object(members)

        def write(value: Any) -> bytes:
            told = known.get(id(value))
            if told is None:
                told = known[id(value)] = value, write_new(value)  # kept, so that no other gets its identity
            return told[1]

        return write if is_whole else write_new

    return begun


class _Object:
    """Writes objects of one type in one answer, or the row of fields that one part of them holds."""

    def __init__(self, members: Sequence[_Member], begin: bytes = b"{", end: bytes = b"}") -> None:
        before = (begin, *[b","] * (len(members) - 1))
        self._before = [said + each.label for said, each in zip(before, members, strict=True)]
        self._end = end
        self._writers = [each.begin() for each in members]
        get: Callable[[Any], Any] = attrgetter(*(each.name for each in members))
        self._get: Callable[[Any], Sequence[Any]] = get if len(members) > 1 else lambda value: (get(value),)

    def __call__(self, value: Any) -> bytes:
        found: list[bytes] = []
        for before, held, write_held in zip(self._before, self._get(value), self._writers, strict=True):
            found += (before, b"null" if held is None else write_held(held))
        found.append(self._end)
        return b"".join(found)

    def listed(self, some: Sequence[Any]) -> bytes:
        """A list of them, field by field and put together once: there may be many, and large."""
        if not some:
            return b"[]"
        first, *others = self._before
        columns: list[Iterable[bytes]] = [chain((b"[" + first,), repeat(b"," + first))]
        for before, held, write_held in zip(
            (b"", *others), zip(*map(self._get, some), strict=True), self._writers, strict=True
        ):
            columns += (repeat(before), [b"null" if each is None else write_held(each) for each in held])
        columns.append(repeat(self._end))
        return b"".join([*chain.from_iterable(zip(*columns)), b"]"])  # noqa: B905 - repeated without end


class _Member(NamedTuple):
    """A field of an object, or several in a row that one part of it holds."""

    key: str
    name: str
    begin: Beginning
    part: str | None = None

    @property
    def label(self) -> bytes:
        """What stands before it."""
        return b'"%s":' % self.key.encode("ascii") if self.key else b""


def _in_parts(members: Sequence[_Member]) -> list[_Member]:
    """The same, those in a row that one part holds as one."""
    found: list[_Member] = []
    for part, some in groupby(members, lambda each: each.part):
        row = list(some)
        found += row if part is None else [_Member("", part, _part(row))]
    return found


def _part(members: Sequence[_Member]) -> Beginning:
    """What is written of the parts that last is kept, in one plan; others are written anew in each answer."""
    kept: dict[Any, bytes] = {}

    def begun() -> Writer:
        write_new = _Object(members, b"", b"")

        def write(part: Any) -> bytes:
            told = kept.get(part)
            if told is None:
                told = write_new(part)
                if part.lasts:
                    if len(kept) >= _PARTS_AT_MOST:
                        kept.clear()
                    kept[part] = told
            return told

        return write

    return begun
