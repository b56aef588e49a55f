"""`decisionsUnderWay`: the networks that have not heard yet of what was decided of a document."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from passerelle_graphql.context import ResolverInfo, context_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of
from passerelle_graphql.problems import InvalidInput, Refusal, TryLater
from passerelle_tenants.federation import under_way


@strawberry.type(description="Un réseau qui n'a pas encore accusé réception de ce qui a été décidé ici.")
class NetworkAwaited:
    network: str
    name: str
    since: datetime


@strawberry.type(
    description="Où une décision sur un document (masquer, montrer, cacher à un professionnel) est encore en chemin ;"
    " dit au patient et à qui l'a prise, à personne d'autre."
)
class DecisionsUnderWay:
    networks: list[NetworkAwaited] = strawberry.field(directives=[counted(10)])


DecisionsUnderWayResult: TypeAlias = Annotated[
    DecisionsUnderWay | Refusal | InvalidInput | TryLater, strawberry.union("DecisionsUnderWayResult")
]


@strawberry.type
class UnderWayQuery:
    @resolved("Les réseaux où une décision sur un document n'est pas encore appliquée.", cost=10)
    async def decisions_under_way(self, info: ResolverInfo, document_id: strawberry.ID) -> DecisionsUnderWayResult:
        found = await under_way.under_way(context_of(info), key_of(Node.DOCUMENT, document_id))
        return DecisionsUnderWay(
            networks=[NetworkAwaited(network=each.network, name=each.name, since=each.since) for each in found]
        )
