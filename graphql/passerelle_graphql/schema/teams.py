"""Care teams, and the consent that a patient gives to a whole team (Conseil d'État, 15 October 2025)."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from passerelle.audit.transactions import transaction
from passerelle.dossier import care_teams, team_consents
from passerelle_graphql.context import ResolverInfo, context_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of, node_id
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import shape, shown
from passerelle_graphql.schema.authorizations import Ended, EndResult, TeamConsent, rpps_of
from passerelle_graphql.schema.enums import InformedHow


@strawberry.type(description="Une équipe de soins.")
class CareTeam:
    id: strawberry.ID


@strawberry.type(description="Un membre d'une équipe de soins.")
class TeamMember:
    rpps: str | None = shown("subject", by=rpps_of)
    name: str = shown()
    profession: str = shown(description="Code de TRE_G15, ou de TRE_R94 hors santé.")
    since: datetime = shown()


@strawberry.type(description="Une équipe de soins et ses membres, du plus ancien au plus récent.")
class CareTeamRoll:
    id: strawberry.ID
    name: str
    establishment: str | None = strawberry.field(description="FINESS.")
    members: list[TeamMember] = strawberry.field(directives=[counted(20)])


CareTeamResult: TypeAlias = Annotated[
    CareTeam | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("CareTeamResult")
]
CareTeamRollResult: TypeAlias = Annotated[
    CareTeamRoll | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("CareTeamRollResult")
]
TeamConsentResult: TypeAlias = Annotated[
    TeamConsent | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("TeamConsentResult")
]


@strawberry.type
class TeamQuery:
    @resolved("Une équipe : pour ses membres, ou pour le patient qui lui a donné son consentement.", cost=10)
    async def care_team(
        self, info: ResolverInfo, team_id: strawberry.ID, patient_id: strawberry.ID | None = None
    ) -> CareTeamRollResult:
        team = key_of(Node.TEAM, team_id)
        patient = key_of(Node.PATIENT, patient_id) if patient_id is not None else None
        async with transaction(context_of(info)) as act:
            read = await care_teams.read_care_team(act, team, patient_id=patient)
        members = [shape(TeamMember, asdict(each)) for each in read.members]
        return CareTeamRoll(id=team_id, name=read.name, establishment=read.establishment, members=members)


@strawberry.type
class TeamMutation:
    @resolved("Fonder une équipe de soins ; son fondateur en est membre.", cost=10)
    async def create_care_team(self, info: ResolverInfo, name: str, establishment: str | None = None) -> CareTeamResult:
        async with transaction(context_of(info)) as act:
            team = await care_teams.create_care_team(act, name, establishment=establishment)
        return CareTeam(id=node_id(Node.TEAM, team))

    @resolved("Faire entrer un professionnel dans une équipe dont on est membre.", cost=10)
    async def add_care_team_member(self, info: ResolverInfo, team_id: strawberry.ID, rpps: str) -> CareTeamResult:
        team = key_of(Node.TEAM, team_id)
        async with transaction(context_of(info)) as act:
            await care_teams.add_care_team_member(act, team, rpps)
        return CareTeam(id=team_id)

    @resolved("Quitter une équipe, ou en faire sortir un autre membre.", cost=10)
    async def remove_care_team_member(self, info: ResolverInfo, team_id: strawberry.ID, rpps: str) -> CareTeamResult:
        team = key_of(Node.TEAM, team_id)
        async with transaction(context_of(info)) as act:
            await care_teams.remove_care_team_member(act, team, rpps)
        return CareTeam(id=team_id)

    @resolved("Recueillir le consentement initial et éclairé du patient à une équipe.", cost=10)
    async def consent_to_team(
        self,
        info: ResolverInfo,
        patient_id: strawberry.ID,
        team_id: strawberry.ID,
        informed_how: InformedHow,
        proof: str,
        until: datetime | None = None,
        asked_by: str | None = None,
    ) -> TeamConsentResult:
        patient, team = key_of(Node.PATIENT, patient_id), key_of(Node.TEAM, team_id)
        async with transaction(context_of(info)) as act:
            grant = await team_consents.consent_to_team(
                act, patient, team, informed_how=informed_how, proof=proof, until=until, asked_by=asked_by
            )
        return shape(TeamConsent, asdict(grant))

    @resolved("Retirer le consentement donné à une équipe.", cost=10)
    async def withdraw_team_consent(
        self, info: ResolverInfo, patient_id: strawberry.ID, team_id: strawberry.ID
    ) -> EndResult:
        patient, team = key_of(Node.PATIENT, patient_id), key_of(Node.TEAM, team_id)
        async with transaction(context_of(info)) as act:
            return Ended(count=await team_consents.withdraw_team_consent(act, patient, team))
