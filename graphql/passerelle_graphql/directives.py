"""The marks the schema carries for the gateway itself.

`@cost` and `@listSize` are those of the GraphQL Cost Directive specification (IBM, 2021); `@identifying` is ours.
"""

from __future__ import annotations

import strawberry
from strawberry.schema_directive import Location


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    description="Ce que coûte ce champ, en plus de ce qu'il contient.",
    name="cost",
)
class Cost:
    weight: str


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    description="Combien d'éléments compter pour cette liste : l'argument qui la borne, sinon une taille supposée.",
    name="listSize",
)
class ListSize:
    assumed_size: int
    slicing_arguments: list[str]
    sized_fields: list[str]


@strawberry.schema_directive(
    locations=[Location.INPUT_FIELD_DEFINITION, Location.ARGUMENT_DEFINITION],
    description="Cette valeur désigne une personne : jamais dans une URL, donc jamais par GET.",
    name="identifying",
)
class Identifying:
    pass
