"""`declareHome`: the patient says which network keeps his record."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import strawberry

from passerelle_graphql.context import ResolverInfo, context_of
from passerelle_graphql.fields import resolved
from passerelle_graphql.ids import Node, key_of
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.schema.enums import HomeState


@strawberry.type(description="Le réseau d'attache d'un patient : il tient son dossier, et décide.")
class Home:
    network: str = strawberry.field(description="Celui qui décide maintenant.")
    state: HomeState
    claimed_by: str | None = strawberry.field(
        description="Le réseau où le dossier va passer, ou qui dit le tenir aussi ; null s'il n'y en a pas."
    )


HomeResult: TypeAlias = Annotated[Home | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("HomeResult")]


@strawberry.type
class HomeMutation:
    @resolved(
        "Dire que ce réseau est le réseau d'attache. Du patient : le dossier y passe, sans rien perdre. D'un délégué :"
        " si le patient en a déclaré un autre, il sera tranché.",
        cost=10,
    )
    async def declare_home(self, info: ResolverInfo, patient_id: strawberry.ID) -> HomeResult:
        context = context_of(info)
        said = await context.homes.declare(context, key_of(Node.PATIENT, patient_id))
        return Home(network=said.network, state=HomeState(said.state), claimed_by=said.claimed_by)
