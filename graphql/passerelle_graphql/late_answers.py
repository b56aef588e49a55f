"""A read whose statement gathers, and whose answer Python makes out of what was gathered.

For what is compared in Python with tables in memory: the facts, the decision, the journal line and the rows are one
statement as everywhere, its body is one late place, and what is selected is written without Strawberry.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from passerelle.kernel.context import Context
from passerelle_graphql.compiler import rendering
from passerelle_graphql.compiler.building import Builder, packed
from passerelle_graphql.compiler.late import Late
from passerelle_graphql.compiler.roots import ReadRoot
from passerelle_graphql.compiler.selections import Selected
from passerelle_graphql.compiler.shapes import Sql


@dataclass(frozen=True, slots=True, kw_only=True)
class LateRoot(ReadRoot):
    """A read root whose object `answer` makes out of the `payload` of its statement.

    It need not be of the type that `shows` names, but has the attributes of its fields, and so on below.
    """

    payload: tuple[Sql, ...]
    answer: Callable[[Context, Sequence[Any]], Awaitable[object]]

    def body(self, builder: Builder, selected: Selected) -> Sql:
        """One place for the whole of what is selected."""
        write = rendering.writer(builder.selections, builder.type_of(self.shows), selected)
        answer = self.answer

        async def made(context: Context, payloads: Sequence[Sequence[Any]]) -> dict[str, Any]:
            return {"answer": await answer(context, payloads[0])}

        late = Late(write=lambda _context, _values, found: write(found["answer"]), lookup=made)
        return builder.later(late, packed(*self.payload))
