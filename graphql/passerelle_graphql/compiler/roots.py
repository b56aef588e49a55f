"""What a read root declares so that it compiles.

A domain adds a root by writing one `ReadRoot` beside its Strawberry resolver and naming it in `schema/__init__.py`:
the frame is the domain's (facts, verdict, journal line, rows that may be seen), the shapes are of its types.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import CTE, ColumnElement, Select, Text, bindparam, literal_column, select

from passerelle.kernel.database import Statement
from passerelle_graphql.compiler.building import Builder, Row, Shape
from passerelle_graphql.compiler.selections import Selected
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import Asked

_BODY: Final = "passerelle_body"
_PLAIN: Final = frozenset[str]()
#: Where the tenant's addresses begin, in a frame that has a CTE `given` made with `given`.
TENANT_PATH: Final = Sql("(select path from given)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The arguments of a root, and of the fields below it that it binds, as their resolvers would get them."""

    root: Mapping[str, Any]
    below: Mapping[str, Mapping[str, Any]]


def _plain(_asked: Asked, _given: Given) -> frozenset[str]:
    return _PLAIN


def _nothing(_asked: Asked, _told: Any) -> None:
    """Nothing stands beside a body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRoot:
    """A field of `Query` that one statement answers.

    `shows` is the type of what it gives when it gives it, `fields` how that is written, `frame` the statement round
    it for the parts that are needed: by the text (`Builder.needs`), and by the `shape` of a request, for what a bind
    value cannot say. Its two columns are the body, null when there is none, and what `otherwise` makes a problem of,
    or `beside` keeps of the request where there is a body. `parameters` gives the bind values and raises what the
    resolver would raise, or NotCompiled for a request that the statement does not answer.
    """

    name: str
    shows: str
    fields: Mapping[str, Shape]
    frame: Callable[[frozenset[str]], Frame]
    parameters: Callable[[Asked, Given], Mapping[str, Any]]
    otherwise: Callable[[Asked, Any], object]
    shape: Callable[[Asked, Given], frozenset[str]] = _plain
    beside: Callable[[Asked, Any], None] = _nothing

    def body(self, builder: Builder, selected: Selected) -> Sql:
        """The text of what is selected."""
        return builder.object(self.shows, self.fields, selected)


def given(**columns: ColumnElement[Any]) -> CTE:
    """What a request gives, for the text of a body to refer to: the tenant's path, and the columns named here."""
    path = bindparam("gateway_path", type_=Text())
    return select(path.label("path"), *(each.label(name) for name, each in columns.items())).cte("given")


class Frame:
    """A statement with a place for the text of its body, compiled once.

    `rows` names the CTEs whose columns the text refers to: such a CTE selects `columns_of(name)`, and gets those of
    the columns given here that the text names, and no other.
    """

    def __init__(
        self,
        around: Callable[[ColumnElement[Any]], Select[Any]],
        also: Iterable[CTE] = (),
        rows: Mapping[str, Row] | None = None,
    ) -> None:
        """`around` makes the statement round its body; `also` are the CTEs that it has whatever refers to them."""
        written = Statement(around(literal_column(_BODY)).add_cte(*also))
        self._sql, self._written, self._rows = written.sql.decode(), written, rows or {}

    def statement(self, body: Sql) -> Written:
        """The whole statement."""
        sql = self._sql
        for name, row in self._rows.items():
            named = sorted({each for each in re.findall(rf"\b{name}\.(\w+)", body) if each in row})
            sql = sql.replace(_columns(name), ", ".join(f"{row[each]} as {each}" for each in named) or "1 as nothing")
        return Written(sql.replace(_BODY, f"({body})").encode(), self._written.names, self._written.values)


def columns_of(name: str) -> ColumnElement[Any]:
    """The place where a CTE of that name has its columns."""
    return literal_column(_columns(name))


def _columns(name: str) -> str:
    return f"passerelle_columns_of_{name}"


@dataclass(frozen=True, slots=True)
class Written:
    """A statement as text, with the names of its parameters in the order of their numbers."""

    sql: bytes
    names: tuple[str, ...]
    values: Callable[[Mapping[str, Any]], Sequence[Any]] = field(repr=False, compare=False)
    """What `$1`, `$2`… stand for, out of parameters by name."""
