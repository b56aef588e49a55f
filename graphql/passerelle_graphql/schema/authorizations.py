"""`authorizations`: whom the patient lets in and keeps out, and the acts that change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import strawberry
from sqlalchemy import DateTime, Select, bindparam

from passerelle.audit.transactions import transaction
from passerelle.dossier import attending, judging, objections, relations
from passerelle_graphql.compiler import shapes
from passerelle_graphql.compiler.building import Shape, leaf, listed, needing, row_of
from passerelle_graphql.compiler.roots import Frame, Given, ReadRoot
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import Asked, ResolverInfo, context_of
from passerelle_graphql.declared import fields_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of, node_id
from passerelle_graphql.judged_frames import framed, refused
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import in_sql, shape, shown
from passerelle_graphql.schema.enums import ActorKind, InformedHow, Relation, RepresentationBasis
from passerelle_graphql.schema.values import identified
from passerelle_policies.vocabulary import Kind

_PROFESSIONAL, _TEAM = f"{ActorKind.PROFESSIONAL}:", "team:"


def rpps_in_sql(subject: Sql) -> Shape:
    """`rpps_of`, by the database."""
    is_professional = f"starts_with({subject}, {shapes.constant(_PROFESSIONAL)})"
    return leaf(
        shapes.free_text(Sql(f"case when {is_professional} then substr({subject}, {len(_PROFESSIONAL) + 1}) end"))
    )


@in_sql(rpps_in_sql)
def rpps_of(subject: str) -> str | None:
    """The RPPS number in a subject (`professional:<RPPS>`); a person's key is never shown."""
    return subject.removeprefix(_PROFESSIONAL) if subject.startswith(_PROFESSIONAL) else None


def _known(words: type[StrEnum], column: Sql, otherwise: str) -> Sql:
    listed = ", ".join(map(shapes.constant, words))
    return Sql(f"case when {column} in ({listed}) then {column} else {otherwise} end")


@in_sql(lambda basis: leaf(shapes.word(RepresentationBasis)(_known(RepresentationBasis, basis, "null"))))
def basis_of(basis: str | None) -> RepresentationBasis | None:
    """On what a representative's powers rest; an heir's link, and a row of before, say nothing of it."""
    return RepresentationBasis(basis) if basis in set(RepresentationBasis) else None


@in_sql(lambda word: leaf(shapes.word(InformedHow)(_known(InformedHow, word, shapes.constant(InformedHow.OTHER)))))
def informed_how_of(word: str) -> InformedHow:
    """How the patient was informed; what was told in free words before the list was closed is `OTHER`."""
    return InformedHow(word) if word in set(InformedHow) else InformedHow.OTHER


@in_sql(lambda subject: leaf(shapes.quoted_id(Node.TEAM)(Sql(f"substr({subject}, {len(_TEAM) + 1})::uuid"))))
def team_of(subject: str) -> strawberry.ID:
    return node_id(Node.TEAM, UUID(subject.removeprefix(_TEAM)))


@in_sql(lambda name: leaf(shapes.free_text(Sql(f"nullif({name}, {shapes.constant(Relation.CARE_TEAM)})"))))
def team_name_of(name: str) -> str | None:
    """A consent that was just given does not say how its team is called."""
    return None if name == Relation.CARE_TEAM else name


@strawberry.type(description="Un lien déclaré ou accordé, et jusqu'à quand.")
class RelationGrant:
    id: strawberry.ID = shown(by=identified(Node.RELATION))
    relation: Relation = shown("what", by=Relation)
    rpps: str | None = shown("subject", by=rpps_of, description="Pour un professionnel.")
    since: datetime = shown()
    until: datetime | None = shown(description="Exclu ; absent : jusqu'à retrait.")
    proof: str | None = shown()
    basis: RepresentationBasis | None = shown(by=basis_of, description="D'un représentant légal.")


@strawberry.type(description="Le consentement donné à toute une équipe de soins.")
class TeamConsent:
    id: strawberry.ID = shown(by=identified(Node.CONSENT))
    team_id: strawberry.ID = shown("subject", by=team_of)
    team_name: str | None = shown("what", by=team_name_of)
    asked_by: str | None = shown("recorded_by", by=rpps_of, description="RPPS de qui l'a recueilli.")
    informed_how: InformedHow = shown(by=informed_how_of, description="Comment le patient a été informé.")
    since: datetime = shown()
    until: datetime | None = shown()
    proof: str | None = shown()


@strawberry.type(description="Un professionnel tenu dehors, quoi qui l'autorise par ailleurs.")
class ProfessionalBlock:
    id: strawberry.ID = shown(by=identified(Node.BLOCK))
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


_GRANT = tuple(relations.Grant.__dataclass_fields__)
_RELATION, _CONSENT, _BLOCK, _OBJECTION = "granted", "consented", "kept_out", "objecting"


def _each(type_: type, rows: str) -> Shape:
    row = row_of(rows, _GRANT)
    shape = listed(type_.__name__, fields_of(type_, row), Sql(rows), Sql(f"{row['since']}, {row['id']}"))
    return needing(rows, shape)


@cache
def _frame(needs: frozenset[str]) -> Frame:
    it = judging.judged(Kind.AUTHORIZATIONS)
    now = bindparam("access_now", type_=DateTime(timezone=True))
    held = relations.held_at(it.patient_id, now)
    rows: dict[str, Select[Any]] = {
        _RELATION: held.relations,
        _CONSENT: held.team_consents,
        _BLOCK: held.blocks,
        _OBJECTION: objections.first_in_force(it.patient_id, now),
    }
    return framed(it, [each.cte(name) for name, each in rows.items() if name in needs])


def _parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    return judging.parameters(asked.context, Kind.AUTHORIZATIONS, key_of(Node.PATIENT, arguments.root["patient_id"]))


AUTHORIZATIONS = ReadRoot(
    name="authorizations",
    shows="Authorizations",
    fields={
        "relations": _each(RelationGrant, _RELATION),
        "teamConsents": _each(TeamConsent, _CONSENT),
        "blocks": _each(ProfessionalBlock, _BLOCK),
        "objectsToEmergenciesSince": needing(
            _OBJECTION, leaf(shapes.instant(Sql(f"(select valid_from from {_OBJECTION})")))
        ),
    },
    frame=_frame,
    parameters=_parameters,
    otherwise=refused(Kind.AUTHORIZATIONS),
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
