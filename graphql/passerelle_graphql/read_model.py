"""The one declaration that maps a read model onto a GraphQL type: which column a field shows, and how.

A domain's read model gives rows (mappings by column name). Each field of a type names its columns with `shown`;
`shape` builds the Strawberry object from a row, without what the document does not name. The declaration stays
readable on the type (`columns_of`), so that another executor than Strawberry can work from it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, TypeAlias, TypeVar, cast
from uuid import UUID

import strawberry
from strawberry.utils.str_converters import to_camel_case

from passerelle_graphql.compiler import shapes
from passerelle_graphql.compiler.building import Shape, leaf
from passerelle_graphql.fields import counted

_KEY = "passerelle.columns"
_Shape = TypeVar("_Shape")
_By = TypeVar("_By", bound=Callable[..., Any])


_TWINS: dict[Callable[..., Any], Callable[..., Shape]] = {}


def in_sql(twin: Callable[..., Shape]) -> Callable[[_By], _By]:
    """Give a function of `by` its twin for the compiler: the same columns, as SQL, become a shape."""

    def with_twin(made: _By) -> _By:
        _TWINS[made] = twin
        return made

    return with_twin


def twin_of(by: Callable[..., Any]) -> Callable[..., Shape] | None:
    """The twin of a function of `by`, when it has one."""
    return _TWINS.get(by)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a read model behind one field, what turns their values into the field's, and the other
    fields of the type (as the graph names them) that are made out of it."""

    names: tuple[str, ...]
    by: Callable[..., Any] | None
    needed_by: tuple[str, ...] = ()


def shown(
    *columns: str,
    by: Callable[..., Any] | None = None,
    description: str | None = None,
    name: str | None = None,
    assumed_size: int | None = None,
    needed_by: tuple[str, ...] = (),
) -> Any:
    """A field that shows columns of the read model; with no column named, the one of the field's own name.

    `by` makes the field's value out of the columns'; `assumed_size` is what a list counts for in the cost;
    `needed_by` names the resolvers, in the graph's words, that read the field.
    """
    return strawberry.field(
        metadata={_KEY: Columns(columns, by, needed_by)},
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
            found[field.python_name] = Columns(declared.names or (field.python_name,), declared.by, declared.needed_by)
    return found


def shape(type_: type[_Shape], row: Mapping[str, Any], asked: frozenset[str] | None = None) -> _Shape:
    """The object of `type_` that a row shows.

    `asked` are the fields that the whole document names; those it does not name are not converted and not there.
    """
    copied, made = _plan(cast(Hashable, type_), asked)
    given = {name: row[column] for name, column in copied}
    for name, columns, by in made:
        given[name] = by(*[row[column] for column in columns])
    shaped = type_.__new__(type_)
    vars(shaped).update(given)
    return shaped


_Copied: TypeAlias = tuple[tuple[str, str], ...]
_Made: TypeAlias = tuple[tuple[str, tuple[str, ...], Callable[..., Any]], ...]


@lru_cache(maxsize=1024)
def _plan(type_: Hashable, asked: frozenset[str] | None) -> tuple[_Copied, _Made]:
    """The fields that are columns as they are, and those that are made out of columns."""
    kept = {
        name: columns
        for name, columns in columns_of(type_).items()
        if asked is None or columns.by is None or not asked.isdisjoint((_graph_name(type_, name), *columns.needed_by))
    }
    return (
        tuple((name, columns.names[0]) for name, columns in kept.items() if columns.by is None),
        tuple((name, columns.names, columns.by) for name, columns in kept.items() if columns.by is not None),
    )


def _graph_name(type_: Hashable, name: str) -> str:
    field = next(each for each in type_.__strawberry_definition__.fields if each.python_name == name)  # type: ignore[attr-defined]
    return field.graphql_name or to_camel_case(name)


@in_sql(lambda column: leaf(shapes.uuid(column)))
def as_uuid(value: UUID | str) -> UUID:
    """An id as a row holds it, native or out of JSON."""
    return value if isinstance(value, UUID) else UUID(value)
