"""Care teams, and the consent that a patient gives to a whole team (Conseil d'État, 15 October 2025)."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

import strawberry

from passerelle.audit.transactions import transaction
from passerelle.dossier import relations
from passerelle_graphql.context import ResolverInfo, context_of
from passerelle_graphql.ids import Node, key_of, node_id
from passerelle_graphql.schema.authorizations import (
    CareTeam,
    CareTeamResult,
    Ended,
    EndResult,
    TeamConsent,
    TeamConsentResult,
)
from passerelle_graphql.schema.fields import resolved
from passerelle_graphql.schema.read_model import shape


@strawberry.type
class TeamMutation:
    @resolved("Fonder une équipe de soins ; son fondateur en est membre.", cost=10)
    async def create_care_team(self, info: ResolverInfo, name: str, establishment: str | None = None) -> CareTeamResult:
        async with transaction(context_of(info)) as act:
            team = await relations.create_care_team(act, name, establishment=establishment)
        return CareTeam(id=node_id(Node.TEAM, team))

    @resolved("Faire entrer un professionnel dans une équipe dont on est membre.", cost=10)
    async def add_care_team_member(self, info: ResolverInfo, team_id: strawberry.ID, rpps: str) -> CareTeamResult:
        team = key_of(Node.TEAM, team_id)
        async with transaction(context_of(info)) as act:
            await relations.add_care_team_member(act, team, rpps)
        return CareTeam(id=team_id)

    @resolved("Recueillir le consentement initial et éclairé du patient à une équipe.", cost=10)
    async def consent_to_team(
        self,
        info: ResolverInfo,
        patient_id: strawberry.ID,
        team_id: strawberry.ID,
        informed_how: str,
        proof: str,
        until: datetime | None = None,
    ) -> TeamConsentResult:
        patient, team = key_of(Node.PATIENT, patient_id), key_of(Node.TEAM, team_id)
        async with transaction(context_of(info)) as act:
            grant = await relations.consent_to_team(
                act, patient, team, informed_how=informed_how, proof=proof, until=until
            )
        return shape(TeamConsent, asdict(grant))

    @resolved("Retirer le consentement donné à une équipe.", cost=10)
    async def withdraw_team_consent(
        self, info: ResolverInfo, patient_id: strawberry.ID, team_id: strawberry.ID
    ) -> EndResult:
        patient, team = key_of(Node.PATIENT, patient_id), key_of(Node.TEAM, team_id)
        async with transaction(context_of(info)) as act:
            return Ended(count=await relations.withdraw_team_consent(act, patient, team))
