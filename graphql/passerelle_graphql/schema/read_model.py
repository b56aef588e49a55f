"""The one declaration that maps a read model onto a GraphQL type: which column a field shows, and how.

A domain's read model gives rows (mappings by column name). Each field of a type names its columns with `shown`;
`shape` builds the Strawberry object from a row. The declaration stays readable on the type (`columns_of`), so that
another executor than Strawberry can work from it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar, cast
from uuid import UUID

import strawberry

from passerelle_graphql.schema.fields import counted

_KEY = "passerelle.columns"
_Shape = TypeVar("_Shape")


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a read model behind one field, and what turns their values into the field's."""

    names: tuple[str, ...]
    by: Callable[..., Any] | None


def shown(
    *columns: str,
    by: Callable[..., Any] | None = None,
    description: str | None = None,
    name: str | None = None,
    assumed_size: int | None = None,
) -> Any:
    """A field that shows columns of the read model; with no column named, the one of the field's own name.

    `by` makes the field's value out of the columns'; `assumed_size` is what a list counts for in the cost.
    """
    return strawberry.field(
        metadata={_KEY: Columns(columns, by)},
        description=description,
        name=name,
        directives=[counted(assumed_size)] if assumed_size is not None else [],
    )


@cache
def columns_of(type_: Hashable) -> Mapping[str, Columns]:
    """The declared fields of a type, by Python name."""
    found: dict[str, Columns] = {}
    for field in type_.__strawberry_definition__.fields:  # type: ignore[attr-defined]
        declared = field.metadata.get(_KEY)
        if isinstance(declared, Columns):
            found[field.python_name] = Columns(declared.names or (field.python_name,), declared.by)
    return found


def shape(type_: type[_Shape], row: Mapping[str, Any], **also: Any) -> _Shape:
    """The object of `type_` that a row shows; `also` gives the fields that no column holds."""
    given: dict[str, Any] = {}
    for name, columns in columns_of(cast(Hashable, type_)).items():
        values = [row[column] for column in columns.names]
        given[name] = columns.by(*values) if columns.by else values[0]
    return type_(**given, **also)


def as_uuid(value: UUID | str) -> UUID:
    """An id as a row holds it, native or out of JSON."""
    return value if isinstance(value, UUID) else UUID(value)
