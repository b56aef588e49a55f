"""What is done of tumour boards: declared, amended, validated, suspended, staffed; coordination centres."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, TypeAlias

import strawberry

from passerelle.audit.transactions import transaction
from passerelle.oncology import boards, members
from passerelle_graphql.context import ResolverInfo, context_of
from passerelle_graphql.fields import resolved
from passerelle_graphql.ids import Node, key_of, node_id
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import shape
from passerelle_graphql.schema.boards import Board, BoardMember
from passerelle_graphql.schema.enums import BoardKind, BoardScope, Duty, Specialty


@strawberry.type(description="Un centre a été enregistré.")
class FoundedCentre:
    id: strawberry.ID


@strawberry.input(description="Comment une RCP travaille.")
class CharterInput:
    duration_minutes: int
    recurrence: str | None = strawberry.field(default=None, description="Par exemple FREQ=WEEKLY;BYDAY=TU.")
    deputies: bool = True
    videoconference: bool = False
    centre_id: strawberry.ID | None = None
    network_number: str | None = None
    manager_number: str | None = None
    board_number: str | None = None

    def said(self) -> boards.Charter:
        centre = key_of(Node.CENTRE, self.centre_id) if self.centre_id is not None else None
        return boards.Charter(**{**vars(self), "centre_id": centre})


@strawberry.input(description="Une RCP à déclarer ; son type et son appareil ne changent plus ensuite.")
class BoardInput:
    name: str
    kind: BoardKind
    scope: BoardScope
    charter: CharterInput
    organ: str | None = strawberry.field(default=None, description="Son appareil (jdv-rcp-appareil-cisis).")
    specialty: Specialty | None = strawberry.field(
        default=None, description="Celle du médecin qui la déclare, si l'annuaire ne la dit pas."
    )


@strawberry.input(description="Qui nommer, et à quelle charge.")
class BoardMemberInput:
    rpps: str
    duty: Duty = Duty.MEMBER
    specialty: Specialty | None = strawberry.field(default=None, description="Absente : celle de l'annuaire.")
    deputy_of: strawberry.ID | None = strawberry.field(default=None, description="Le membre qu'un suppléant supplée.")


BoardResult: TypeAlias = Annotated[
    Board | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("BoardResult")
]
BoardMemberResult: TypeAlias = Annotated[
    BoardMember | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("BoardMemberResult")
]
FoundCentreResult: TypeAlias = Annotated[
    FoundedCentre | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("FoundCentreResult")
]


@strawberry.type
class BoardMutation:
    @resolved("Enregistrer un centre de coordination (3C) de l'établissement d'où l'on agit.", cost=10)
    async def found_coordination_centre(self, info: ResolverInfo, name: str) -> FoundCentreResult:
        async with transaction(context_of(info)) as act:
            return FoundedCentre(id=node_id(Node.CENTRE, await boards.found_centre(act, name)))

    @resolved("Déclarer une RCP de l'établissement d'où l'on agit.", cost=10)
    async def declare_board(self, info: ResolverInfo, board: BoardInput) -> BoardResult:
        said = boards.Declared(**{**vars(board), "charter": board.charter.said()})
        async with transaction(context_of(info)) as act:
            return _board(await boards.declare(act, said))

    @resolved("Changer la charte d'une RCP.", cost=10)
    async def amend_board(self, info: ResolverInfo, id: strawberry.ID, charter: CharterInput) -> BoardResult:  # noqa: A002 - the graph's name
        key, said = key_of(Node.BOARD, id), charter.said()
        async with transaction(context_of(info)) as act:
            return _board(await boards.amend(act, key, said))

    @resolved("Valider une RCP déclarée ; pour le réseau de cancérologie.", cost=10)
    async def validate_board(self, info: ResolverInfo, id: strawberry.ID) -> BoardResult:  # noqa: A002 - the graph's name
        key = key_of(Node.BOARD, id)
        async with transaction(context_of(info)) as act:
            return _board(await boards.validate(act, key))

    @resolved("Suspendre une RCP ; pour le réseau de cancérologie.", cost=10)
    async def suspend_board(self, info: ResolverInfo, id: strawberry.ID) -> BoardResult:  # noqa: A002 - the graph's name
        key = key_of(Node.BOARD, id)
        async with transaction(context_of(info)) as act:
            return _board(await boards.suspend(act, key))

    @resolved("Rétablir une RCP suspendue ; pour le réseau de cancérologie.", cost=10)
    async def resume_board(self, info: ResolverInfo, id: strawberry.ID) -> BoardResult:  # noqa: A002 - the graph's name
        key = key_of(Node.BOARD, id)
        async with transaction(context_of(info)) as act:
            return _board(await boards.resume(act, key))

    @resolved("Nommer quelqu'un à une charge dans une RCP.", cost=10)
    async def appoint_board_member(
        self, info: ResolverInfo, board_id: strawberry.ID, member: BoardMemberInput
    ) -> BoardMemberResult:
        key = key_of(Node.BOARD, board_id)
        sits_for = key_of(Node.BOARD_MEMBER, member.deputy_of) if member.deputy_of is not None else None
        said = members.Appointed(**{**vars(member), "deputy_of": sits_for})
        async with transaction(context_of(info)) as act:
            return shape(BoardMember, asdict(await members.appoint(act, key, said)))

    @resolved("Mettre fin à une charge dans une RCP.", cost=10)
    async def end_board_member(
        self, info: ResolverInfo, board_id: strawberry.ID, member_id: strawberry.ID
    ) -> BoardMemberResult:
        key, who = key_of(Node.BOARD, board_id), key_of(Node.BOARD_MEMBER, member_id)
        async with transaction(context_of(info)) as act:
            return shape(BoardMember, asdict(await members.end(act, key, who)))


def _board(given: boards.Board) -> Board:
    return shape(Board, asdict(given))
