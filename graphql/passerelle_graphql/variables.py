"""Where a variable does not fit its type, told by places and never by values: one may be an INS.

graphql-core says the place and the value in one sentence. A place is made here of names that the schema declares and
of positions in lists (GraphQL §3.10, §6.1.2), so that nothing a client sent can stand in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from graphql import (
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    is_required_input_field,
    validate_input_value,
)

MAX_PLACES: Final = 20


def misfits(value: Any, type_: GraphQLInputType, place: str) -> list[str]:
    """The places of `value` that do not fit, such as `input.traits.birthDate`; `place` is the variable's name."""
    return list(islice(dict.fromkeys(_misfits(value, type_, place)), MAX_PLACES))


def _misfits(value: Any, type_: GraphQLInputType, place: str) -> Iterator[str]:
    if isinstance(type_, GraphQLNonNull):
        if value is None:
            yield place
        else:
            yield from _misfits(value, type_.of_type, place)
    elif value is None:
        return
    elif isinstance(type_, GraphQLList):
        if isinstance(value, list):
            for index, each in enumerate(value):
                yield from _misfits(each, type_.of_type, f"{place}[{index}]")
        else:
            yield from _misfits(value, type_.of_type, place)
    elif isinstance(type_, GraphQLInputObjectType):
        yield from _misfits_of_object(value, type_, place)
    else:
        found: list[str] = []
        validate_input_value(value, type_, lambda *_: found.append(place))
        yield from found


def _misfits_of_object(value: Any, type_: GraphQLInputObjectType, place: str) -> Iterator[str]:
    if not isinstance(value, dict) or not value.keys() <= type_.fields.keys():
        yield place
        return
    if type_.is_one_of and (len(value) != 1 or None in value.values()):
        yield place
    for name, field in type_.fields.items():
        if name in value:
            yield from _misfits(value[name], field.type, f"{place}.{name}")
        elif is_required_input_field(field):
            yield f"{place}.{name}"
