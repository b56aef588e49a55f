"""A value of the request as the Python object that a resolver would get, as Strawberry makes it but made ready once.

Strawberry finds out anew at each call which class an input is and how its fields are named.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from strawberry.relay import GlobalID
from strawberry.scalars import is_scalar
from strawberry.schema.config import StrawberryConfig
from strawberry.types.arguments import convert_argument
from strawberry.types.base import (
    StrawberryList,
    StrawberryMaybe,
    StrawberryOptional,
    StrawberryType,
    has_object_definition,
)
from strawberry.types.enum import StrawberryEnumDefinition, has_enum_definition

#: Makes an object of a value that graphql-core read.
Conversion: TypeAlias = Callable[[Any], Any]
_ABSENT: Final = object()


def conversion(type_: StrawberryType | type, config: StrawberryConfig, scalars: Any) -> Conversion:
    """How a value of this type is made; Strawberry itself makes what is not plainly a list, an input or a leaf."""
    return _plain(type_, config, scalars, ()) or (lambda value: convert_argument(value, type_, scalars, config))


def _plain(
    type_: StrawberryType | type, config: StrawberryConfig, scalars: Any, around: tuple[type, ...]
) -> Conversion | None:
    if isinstance(type_, StrawberryMaybe) or type_ is GlobalID:
        return None
    if isinstance(type_, StrawberryOptional):
        return _plain(type_.of_type, config, scalars, around)
    if isinstance(type_, StrawberryList):
        one = _plain(type_.of_type, config, scalars, around)
        return one and _list(one)
    if is_scalar(type_, scalars) or isinstance(type_, StrawberryEnumDefinition) or has_enum_definition(type_):
        return lambda value: value
    if isinstance(type_, type) and has_object_definition(type_) and type_ not in around:
        return _input(type_, config, scalars, around)
    return None


def _list(one: Conversion) -> Conversion:
    return lambda value: None if value is None else [one(each) for each in value]


def _input(type_: Any, config: StrawberryConfig, scalars: Any, around: tuple[type, ...]) -> Conversion | None:
    definition = type_.__strawberry_definition__
    if not definition.is_input or definition.from_input is not None:
        return None
    left_out = {
        field.python_name: None
        for field in definition.fields
        if field.default_value is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    read = []
    for field in definition.fields:
        one = _plain(field.resolve_type(type_definition=definition), config, scalars, (*around, type_))
        if one is None:
            return None
        read.append((config.name_converter.from_field(field), field.python_name, one))

    def made(value: Any) -> Any:
        if value is None:
            return None
        given = {name: one(held) for key, name, one in read if (held := value.get(key, _ABSENT)) is not _ABSENT}
        return type_(**{**left_out, **given})

    return made
