"""Tumour boards: their directory, one with its members, the coordination centres; declared, validated, staffed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import strawberry
from sqlalchemy import DateTime, Integer, Text, Uuid, bindparam, select

from passerelle.audit.journal import NOBODY
from passerelle.audit.transactions import transaction
from passerelle.dossier import judging, reading
from passerelle.oncology import boards, boards_read
from passerelle.oncology.value_sets import value_sets
from passerelle_graphql.compiler import shapes
from passerelle_graphql.compiler.building import Shape, entity, leaf, listed, needing, row_of, unless_null
from passerelle_graphql.compiler.roots import Frame, Given, ReadRoot
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import Asked, ResolverInfo, context_of
from passerelle_graphql.declared import fields_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of, node_id
from passerelle_graphql.judged_frames import framed, refused
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import in_sql, shape, shown
from passerelle_graphql.schema.board_agenda import rpps
from passerelle_graphql.schema.enums import BoardKind, BoardScope, BoardState, Duty, Specialty
from passerelle_graphql.schema.professionals import known_profession, profession_in_sql, rpps_in
from passerelle_graphql.schema.values import CodedValue, coded_in_sql, identified
from passerelle_policies.vocabulary import Kind

_ORGANS = {code: each.label or code for code, each in value_sets()[boards.ORGANS].items()}


@in_sql(lambda code: coded_in_sql(code, shapes.label_in(_ORGANS, code)))
def organ(code: str | None) -> CodedValue | None:
    """An organ system (jdv-rcp-appareil-cisis), when there is one."""
    return CodedValue(code=code, label=_ORGANS.get(code)) if code else None


def _id_or_null(kind: Node) -> Any:
    def to_shape(key: Sql) -> Shape:
        return unless_null(key, leaf(shapes.quoted_id(kind)(key)))

    @in_sql(to_shape)
    def by_key(key: UUID | None) -> strawberry.ID | None:
        return None if key is None else node_id(kind, key)

    return by_key


_specialty_word = shapes.word(Specialty)


@in_sql(lambda column: unless_null(column, leaf(_specialty_word(column))))
def specialty(value: str | None) -> Specialty | None:
    return Specialty(value) if value else None


@strawberry.type(description="Une réunion de concertation pluridisciplinaire (RCP) et sa charte.")
class Board:
    id: strawberry.ID = shown("board_id", by=identified(Node.BOARD))
    name: str = shown()
    kind: BoardKind = shown(by=BoardKind)
    scope: BoardScope = shown(by=BoardScope)
    organ: CodedValue | None = shown(by=organ)
    establishment: str = shown(description="FINESS de l'établissement qui l'a déclarée.")
    centre_id: strawberry.ID | None = shown(by=_id_or_null(Node.CENTRE), description="Le 3C qui l'organise.")
    state: BoardState = shown(by=BoardState)
    recurrence: str | None = shown(description="Sa fréquence (RFC 5545, RRULE).")
    duration_minutes: int = shown()
    deputies: bool = shown(description="Un suppléant peut siéger pour un membre.")
    videoconference: bool = shown()
    network_number: str | None = shown(description="Numéro national du réseau.")
    manager_number: str | None = shown(description="Numéro national du gestionnaire.")
    board_number: str | None = shown(description="Numéro national de la RCP.")
    declared_at: datetime = shown()
    validated_at: datetime | None = shown()
    suspended_at: datetime | None = shown()


@strawberry.type(description="Quelqu'un qui a une charge dans une RCP.")
class BoardMember:
    id: strawberry.ID = shown("member_id", by=identified(Node.BOARD_MEMBER))
    rpps: str = shown("subject", by=rpps)
    name: str = shown()
    duty: Duty = shown(by=Duty)
    specialty: Specialty | None = shown(by=specialty, description="Absente pour le secrétariat.")
    specialty_code: str | None = shown(description="Son savoir-faire (TRE_R38), s'il est connu.")
    deputy_of: strawberry.ID | None = shown(by=_id_or_null(Node.BOARD_MEMBER))
    valid_from: datetime = shown()
    valid_until: datetime | None = shown()

    @resolved("Celle que l'annuaire lui connaît.")
    async def profession(self, info: ResolverInfo) -> CodedValue | None:
        return await known_profession(info, self.rpps)


@strawberry.type(description="L'annuaire des RCP, par nom.")
class Boards:
    nodes: list[Board]
    end_cursor: strawberry.ID | None = strawberry.field(description="Où reprendre ; absent d'une page vide.")


@strawberry.type(description="Une RCP avec ceux qui y ont une charge aujourd'hui.")
class StaffedBoard:
    board: Board
    members: list[BoardMember] = strawberry.field(directives=[counted(30)])


@strawberry.type(description="Un centre de coordination en cancérologie (3C).")
class CoordinationCentre:
    id: strawberry.ID = shown("centre_id", by=identified(Node.CENTRE))
    name: str = shown()
    establishment: str = shown(description="FINESS.")


@strawberry.type
class CoordinationCentres:
    nodes: list[CoordinationCentre] = strawberry.field(directives=[counted(20)])


BoardsResult: TypeAlias = Annotated[Boards | Refusal | InvalidInput | TryLater, strawberry.union("BoardsResult")]
StaffedBoardResult: TypeAlias = Annotated[
    StaffedBoard | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("StaffedBoardResult")
]
CentresResult: TypeAlias = Annotated[
    CoordinationCentres | Refusal | InvalidInput | TryLater, strawberry.union("CoordinationCentresResult")
]
_NODES = counted(50, by="first", within=("nodes",))


@strawberry.type
class BoardQuery:
    @resolved("L'annuaire des RCP du réseau.", cost=10, counts=_NODES)
    async def boards(
        self,
        info: ResolverInfo,
        kind: BoardKind | None = None,
        state: BoardState | None = None,
        first: int | None = None,
        after: strawberry.ID | None = None,
    ) -> BoardsResult:
        context = context_of(info)
        size, start = reading.page_size(context, first), key_of(Node.BOARD, after) if after is not None else None
        async with transaction(context) as act:
            rows = await boards_read.directory(act, first=size, kind=kind, state=state, after=start)
        nodes = [shape(Board, each) for each in rows]
        return Boards(nodes=nodes, end_cursor=node_id(Node.BOARD, rows[-1]["board_id"]) if rows else None)

    @resolved("Une RCP, et qui y siège.", cost=10)
    async def board(self, info: ResolverInfo, id: strawberry.ID) -> StaffedBoardResult:  # noqa: A002 - the graph's name
        key = key_of(Node.BOARD, id)
        async with transaction(context_of(info)) as act:
            found, who = await boards_read.with_members(act, key)
        return StaffedBoard(board=shape(Board, found), members=[shape(BoardMember, each) for each in who])

    @resolved("Les centres de coordination en cancérologie (3C) du réseau.", cost=5)
    async def coordination_centres(self, info: ResolverInfo) -> CentresResult:
        async with transaction(context_of(info)) as act:
            rows = await boards_read.all_centres(act)
        return CoordinationCentres(nodes=[shape(CoordinationCentre, each) for each in rows])


_BOARD, _WHO, _CENTRE = "board_shown", "member_shown", "centre_shown"
_ROW, _MEMBER = row_of(_BOARD, boards.SHOWN), row_of(_WHO, boards_read.MEMBERS)


@cache
def _directory_frame(needs: frozenset[str]) -> Frame:
    it = judging.judged(Kind.BOARD)
    found = boards_read.listed(
        kind=bindparam("board_kind", type_=Text()),
        state=bindparam("board_state", type_=Text()),
        after=bindparam("board_after", type_=Uuid()),
        limit=bindparam("page_size", type_=Integer()),
    )
    return framed(it, [found.where(it.is_allowed()).cte(_BOARD)] if _BOARD in needs else [])


def _directory_parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    said = arguments.root
    size, after = reading.page_size(asked.context, said.get("first")), said.get("after")
    start = key_of(Node.BOARD, after) if after is not None else None
    words = {name: None if said.get(name) is None else str(said[name]) for name in ("kind", "state")}
    return {
        **judging.parameters(asked.context, Kind.BOARD, NOBODY),
        "board_kind": words["kind"],
        "board_state": words["state"],
        "board_after": start,
        "page_size": size,
    }


_ORDER = Sql(f"{_BOARD}.name, {_BOARD}.board_id")
_LAST = Sql(f"(select {_BOARD}.board_id from {_BOARD} order by {_BOARD}.name desc, {_BOARD}.board_id desc limit 1)")
BOARDS = ReadRoot(
    name="boards",
    shows="Boards",
    fields={
        "nodes": needing(_BOARD, listed("Board", fields_of(Board, _ROW), Sql(_BOARD), _ORDER)),
        "endCursor": needing(_BOARD, leaf(shapes.quoted_id(Node.BOARD)(_LAST))),
    },
    frame=_directory_frame,
    parameters=_directory_parameters,
    otherwise=refused(Kind.BOARD),
)


@cache
def _one_frame(needs: frozenset[str]) -> Frame:
    found = boards_read.one(bindparam("board_id", type_=Uuid())).cte(_BOARD)
    it = judging.judged(Kind.BOARD, provided=select(found.c.board_id).exists())
    who = boards_read.members_of(found, bindparam("board_now", type_=DateTime(timezone=True))).cte(_WHO)
    return framed(it, [who] if _WHO in needs else [], about=found.c.board_id)


def _one_parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    return {
        **judging.parameters(asked.context, Kind.BOARD, NOBODY),
        "board_id": key_of(Node.BOARD, arguments.root["id"]),
        "board_now": asked.context.clock.now(),
    }


BOARD = ReadRoot(
    name="board",
    shows="StaffedBoard",
    fields={
        "board": entity("Board", fields_of(Board, _ROW)),
        "members": needing(
            _WHO,
            listed(
                "BoardMember",
                fields_of(BoardMember, _MEMBER, profession=profession_in_sql("BoardMember", rpps_in(_MEMBER))),
                Sql(_WHO),
                Sql(f"{_WHO}.name, {_WHO}.member_id"),
            ),
        ),
    },
    frame=_one_frame,
    parameters=_one_parameters,
    otherwise=refused(Kind.BOARD, unknown="BOARD_UNKNOWN"),
)


@cache
def _centres_frame(needs: frozenset[str]) -> Frame:
    it = judging.judged(Kind.BOARD)
    return framed(it, [boards_read.centres().where(it.is_allowed()).cte(_CENTRE)] if _CENTRE in needs else [])


def _centres_parameters(asked: Asked, _arguments: Given) -> Mapping[str, Any]:
    return judging.parameters(asked.context, Kind.BOARD, NOBODY)


COORDINATION_CENTRES = ReadRoot(
    name="coordinationCentres",
    shows="CoordinationCentres",
    fields={
        "nodes": needing(
            _CENTRE,
            listed(
                "CoordinationCentre",
                fields_of(CoordinationCentre, row_of(_CENTRE, boards_read.CENTRES)),
                Sql(_CENTRE),
                Sql(f"{_CENTRE}.name, {_CENTRE}.centre_id"),
            ),
        )
    },
    frame=_centres_frame,
    parameters=_centres_parameters,
    otherwise=refused(Kind.BOARD),
)
