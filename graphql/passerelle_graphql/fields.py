"""How a field is declared: what it is for, what it costs, what its list counts for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import strawberry

from passerelle_graphql.directives import Cost, ListSize

_Resolver = TypeVar("_Resolver", bound=Callable[..., Any])


def resolved(
    description: str, *, cost: int | None = None, counts: ListSize | None = None
) -> Callable[[_Resolver], _Resolver]:
    """A field with a resolver. `cost` is what it costs on top of what it holds; `counts` sizes its list."""
    marks: list[object] = []
    if cost is not None:
        marks.append(Cost(weight=str(cost)))
    if counts is not None:
        marks.append(counts)
    return cast(Callable[[_Resolver], _Resolver], strawberry.field(description=description, directives=marks))


def counted(assumed_size: int, *, by: str | None = None, within: tuple[str, ...] = ()) -> ListSize:
    """What a list counts for: the argument named `by` when given, else `assumed_size`; `within` repeats below it."""
    return ListSize(assumed_size=assumed_size, slicing_arguments=[by] if by else [], sized_fields=list(within))


PAGE = counted(50, by="first", within=("edges", "nodes"))
"""A Relay connection: its argument `first`, else the default page of the rule pack."""
