"""A bundle of many states column by column, as PostgreSQL's own binary arrays.

It writes and reads them sooner than a hundred objects of JSON, and Python hands them on as they are.

    a line             `columns` and JSON: [[name, octets], …]
    the columns        one after the other: arrays of one element for each state (array_send), of uuid, bigint, boolean,
                       integer, timestamptz or text; what has another type is text here

A column that nobody knows here is not read, one that is missing says null: two releases understand each other. Raises
ValueError for what is none of this; what no array holds, PostgreSQL refuses.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, Final

from sqlalchemy import ARRAY, CTE, JSON, Select, Text, bindparam, cast, column, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from passerelle.kernel.database import Statement
from passerelle.kernel.pipeline_values import Binary
from passerelle.kernel.prepared import octets

_FORM: Final = b"columns "
#: Of an array with one dimension: dimensions, whether any is null, the type, how many, the first index.
_HEADER: Final = 20
_OF_ARRAY: Final = 12
_NULL: Final = b"\xff\xff\xff\xff"


@dataclass(frozen=True, slots=True)
class Columns:
    """A bundle that was read: each column as it came."""

    by_name: Mapping[str, Binary]

    @classmethod
    def read(cls, items: bytes) -> Columns:
        if not are_columns(items):
            raise ValueError("no columns")
        line, _, rest = items.partition(b"\n")
        found, start = {}, 0
        for name, size in json.loads(line[len(_FORM) :]):
            found[str(name)] = Binary(rest[start : start + size])
            start += size
        if start != len(rest):
            raise ValueError("columns of another length")
        return cls(found)

    def values(self, types: Mapping[str, TypeEngine[Any]]) -> dict[str, Binary | None]:
        """The bind values of `given`."""
        return {f"given_{name}": self.by_name.get(name) for name in types}

    def texts(self, name: str) -> list[str | None]:
        """A column of texts."""
        return [None if each is None else each.decode() for each in _elements(self.by_name.get(name, b""))]

    def says(self, name: str) -> bool:
        """Whether a column has anything but nulls."""
        return len(self.by_name.get(name, b"")[_HEADER:].replace(_NULL, b"")) > 0


def are_columns(items: bytes) -> bool:
    """Whether a bundle is of this form; else it is JSON."""
    return items.startswith(_FORM)


def only(items: bytes, ids: Collection[str]) -> bytes:
    """Of a bundle, the states of these objects (32 hexadecimal digits)."""
    columns = Columns.read(items).by_name
    is_one = [each is not None and each.hex() in ids for each in _elements(columns.get("id", b""))]
    return _written({name: _some(each, is_one) for name, each in columns.items()})


def gathered(rows: Select[Any], types: Mapping[str, TypeEngine[Any]]) -> Statement:
    """The columns of a bundle: each row of `rows` is a state."""
    each = rows.subquery("each")
    return Statement(
        select(*(func.array_agg(cast(each.c[name], _carried(of))).label(name) for name, of in types.items()))
    )


async def gather(connection: AsyncConnection, statement: Statement, values: Mapping[str, Any]) -> bytes:
    """What a statement of `gathered` gives."""
    row = await octets(connection, statement, values)
    return _written({name: each for name, each in zip(statement.columns, row, strict=True) if each is not None})


def given(types: Mapping[str, TypeEngine[Any]]) -> CTE:
    """What a bundle says, a row for each object."""
    arrays = (bindparam(f"given_{name}", type_=ARRAY(_carried(of))) for name, of in types.items())
    said = func.unnest(*arrays).table_valued(*(column(name, _carried(of)) for name, of in types.items()))
    row = said.render_derived(name="said")
    own = (row.c[name] if _carried(of) is of else cast(row.c[name], of).label(name) for name, of in types.items())
    return select(*own).cte("given").prefix_with("materialized", dialect="postgresql")


def _carried(of_type: TypeEngine[Any]) -> TypeEngine[Any]:
    """An array of arrays would be one of two dimensions, and JSON has several types."""
    return Text() if isinstance(of_type, ARRAY | JSON | Text) else of_type


def _written(columns: Mapping[str, bytes]) -> bytes:
    line = json.dumps([(name, len(each)) for name, each in columns.items()], separators=(",", ":"))
    return b"".join((_FORM, line.encode(), b"\n", *columns.values()))


def _elements(array: bytes) -> list[bytes | None]:
    found: list[bytes | None] = []
    at = _HEADER
    while at < len(array):
        size = int.from_bytes(array[at : at + 4], "big", signed=True)
        found.append(None if size < 0 else array[at + 4 : at + 4 + size])
        at += 4 + max(size, 0)
    return found


def _some(array: bytes, chosen: Sequence[bool]) -> bytes:
    some = list(compress(_elements(array), chosen))
    if not some:
        return array[:0]
    head = array[:_OF_ARRAY] + len(some).to_bytes(4, "big") + array[_OF_ARRAY + 4 : _HEADER]
    return head + b"".join(_NULL if each is None else len(each).to_bytes(4, "big") + each for each in some)
