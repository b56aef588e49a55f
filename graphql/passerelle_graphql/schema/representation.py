"""Legal representatives of minors and of protected adults."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import strawberry

from passerelle.audit.transactions import transaction
from passerelle.dossier import representation
from passerelle.identities import patients
from passerelle.identities.ins import Ins
from passerelle_graphql.context import ResolverInfo, context_of
from passerelle_graphql.directives import Identifying
from passerelle_graphql.fields import resolved
from passerelle_graphql.ids import Node, key_of
from passerelle_graphql.read_model import shape
from passerelle_graphql.schema.authorizations import Ended, EndResult, RelationActResult, RelationGrant
from passerelle_graphql.schema.enums import RepresentationBasis
from passerelle_graphql.schema.patients import InsInput


@strawberry.type
class RepresentationMutation:
    @resolved("Déclarer un représentant légal, par son INS ; celui d'un mineur, jusqu'à sa majorité au plus.", cost=10)
    async def declare_representative(
        self,
        info: ResolverInfo,
        patient_id: strawberry.ID,
        representative: Annotated[InsInput, strawberry.argument(directives=[Identifying()])],
        basis: RepresentationBasis,
        proof: str,
        until: datetime | None = None,
    ) -> RelationActResult:
        context, key = context_of(info), key_of(Node.PATIENT, patient_id)
        person = patients.person_key(context, Ins(representative.oid, representative.value))
        async with transaction(context) as act:
            grant = await representation.declare_representative(act, key, person, basis=basis, until=until, proof=proof)
        return shape(RelationGrant, asdict(grant))

    @resolved("Mettre fin aux pouvoirs d'un représentant.", cost=10)
    async def end_representation(
        self,
        info: ResolverInfo,
        patient_id: strawberry.ID,
        representative: Annotated[InsInput, strawberry.argument(directives=[Identifying()])],
    ) -> EndResult:
        context, key = context_of(info), key_of(Node.PATIENT, patient_id)
        person = patients.person_key(context, Ins(representative.oid, representative.value))
        async with transaction(context) as act:
            return Ended(count=await representation.end_representation(act, key, person))
