"""The shapes of a type's fields, out of what the type declares of itself (`read_model.shown`, `in_sql`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, get_args
from uuid import UUID

from strawberry import ID
from strawberry.types.field import StrawberryField
from strawberry.utils.str_converters import to_camel_case

from passerelle_graphql.compiler import shapes
from passerelle_graphql.compiler.building import Builder, NotCompiled, Row, Shape, leaf
from passerelle_graphql.compiler.selections import Selected
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.read_model import columns_of, twin_of

_BY_TYPE: Mapping[Any, Callable[[Sql], Sql]] = {
    str: shapes.free_text,
    ID: shapes.free_text,
    int: shapes.plain,
    bool: shapes.plain,
    UUID: shapes.uuid,
    datetime: shapes.instant,
    list[str]: shapes.text_array,
}


def fields_of(type_: Any, row: Row, **more: Shape) -> dict[str, Shape]:
    """The fields of a type over a row, by their names in the graph; `more` are those that the row alone does not
    give, by their Python names. A field that nothing declares is left out."""
    definition = type_.__strawberry_definition__
    declared = columns_of(type_)
    found: dict[str, Shape] = {}
    for field in definition.fields:
        name = field.graphql_name or to_camel_case(field.python_name)
        if field.python_name in more:
            found[name] = more[field.python_name]
        elif (columns := declared.get(field.python_name)) is not None and all(each in row for each in columns.names):
            given = [row[each] for each in columns.names]
            found[name] = _shape(field, columns.by, given)
    return found


def _shape(field: StrawberryField, by: Callable[..., Any] | None, columns: list[Sql]) -> Shape:
    if by is None:
        return leaf(_writer(field)(columns[0]))
    if isinstance(by, type) and issubclass(by, StrEnum):
        return leaf(shapes.word(by)(columns[0]))
    twin = twin_of(by)
    return twin(*columns) if twin is not None else _not_in_sql(field.python_name)


def _writer(field: StrawberryField) -> Callable[[Sql], Sql]:
    type_ = field.type_annotation.annotation if field.type_annotation else None
    for each in (type_, *get_args(type_)):
        if each in _BY_TYPE:
            return _BY_TYPE[each]
        if isinstance(each, type) and issubclass(each, StrEnum):
            return shapes.word(each)
    raise TypeError(f"no writer for the type of {field.python_name}")


def _not_in_sql(name: str) -> Shape:
    def refuse(_builder: Builder, _selected: Selected) -> Sql:
        raise NotCompiled(name)

    return refuse
