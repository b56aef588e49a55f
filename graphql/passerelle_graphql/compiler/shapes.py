"""How PostgreSQL writes a value as JSON, octet by octet as Strawberry and `bodies.as_json` would.

Every function takes SQL and gives SQL: an expression of a text that is never null, an absent value being the text
`null`. Nothing of a request stands in it but the names that the grammar of GraphQL lets through; data is bound.
Texts are joined with `||`, and `to_json` stands round free text alone: half of what `json_build_object` costs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import NewType

from passerelle_graphql.ids import Node

#: An expression of SQL, written by the house.
Sql = NewType("Sql", str)


def constant(text: str) -> Sql:
    """A text as a literal of SQL."""
    return Sql("'" + text.replace("'", "''") + "'")


def joined(pieces: Iterable[tuple[bool, str]]) -> Sql:
    """Texts one after the other: (false, text) as it is, (true, sql) an expression. Neighbours that are constant are
    one."""
    found: list[tuple[bool, str]] = []
    for is_sql, each in pieces:
        if not is_sql and found and not found[-1][0]:
            found[-1] = (False, found[-1][1] + each)
        elif is_sql or each:
            found.append((is_sql, each))
    return Sql(" || ".join(each if is_sql else constant(each) for is_sql, each in found) or "''")


def or_null(text: Sql) -> Sql:
    """`null` for a text that is not there."""
    return Sql(f"coalesce({text}, 'null')")


def free_text(column: Sql) -> Sql:
    """A text that a person or a system wrote."""
    return or_null(Sql(f"to_json({column})::text"))


def text_array(column: Sql) -> Sql:
    return or_null(Sql(f"to_json({column})::text"))


def plain(column: Sql) -> Sql:
    """A number or a boolean, which JSON writes as PostgreSQL does."""
    return or_null(Sql(f"({column})::text"))


def quoted(text: Sql) -> Sql:
    """A text in which nothing is to be escaped."""
    return or_null(Sql(f"'\"' || {text} || '\"'"))


def uuid(column: Sql) -> Sql:
    return quoted(Sql(f"({column})::text"))


def instant(column: Sql) -> Sql:
    """UTC, to the millisecond."""
    return quoted(Sql(f"to_char(timezone('UTC', {column}), 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"))


def word(words: type[StrEnum]) -> Callable[[Sql], Sql]:
    """The name of one of `words`, out of its value."""
    if _are_capitals(words):
        return lambda column: quoted(Sql(f"upper({column})"))
    names = " ".join(f"when {constant(each.value)} then {constant(each.name)}" for each in words)
    return lambda column: quoted(Sql(f"case {column} {names} end"))


def words(of: type[StrEnum]) -> Callable[[Sql], Sql]:
    """The names of several, out of an array of values; each must be its value in capitals."""
    if not _are_capitals(of):
        raise ValueError(f"{of.__name__} has names that are not its values in capitals")
    return lambda column: or_null(Sql(f"upper(to_json({column})::text)"))


def node_id(kind: Node) -> Callable[[Sql], Sql]:
    """`ids.node_id`, without quotes; null for no key."""
    return lambda key: Sql(f"rtrim(translate(encode({_octets(kind)} || uuid_send({key}), 'base64'), '+/', '-_'), '=')")


def quoted_id(kind: Node) -> Callable[[Sql], Sql]:
    """`ids.node_id` in JSON."""
    return lambda key: quoted(node_id(kind)(key))


def line_cursor(line: Sql) -> Sql:
    """`ids.line_cursor`, without quotes."""
    return Sql(f"translate(encode({_octets(Node.LINE)} || int8send({line}), 'base64'), '+/', '-_')")


def place_cursor(at: Sql, line: Sql) -> Sql:
    """`ids.place_cursor`, without quotes."""
    micros = f"int8send((extract(epoch from {at}) * 1000000)::bigint)"
    octets = f"{_octets(Node.LINE)} || {micros} || int8send({line})"
    return Sql(f"rtrim(translate(encode({octets}, 'base64'), '+/', '-_'), '=')")


def label_in(labels: Mapping[str, str], code: Sql) -> Sql:
    """The label of a code, out of a list that is written into the statement; null for an unknown one."""
    written = constant(json.dumps(dict(labels), ensure_ascii=False))
    return Sql(f"({written}::jsonb ->> {code})")


def _are_capitals(of: type[StrEnum]) -> bool:
    return all(each.name == each.value.upper() for each in of)


def _octets(kind: Node) -> str:
    return f"'\\x{kind.value.encode('ascii').hex()}'::bytea"
