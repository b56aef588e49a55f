"""Care teams, and the consent that a patient gives to a whole team (Conseil d'État, 15 October 2025)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import cache
from typing import Annotated, Any, TypeAlias

import strawberry
from sqlalchemy import DateTime, Uuid, and_, bindparam, case, func, literal, select, true

from passerelle.audit.transactions import transaction
from passerelle.dossier import care_teams, judging, team_consents
from passerelle.kernel.context import Context
from passerelle_graphql.bodies import as_json
from passerelle_graphql.compiler import shapes
from passerelle_graphql.compiler.building import NotCompiled, Shape, later, leaf, listed, needing, row_of
from passerelle_graphql.compiler.late import Late
from passerelle_graphql.compiler.roots import Frame, Given, ReadRoot
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import Asked, ResolverInfo, context_of
from passerelle_graphql.declared import fields_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of, node_id
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import shape, shown
from passerelle_graphql.schema.authorizations import Ended, EndResult, TeamConsent, rpps_of
from passerelle_graphql.schema.enums import InformedHow
from passerelle_policies.vocabulary import Kind


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


_TEAM, _MEMBER = "team", "member"
_SUBJECT = Sql(f"{_MEMBER}.subject")


def _in_directory(place: int) -> Shape:
    """The name, or the profession, of a member: the directory is another database, asked after the statement."""

    async def lookup(context: Context, subjects: Sequence[Sequence[Any]]) -> Mapping[str, Any]:
        return {each[0]: await care_teams.named(context, each[0]) for each in subjects}

    def write(_context: Context, values: Sequence[Any], found: Mapping[str, Any]) -> bytes:
        return as_json(found[values[0]][place])

    return later(lambda _builder, _selected: Late(write=write, lookup=lookup), _SUBJECT)


@cache
def _frame(needs: frozenset[str]) -> Frame:
    """A team as a patient reads it who consents to it."""
    patient_id, team_id = bindparam("access_patient_id", type_=Uuid()), bindparam("team_id", type_=Uuid())
    now = bindparam("access_now", type_=DateTime(timezone=True))
    consents = care_teams.has_consented(patient_id, team_id, now)
    it = judging.judged(Kind.AUTHORIZATIONS, provided=consents)
    team = care_teams.called(team_id).cte(_TEAM)
    unknown = case((it.verdict.c.allowed, func.json_build_object(literal("unknown"), true())))
    members = care_teams.members(team_id, now).cte(_MEMBER)
    return Frame(
        lambda body: select(
            case((and_(it.verdict.c.allowed, consents), body)).label("body"),
            func.coalesce(it.told_of_refusal(), unknown).label("told"),
        ).select_from(it.verdict.outerjoin(team, true())),
        [it.journal_line, *([members] if _MEMBER in needs else [])],
    )


def _parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    team_id, patient_id = key_of(Node.TEAM, arguments.root["team_id"]), arguments.root.get("patient_id")
    if patient_id is None:
        raise NotCompiled("a member reads by another rule, with another line")
    key = key_of(Node.PATIENT, patient_id)
    return {**judging.parameters(asked.context, Kind.AUTHORIZATIONS, key), "team_id": team_id}


def _not_shown(asked: Asked, told: Mapping[str, Any]) -> object:
    if "unknown" in told:
        raise care_teams.unknown()
    raise judging.refusal(asked.context, Kind.AUTHORIZATIONS, told)


CARE_TEAM = ReadRoot(
    name="careTeam",
    shows="CareTeamRoll",
    fields={
        "id": leaf(shapes.quoted_id(Node.TEAM)(Sql(f"{_TEAM}.team_id"))),
        "name": leaf(shapes.free_text(Sql(f"{_TEAM}.name"))),
        "establishment": leaf(shapes.free_text(Sql(f"{_TEAM}.establishment"))),
        "members": needing(
            _MEMBER,
            listed(
                "TeamMember",
                fields_of(
                    TeamMember,
                    row_of(_MEMBER, ("subject", "since")),
                    name=_in_directory(0),
                    profession=_in_directory(1),
                ),
                Sql(_MEMBER),
                Sql(f"{_MEMBER}.since, {_SUBJECT}"),
            ),
        ),
    },
    frame=_frame,
    parameters=_parameters,
    otherwise=_not_shown,
)


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
