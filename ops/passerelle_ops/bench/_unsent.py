"""Operations that are compiled and never sent: does the SQL of any differ by data, does any break the compiler?

Each is drawn as `_drawn_operations` draws it, hostile aliases and texts included, and compiled a second time with other
texts in the places of its own. The two must give the same statements, octet by octet: what a caller writes is bound.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any, Final

from graphql import DocumentNode, Node, StringValueNode, TypeInfo, TypeInfoVisitor, Visitor, get_named_type, visit

from passerelle_graphql.compiler.building import NotCompiled
from passerelle_graphql.compiler.plans import Plans
from passerelle_graphql.limits import Limits
from passerelle_graphql.preparation import Document, Preparation, Prepared, RequestErrors
from passerelle_graphql.requests import Parameters
from passerelle_graphql.schema import ROOTS, schema
from passerelle_ops.bench._alike import GRAPH, NAMES
from passerelle_ops.bench._drawn_arguments import Known
from passerelle_ops.bench._drawn_operations import drawn_operation
from passerelle_ops.bench._worlds import Seeded

_SEED: Final = "passerelle-bench-unsent-1"
_TEXTUAL: Final = frozenset({"ID", "String"})
_OTHER: Final = "un autre texte"
#: Names of nothing: what is never sent need not exist.
_NOWHERE: Final = Known(
    **{each.name: ["aucun", "nul"] for each in fields(Known)}  # type: ignore[arg-type]
    | {"matricules": [("1.2.250.1.213.1.4.10", "279035121518989")], "names": [("ESSAI", "Alix")]}
)


@dataclass(slots=True)
class Unsent:
    """What was compiled so far: `invalid` ones the rules of GraphQL refused, `reasons` say why others have no plan."""

    queries: int = 0
    invalid: int = 0
    compiled: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    by_data: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def add(self, other: Unsent) -> None:
        self.queries += other.queries
        self.invalid += other.invalid
        self.compiled += other.compiled
        self.reasons += other.reasons
        self.by_data += other.by_data
        self.broken += other.broken


def compiled_unsent(first: int, count: int) -> Unsent:
    """`count` operations from the one of number `first`."""
    done = Unsent()
    for number in range(first, first + count):
        asked = drawn_operation(Seeded(f"{_SEED}-{number}"), GRAPH, NAMES, _NOWHERE)
        done.queries += 1
        try:
            _compile(done, asked.text, asked.variables, asked.name)
        except Exception as fault:  # noqa: BLE001 - any is what is looked for
            done.broken.append(f"{number} : {type(fault).__name__}: {fault}")
    return done


def _compile(done: Unsent, text: str, variables: Any, name: str | None) -> None:
    preparation, plans = _compiler()
    try:
        prepared = preparation.prepare(Parameters(query=text, variables=variables, operation_name=name))
        own = _statements(plans, prepared)
    except RequestErrors:
        done.invalid += 1
        return
    except NotCompiled as reason:
        done.reasons[str(reason)] += 1
        return
    done.compiled += 1
    if own != _statements(plans, _otherwise(prepared)):
        done.by_data.append(text)


def _statements(plans: Plans, prepared: Prepared) -> list[bytes]:
    return [each.statement.sql for each in plans.plan(prepared).roots]


@cache
def _compiler() -> tuple[Preparation, Plans]:
    return Preparation(schema, Limits(), introspection=False), Plans(schema, ROOTS, kept=8)


class _Others(Visitor):
    """Puts another text where one stands that may be any."""

    def __init__(self, types: TypeInfo) -> None:
        super().__init__()
        self._types = types

    def enter_string_value(self, *_: object) -> Node | None:
        type_ = self._types.get_input_type()
        if type_ is None or str(get_named_type(type_)) not in _TEXTUAL:
            return None
        return StringValueNode(value=_OTHER)


def _otherwise(prepared: Prepared) -> Prepared:
    """The same operation with other texts, which are as valid; under a text of its own, so that no plan is found."""
    types, document = TypeInfo(GRAPH), prepared.document
    ast: DocumentNode = visit(document.ast, TypeInfoVisitor(types, _Others(types)))
    other = Document.of(
        f"{document.text}#",
        ast,
        field_names=document.field_names,
        for_all=document.for_all,
        is_plain=document.is_plain,
    )
    return replace(prepared, document=other, operation=other.operations[prepared.name])
