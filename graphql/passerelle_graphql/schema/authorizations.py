"""`authorizations`: whom the patient lets in and keeps out, and the acts that change it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, TypeAlias
from uuid import UUID

import strawberry

from passerelle.audit.transactions import transaction
from passerelle.dossier import attending, objections, relations
from passerelle_graphql.context import ResolverInfo, context_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of, node_id
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import shape, shown
from passerelle_graphql.schema.enums import ActorKind, InformedHow, Relation, RepresentationBasis

_PROFESSIONAL, _TEAM = f"{ActorKind.PROFESSIONAL}:", "team:"


def rpps_of(subject: str) -> str | None:
    """The RPPS number in a subject (`professional:<RPPS>`); a person's key is never shown."""
    return subject.removeprefix(_PROFESSIONAL) if subject.startswith(_PROFESSIONAL) else None


def basis_of(basis: str | None) -> RepresentationBasis | None:
    """On what a representative's powers rest; an heir's link, and a row of before, say nothing of it."""
    return RepresentationBasis(basis) if basis in set(RepresentationBasis) else None


def informed_how_of(word: str) -> InformedHow:
    """How the patient was informed; what was told in free words before the list was closed is `OTHER`."""
    return InformedHow(word) if word in set(InformedHow) else InformedHow.OTHER


def team_of(subject: str) -> strawberry.ID:
    return node_id(Node.TEAM, UUID(subject.removeprefix(_TEAM)))


@strawberry.type(description="Un lien déclaré ou accordé, et jusqu'à quand.")
class RelationGrant:
    id: strawberry.ID = shown(by=lambda key: node_id(Node.RELATION, key))
    relation: Relation = shown("what", by=Relation)
    rpps: str | None = shown("subject", by=rpps_of, description="Pour un professionnel.")
    since: datetime = shown()
    until: datetime | None = shown(description="Exclu ; absent : jusqu'à retrait.")
    proof: str | None = shown()
    basis: RepresentationBasis | None = shown(by=basis_of, description="D'un représentant légal.")


@strawberry.type(description="Le consentement donné à toute une équipe de soins.")
class TeamConsent:
    id: strawberry.ID = shown(by=lambda key: node_id(Node.CONSENT, key))
    team_id: strawberry.ID = shown("subject", by=team_of)
    team_name: str | None = shown("what", by=lambda name: None if name == Relation.CARE_TEAM else name)
    asked_by: str | None = shown("recorded_by", by=rpps_of, description="RPPS de qui l'a recueilli.")
    informed_how: InformedHow = shown(by=informed_how_of, description="Comment le patient a été informé.")
    since: datetime = shown()
    until: datetime | None = shown()
    proof: str | None = shown()


@strawberry.type(description="Un professionnel tenu dehors, quoi qui l'autorise par ailleurs.")
class ProfessionalBlock:
    id: strawberry.ID = shown(by=lambda key: node_id(Node.BLOCK, key))
    rpps: str | None = shown("subject", by=rpps_of)
    since: datetime = shown()


@strawberry.type(description="Ce qui ouvre ou ferme ce dossier à quelqu'un, aujourd'hui.")
class Authorizations:
    relations: list[RelationGrant] = strawberry.field(directives=[counted(20)])
    team_consents: list[TeamConsent] = strawberry.field(directives=[counted(10)])
    blocks: list[ProfessionalBlock] = strawberry.field(directives=[counted(10)])
    objects_to_emergencies_since: datetime | None = strawberry.field(
        description="Depuis quand le patient s'oppose à toute ouverture en urgence ; absent : il ne s'y oppose pas."
    )


@strawberry.type(description="Fin d'une autorisation, d'un consentement, d'un blocage.")
class Ended:
    count: int = strawberry.field(description="Combien ont pris fin ; zéro : il n'y en avait pas.")


AuthorizationsResult: TypeAlias = Annotated[
    Authorizations | Refusal | InvalidInput | TryLater, strawberry.union("AuthorizationsResult")
]
RelationActResult: TypeAlias = Annotated[
    RelationGrant | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("RelationActResult")
]
BlockResult: TypeAlias = Annotated[
    ProfessionalBlock | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("BlockResult")
]
EndResult: TypeAlias = Annotated[Ended | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("EndResult")]


@strawberry.type
class AuthorizationsQuery:
    @resolved("Qui peut et qui ne peut pas.", cost=10)
    async def authorizations(self, info: ResolverInfo, patient_id: strawberry.ID) -> AuthorizationsResult:
        key = key_of(Node.PATIENT, patient_id)
        async with transaction(context_of(info)) as act:
            held = await relations.authorizations(act, key)
            objecting_since = await objections.objecting_since(act, key)
        return Authorizations(
            relations=[shape(RelationGrant, asdict(each)) for each in held.relations],
            team_consents=[shape(TeamConsent, asdict(each)) for each in held.team_consents],
            blocks=[shape(ProfessionalBlock, asdict(each)) for each in held.blocks],
            objects_to_emergencies_since=objecting_since,
        )


@strawberry.type
class AuthorizationsMutation:
    @resolved("Autoriser un professionnel.", cost=10)
    async def authorize(
        self,
        info: ResolverInfo,
        patient_id: strawberry.ID,
        rpps: str,
        until: datetime | None = None,
        proof: str | None = None,
    ) -> RelationActResult:
        key = key_of(Node.PATIENT, patient_id)
        async with transaction(context_of(info)) as act:
            grant = await relations.authorize(act, key, rpps, until=until, proof=proof)
        return shape(RelationGrant, asdict(grant))

    @resolved("Retirer l'autorisation d'un professionnel.", cost=10)
    async def withdraw_authorization(self, info: ResolverInfo, patient_id: strawberry.ID, rpps: str) -> EndResult:
        key = key_of(Node.PATIENT, patient_id)
        async with transaction(context_of(info)) as act:
            return Ended(count=await relations.withdraw_authorization(act, key, rpps))

    @resolved("Bloquer un professionnel.", cost=10)
    async def block_professional(self, info: ResolverInfo, patient_id: strawberry.ID, rpps: str) -> BlockResult:
        key = key_of(Node.PATIENT, patient_id)
        async with transaction(context_of(info)) as act:
            held = await relations.block_professional(act, key, rpps)
        return shape(ProfessionalBlock, asdict(held))

    @resolved("Lever le blocage d'un professionnel.", cost=10)
    async def unblock_professional(self, info: ResolverInfo, patient_id: strawberry.ID, rpps: str) -> EndResult:
        key = key_of(Node.PATIENT, patient_id)
        async with transaction(context_of(info)) as act:
            return Ended(count=await relations.unblock_professional(act, key, rpps))

    @resolved("Déclarer le médecin traitant ; le précédent cesse de l'être.", cost=10)
    async def declare_attending_physician(
        self, info: ResolverInfo, patient_id: strawberry.ID, rpps: str, proof: str | None = None
    ) -> RelationActResult:
        key = key_of(Node.PATIENT, patient_id)
        async with transaction(context_of(info)) as act:
            grant = await attending.declare_attending_physician(act, key, rpps, proof=proof)
        return shape(RelationGrant, asdict(grant))

    @resolved("Le médecin traitant cesse de l'être.", cost=10)
    async def end_attending_physician(self, info: ResolverInfo, patient_id: strawberry.ID, rpps: str) -> EndResult:
        key = key_of(Node.PATIENT, patient_id)
        async with transaction(context_of(info)) as act:
            return Ended(count=await attending.end_attending_physician(act, key, rpps))
