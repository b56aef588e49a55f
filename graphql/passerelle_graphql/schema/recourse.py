"""Recourse to a board of another network: asked for here, or answered here for others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from functools import cache
from typing import Annotated, Any, TypeAlias

import strawberry
from sqlalchemy import Uuid, bindparam

from passerelle.audit.journal import NOBODY
from passerelle.audit.transactions import transaction
from passerelle.dossier import access as dossier_access
from passerelle.kernel import boards_elsewhere
from passerelle.oncology import access, lent_cases, recourse, sheet_answers
from passerelle.oncology.recourse import ReferralState
from passerelle.oncology.recourse_words import DeclinedBecause
from passerelle.oncology.sheet_answers import GivenAnswer
from passerelle_graphql.compiler.building import listed, needing, row_of
from passerelle_graphql.compiler.roots import Frame, Given, ReadRoot
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import Asked, ResolverInfo, context_of
from passerelle_graphql.declared import fields_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of, node_id
from passerelle_graphql.judged_frames import framed, refused
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import shape, shown
from passerelle_graphql.schema.board_sheets import SheetAnswerInput
from passerelle_graphql.schema.enums import BoardKind
from passerelle_graphql.schema.lent_cases import LentCase, lent_case
from passerelle_graphql.schema.values import identified
from passerelle_policies.vocabulary import Action, Kind

strawberry.enum(ReferralState, description="Où en est une demande d'avis à un autre réseau.")
strawberry.enum(DeclinedBecause, description="Pourquoi un cas est rendu sans avis.")


@strawberry.type(description="Une demande d'avis à une RCP d'un autre réseau.")
class RecourseReferral:
    id: strawberry.ID = shown("referral_id", by=identified(Node.REFERRAL))
    to_network: str = shown()
    state: ReferralState = shown(by=ReferralState)
    sent_at: datetime = shown()
    received_at: datetime | None = shown()
    ended_at: datetime | None = shown()
    declined_because: str | None = shown(description="Un mot de DeclinedBecause, quand le cas est rendu sans avis.")


@strawberry.type(description="Les demandes d'avis d'un cas, de la dernière à la première.")
class RecourseReferrals:
    nodes: list[RecourseReferral] = strawberry.field(directives=[counted(5)])


@strawberry.type(description="Une RCP d'un autre réseau, à qui un cas peut être adressé.")
class BoardElsewhere:
    id: strawberry.ID
    network: str
    network_name: str
    name: str
    kind: BoardKind
    organ: str | None = strawberry.field(description="jdv-rcp-appareil-cisis.")
    next_session_at: datetime


@strawberry.type(description="Les RCP des autres réseaux qui ont une session à venir.")
class BoardsElsewhere:
    nodes: list[BoardElsewhere] = strawberry.field(directives=[counted(100)])


@strawberry.type(description="L'avis est rendu, ou le cas l'est sans avis : il ne reste rien ici.")
class LentCaseGivenBack:
    id: strawberry.ID


RecourseReferralResult: TypeAlias = Annotated[
    RecourseReferral | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("RecourseReferralResult")
]
RecourseReferralsResult: TypeAlias = Annotated[
    RecourseReferrals | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("RecourseReferralsResult")
]
BoardsElsewhereResult: TypeAlias = Annotated[
    BoardsElsewhere | Refusal | InvalidInput | TryLater, strawberry.union("BoardsElsewhereResult")
]
LentCaseResult: TypeAlias = Annotated[
    LentCase | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("LentCaseResult")
]
GivenBackResult: TypeAlias = Annotated[
    LentCaseGivenBack | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("GivenBackResult")
]


@strawberry.type
class RecourseQuery:
    @resolved("Les demandes d'avis d'un cas à d'autres réseaux.", cost=10)
    async def recourse_referrals(
        self,
        info: ResolverInfo,
        patient_id: strawberry.ID,
        case_id: strawberry.ID,
    ) -> RecourseReferralsResult:
        patient, key = key_of(Node.PATIENT, patient_id), key_of(Node.BOARD_CASE, case_id)
        async with transaction(context_of(info)) as act:
            found = await recourse.of_case(act, patient, key)
        return RecourseReferrals(nodes=[_referral(each) for each in found])

    @resolved("Les RCP des autres réseaux à qui un cas peut être adressé ; les réseaux sont interrogés.", cost=40)
    async def boards_elsewhere(self, info: ResolverInfo, kind: BoardKind | None = None) -> BoardsElsewhereResult:
        context = context_of(info)
        async with transaction(context) as act:
            await dossier_access.require(act, NOBODY, Kind.BOARD, Action.READ)
        found = await context.boards_elsewhere.meeting(context.tenant.id, context.clock.now())
        return BoardsElsewhere(nodes=[_elsewhere(each) for each in found if kind in (None, each.kind)])


@strawberry.type
class RecourseMutation:
    @resolved("Adresser un cas à une RCP d'un autre réseau : ses experts lisent ce cas seul, le temps d'une session.")
    async def refer_board_case(
        self,
        info: ResolverInfo,
        case_id: strawberry.ID,
        to_network: str,
        to_board_id: strawberry.ID,
    ) -> RecourseReferralResult:
        key, board = key_of(Node.BOARD_CASE, case_id), key_of(Node.BOARD, to_board_id)
        async with transaction(context_of(info)) as act:
            return _referral(await recourse.refer(act, key, to_network, board))

    @resolved("Retirer une demande d'avis : rien du cas ne reste chez les experts.")
    async def take_back_referral(self, info: ResolverInfo, case_id: strawberry.ID) -> RecourseReferralResult:
        key = key_of(Node.BOARD_CASE, case_id)
        async with transaction(context_of(info)) as act:
            return _referral(await recourse.take_back(act, key))

    @resolved("Écrire l'avis sur un cas prêté.", cost=20)
    async def write_recourse_opinion(
        self,
        info: ResolverInfo,
        id: strawberry.ID,  # noqa: A002 - the graph's name
        revision: int,
        answers: list[SheetAnswerInput],
    ) -> LentCaseResult:
        key = key_of(Node.REFERRAL, id)
        given = sheet_answers.taken(GivenAnswer(**asdict(each)) for each in answers)
        context = context_of(info)
        async with transaction(context) as act:
            written = await lent_cases.write(act, key, revision, given)
        return lent_case(context, info.context.path, written)

    @resolved("Rendre l'avis sur un cas prêté : il devient la fiche du cas, chez lui, et rien n'en reste ici.", cost=20)
    async def give_recourse_opinion(
        self,
        info: ResolverInfo,
        id: strawberry.ID,  # noqa: A002 - the graph's name
        revision: int,
    ) -> GivenBackResult:
        key = key_of(Node.REFERRAL, id)
        async with transaction(context_of(info)) as act:
            await lent_cases.give(act, key, revision)
        return LentCaseGivenBack(id=id)

    @resolved("Rendre sans avis un cas prêté.")
    async def decline_lent_case(
        self,
        info: ResolverInfo,
        id: strawberry.ID,  # noqa: A002 - the graph's name
        because: DeclinedBecause,
    ) -> GivenBackResult:
        key = key_of(Node.REFERRAL, id)
        async with transaction(context_of(info)) as act:
            await lent_cases.decline(act, key, because)
        return LentCaseGivenBack(id=id)


def _elsewhere(given: boards_elsewhere.BoardElsewhere) -> BoardElsewhere:
    said = asdict(given)
    return BoardElsewhere(id=node_id(Node.BOARD, said.pop("board_id")), **{**said, "kind": BoardKind(given.kind)})


def _referral(given: recourse.Referral) -> RecourseReferral:
    return shape(RecourseReferral, asdict(given))


_ROWS = "referral"
_SHOWN = ("referral_id", "to_network", "state", "sent_at", "received_at", "ended_at", "declined_because")


@cache
def _frame(needs: frozenset[str]) -> Frame:
    it = access.judged(Kind.BOARD_CASE)
    rows = recourse.referrals(it.patient_id, bindparam("oncology_case_id", type_=Uuid())).where(it.is_allowed())
    return framed(it, [rows.cte(_ROWS)] if _ROWS in needs else [])


def _parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    patient = key_of(Node.PATIENT, arguments.root["patient_id"])
    return access.parameters(
        asked.context, Kind.BOARD_CASE, patient, key_of(Node.BOARD_CASE, arguments.root["case_id"])
    )


RECOURSE_REFERRALS = ReadRoot(
    name="recourseReferrals",
    shows="RecourseReferrals",
    fields={
        "nodes": needing(
            _ROWS,
            listed(
                "RecourseReferral",
                fields_of(RecourseReferral, row_of(_ROWS, _SHOWN)),
                Sql(_ROWS),
                Sql(f"{_ROWS}.sent_at desc, {_ROWS}.referral_id"),
            ),
        )
    },
    frame=_frame,
    parameters=_parameters,
    otherwise=refused(Kind.BOARD_CASE),
)
