"""The names of structures, which a line of a journal has by number: they are in the directory, another database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from passerelle.kernel.context import Context
from passerelle_graphql.bodies import as_json
from passerelle_graphql.compiler.building import Shape, later, unless_null
from passerelle_graphql.compiler.late import Late
from passerelle_graphql.compiler.shapes import Sql

_KEPT_SECONDS: Final = 5.0  # over the minute of the directory (docs/decisions/0053)


async def names_of_structures(context: Context, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The name of each structure that the directory knows, by its number."""
    numbers = {str(row["actor_establishment"]) for row in rows if row["actor_establishment"]}
    known = {number: await context.directory.establishment(number) for number in sorted(numbers)}
    return {number: each.name for number, each in known.items() if each is not None}


def structure_name_in_sql(number: Sql) -> Shape:
    """The name of a structure: the directory is asked after the statement."""

    async def lookup(context: Context, numbers: Sequence[Sequence[Any]]) -> Mapping[str, Any]:
        return await names_of_structures(context, [{"actor_establishment": each[0]} for each in numbers])

    def write(_context: Context, values: Sequence[Any], names: Mapping[str, Any]) -> bytes:
        return as_json(names.get(values[0]))

    def kept_as(context: Context) -> object:
        return structure_name_in_sql, context.directory

    late = Late(write=write, lookup=lookup, kept_as=kept_as, kept_seconds=_KEPT_SECONDS)
    return unless_null(number, later(lambda _builder, _selected: late, number))
