"""`me`: who the gateway believes is asking, and where."""

from __future__ import annotations

import strawberry

from passerelle.audit.transactions import transaction
from passerelle.identities import patients
from passerelle_graphql.context import ResolverInfo, context_of
from passerelle_graphql.fields import resolved
from passerelle_graphql.ids import Node, node_id
from passerelle_graphql.schema.enums import ActorKind, Mode, Purpose
from passerelle_graphql.schema.values import CodedValue, coded
from passerelle_policies import nomenclatures


@strawberry.type(description="Le réseau auquel on s'adresse.")
class Network:
    id: strawberry.ID
    name: str
    is_test: bool


@strawberry.type(description="Qui demande, d'où, pourquoi et comment : ce que la passerelle a retenu du jeton.")
class Me:
    kind: ActorKind
    name: str
    rpps: str | None
    profession: CodedValue | None
    specialty: CodedValue | None
    structure: str | None = strawberry.field(description="FINESS du lieu d'exercice retenu.")
    software: str | None = strawberry.field(description="Le logiciel qui agit pour l'acteur.")
    purpose: Purpose
    mode: Mode
    network: Network

    @resolved("Pour une personne : son propre identifiant de patient dans ce réseau.")
    async def patient_id(self, info: ResolverInfo) -> strawberry.ID | None:
        context = context_of(info)
        if context.actor.kind is not ActorKind.PERSON:
            return None
        async with transaction(context) as act:
            found = await patients.of_person(act, context.actor.id)
        return node_id(Node.PATIENT, found) if found else None


@strawberry.type
class MeQuery:
    @resolved("Qui demande.")
    def me(self, info: ResolverInfo) -> Me:
        context = context_of(info)
        actor, tenant = context.actor, context.tenant
        profession = nomenclatures.profession(actor.profession) if actor.profession else None
        specialty = nomenclatures.specialty(actor.specialty) if actor.specialty else None
        return Me(
            kind=actor.kind,
            name=actor.name,
            rpps=actor.id if actor.kind is ActorKind.PROFESSIONAL else None,
            profession=coded(actor.profession, profession.label if profession else None),
            specialty=coded(actor.specialty, specialty.label if specialty else None),
            structure=actor.establishment,
            software=actor.software,
            purpose=context.purpose,
            mode=context.mode,
            network=Network(id=strawberry.ID(tenant.id), name=tenant.name, is_test=tenant.is_test),
        )
