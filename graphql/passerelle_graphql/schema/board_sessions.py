"""Sessions of tumour boards: a period of their calendar, one's own, one with its seats and quorum, and its forecast."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from functools import cache
from typing import Annotated, Any, TypeAlias

import strawberry
from sqlalchemy import DateTime, Integer, Text, Uuid, bindparam, select

from passerelle.audit.journal import NOBODY
from passerelle.audit.transactions import transaction
from passerelle.dossier import judging, reading
from passerelle.oncology import forecast, quorum, seats, sessions_read
from passerelle_graphql.compiler import shapes
from passerelle_graphql.compiler.building import Shape, entity, leaf, listed, needing, row_of
from passerelle_graphql.compiler.roots import Frame, Given, ReadRoot
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import Asked, ResolverInfo, context_of
from passerelle_graphql.declared import fields_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of
from passerelle_graphql.judged_frames import framed, refused
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import in_sql, shape, shown
from passerelle_graphql.schema.board_agenda import rpps
from passerelle_graphql.schema.enums import BoardKind, QuorumState, SeatAnswer, SeatDuty, SessionState, Specialty
from passerelle_graphql.schema.professionals import known_profession, profession_in_sql, rpps_in
from passerelle_graphql.schema.values import CodedValue, identified
from passerelle_policies.vocabulary import Kind

_SHORT = [counted(5)]


@strawberry.type(description="Un quorum, et par quelles règles il a été jugé.")
class BoardQuorum:
    state: QuorumState
    pack: str = strawberry.field(description="Les règles en vigueur le jour de la session.")
    needed: int = strawberry.field(description="Combien de spécialités différentes il faut.")
    counted: list[Specialty] = strawberry.field(directives=_SHORT)
    missing: list[Specialty] = strawberry.field(directives=_SHORT, description="Requises, et absentes.")
    lacking: int = strawberry.field(description="Combien de spécialités, quelles qu'elles soient, manquent au nombre.")


def _words(column: Sql) -> Shape:
    return leaf(Sql(f"upper(replace(({column})::text, ', ', ','))"))


def _quorum_in_sql(column: Sql) -> Shape:
    fields = {
        "state": leaf(shapes.word(QuorumState)(Sql(f"({column} ->> 'state')"))),
        "pack": leaf(shapes.free_text(Sql(f"({column} ->> 'pack')"))),
        "needed": leaf(shapes.plain(Sql(f"({column} ->> 'needed')"))),
        "counted": _words(Sql(f"{column} -> 'counted'")),
        "missing": _words(Sql(f"{column} -> 'missing'")),
        "lacking": leaf(shapes.plain(Sql(f"({column} ->> 'lacking')"))),
    }
    return entity("BoardQuorum", fields, when=Sql(f"{column} is not null"))


@in_sql(_quorum_in_sql)
def judged(said: Mapping[str, Any] | quorum.Quorum | None) -> BoardQuorum | None:
    """A quorum as a row holds it, or as it was just judged; null before a session is held."""
    if said is None:
        return None
    its_own = said if isinstance(said, quorum.Quorum) else quorum.read(said)
    return BoardQuorum(
        state=its_own.state,
        pack=its_own.pack,
        needed=its_own.needed,
        counted=list(its_own.counted),
        missing=list(its_own.missing),
        lacking=its_own.lacking,
    )


@strawberry.type(description="Une session d'une RCP.")
class BoardSession:
    id: strawberry.ID = shown("session_id", by=identified(Node.BOARD_SESSION))
    board_id: strawberry.ID = shown(by=identified(Node.BOARD))
    starts_at: datetime = shown()
    ends_at: datetime = shown()
    place: str | None = shown()
    state: SessionState = shown(by=SessionState)
    opened_at: datetime | None = shown(description="Depuis quand ses membres lisent ses cas.")
    held_at: datetime | None = shown()
    quorum: BoardQuorum | None = shown(by=judged, description="Absent tant qu'elle ne s'est pas tenue.")
    cancelled_at: datetime | None = shown()
    cancelled_because: str | None = shown()
    closed_at: datetime | None = shown(description="Depuis quand ses membres n'y lisent plus rien.")


@strawberry.type(description="Une session au calendrier du réseau.")
class ListedBoardSession:
    board_name: str = shown()
    board_kind: BoardKind = shown(by=BoardKind)
    session: BoardSession


@strawberry.type(description="Un siège d'une session.")
class BoardSeat:
    rpps: str = shown("subject", by=rpps)
    name: str = shown()
    specialty: Specialty = shown(by=Specialty)
    specialty_code: str | None = shown(description="Savoir-faire (TRE_R38), s'il est connu.")
    duty: SeatDuty = shown(by=SeatDuty)
    answer: SeatAnswer = shown(by=SeatAnswer)
    answered_at: datetime | None = shown()
    signed_at: datetime | None = shown(description="Quand il a émargé.")
    is_remote: bool | None = shown(description="Il a émargé en visioconférence.")

    @resolved("Celle que l'annuaire lui connaît.")
    async def profession(self, info: ResolverInfo) -> CodedValue | None:
        return await known_profession(info, self.rpps)


@strawberry.type(description="Les sessions d'une période, dans l'ordre.")
class BoardSessions:
    nodes: list[ListedBoardSession]
    end_cursor: strawberry.ID | None = strawberry.field(description="Où reprendre ; absent d'une page vide.")


@strawberry.type(description="Une session et ses sièges ; avant qu'elle s'ouvre, ceux des membres de la RCP.")
class ConvenedBoardSession:
    board_name: str = shown()
    board_kind: BoardKind = shown(by=BoardKind)
    session: BoardSession
    seats: list[BoardSeat] = strawberry.field(directives=[counted(20)])


@strawberry.type(description="Quelqu'un du réseau qui pourrait siéger.")
class BoardCandidate:
    rpps: str
    name: str
    specialty: Specialty
    establishments: list[str] = strawberry.field(directives=_SHORT, description="FINESS.")
    is_deputy: bool = strawberry.field(description="Il supplée un membre de cette RCP.")


@strawberry.type(description="Un expert d'un autre réseau.")
class ElsewhereExpert:
    name: str
    establishment: str
    network: str


@strawberry.type(description="Une spécialité requise que personne d'attendu ne porte.")
class QuorumGap:
    specialty: Specialty
    candidates: list[BoardCandidate] = strawberry.field(directives=_SHORT)
    was_asked_elsewhere: bool = strawberry.field(description="Faux : aucun autre réseau n'a été interrogé.")
    experts: list[ElsewhereExpert] = strawberry.field(directives=_SHORT)


@strawberry.type(description="Ce qu'il faut attendre d'une session, de qui est convoqué et n'est pas excusé.")
class SessionForecast:
    quorum: BoardQuorum
    gaps: list[QuorumGap] = strawberry.field(directives=_SHORT)
    others: list[BoardCandidate] = strawberry.field(
        directives=[counted(20)], description="Qui apporterait une spécialité de plus, quand le nombre manque."
    )


BoardSessionsResult: TypeAlias = Annotated[
    BoardSessions | Refusal | InvalidInput | TryLater, strawberry.union("BoardSessionsResult")
]
ConvenedResult: TypeAlias = Annotated[
    ConvenedBoardSession | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("ConvenedBoardSessionResult")
]
ForecastResult: TypeAlias = Annotated[
    SessionForecast | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("SessionForecastResult")
]
_NODES = counted(50, by="first", within=("nodes",))


@strawberry.type
class BoardSessionQuery:
    @resolved("Les sessions des RCP du réseau dans une période, ou celles d'une RCP.", cost=10, counts=_NODES)
    async def board_sessions(
        self,
        info: ResolverInfo,
        since: datetime,
        until: datetime,
        board_id: strawberry.ID | None = None,
        first: int | None = None,
        after: strawberry.ID | None = None,
    ) -> BoardSessionsResult:
        return await _listed(info, since, until, first, after, board_id=board_id, mine=False)

    @resolved("Les sessions où l'on siège, ou que l'on organise.", cost=10, counts=_NODES)
    async def my_board_sessions(
        self,
        info: ResolverInfo,
        since: datetime,
        until: datetime,
        first: int | None = None,
        after: strawberry.ID | None = None,
    ) -> BoardSessionsResult:
        return await _listed(info, since, until, first, after, board_id=None, mine=True)

    @resolved("Une session, ses sièges et son quorum.", cost=10)
    async def convened_board_session(self, info: ResolverInfo, id: strawberry.ID) -> ConvenedResult:  # noqa: A002 - the graph's name
        key = key_of(Node.BOARD_SESSION, id)
        async with transaction(context_of(info)) as act:
            found, there = await sessions_read.with_seats(act, key)
        made = shape(ConvenedBoardSession, found)
        made.session, made.seats = shape(BoardSession, found), [shape(BoardSeat, each) for each in there]
        return made

    @resolved("Le quorum à attendre d'une session, et qui pourrait combler ce qui manque.", cost=30)
    async def session_forecast(self, info: ResolverInfo, session_id: strawberry.ID) -> ForecastResult:
        key = key_of(Node.BOARD_SESSION, session_id)
        async with transaction(context_of(info)) as act:
            return _forecast(await forecast.of_session(act, key))


async def _listed(
    info: ResolverInfo,
    since: datetime,
    until: datetime,
    first: int | None,
    after: strawberry.ID | None,
    *,
    board_id: strawberry.ID | None,
    mine: bool,
) -> BoardSessions:
    context = context_of(info)
    size = reading.page_size(context, first)
    start = key_of(Node.BOARD_SESSION, after) if after is not None else None
    of = key_of(Node.BOARD, board_id) if board_id is not None else None
    async with transaction(context) as act:
        rows = await sessions_read.in_period(act, since, until, first=size, board_id=of, mine=mine, after=start)
    nodes = []
    for each in rows:
        made = shape(ListedBoardSession, each)
        made.session = shape(BoardSession, each)
        nodes.append(made)
    return BoardSessions(nodes=nodes, end_cursor=nodes[-1].session.id if nodes else None)


def _forecast(given: forecast.Forecast) -> SessionForecast:
    its_quorum = judged(given.quorum)
    assert its_quorum is not None  # noqa: S101 - it was just judged
    return SessionForecast(
        quorum=its_quorum,
        gaps=[
            QuorumGap(
                specialty=each.specialty,
                candidates=[_candidate(one) for one in each.candidates],
                was_asked_elsewhere=each.was_asked_elsewhere,
                experts=[ElsewhereExpert(**asdict(one)) for one in each.experts],
            )
            for each in given.gaps
        ],
        others=[_candidate(each) for each in given.others],
    )


def _candidate(given: forecast.Candidate) -> BoardCandidate:
    return BoardCandidate(**{**asdict(given), "establishments": list(given.establishments)})


_SESSION, _SEAT = "session_shown", "seat_shown"
_ROW, _SEATED = row_of(_SESSION, sessions_read.SHOWN), row_of(_SEAT, sessions_read.SEATS)
_FIELDS = fields_of(BoardSession, _ROW)


@cache
def _listed_frame(needs: frozenset[str]) -> Frame:
    it = judging.judged(Kind.BOARD_SESSION)
    found = sessions_read.listed(
        since=bindparam("sessions_since", type_=DateTime(timezone=True)),
        until=bindparam("sessions_until", type_=DateTime(timezone=True)),
        board_id=bindparam("sessions_board", type_=Uuid()),
        whose=bindparam("sessions_whose", type_=Text()),
        after=bindparam("sessions_after", type_=Uuid()),
        limit=bindparam("page_size", type_=Integer()),
    )
    also = [found.where(it.is_allowed()).cte(_SESSION)] if _SESSION in needs else []
    return framed(it, also)


def _listed_parameters(*, mine: bool) -> Callable[[Asked, Given], Mapping[str, Any]]:
    def parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
        said, context = arguments.root, asked.context
        size, after, board_id = reading.page_size(context, said.get("first")), said.get("after"), said.get("board_id")
        start = key_of(Node.BOARD_SESSION, after) if after is not None else None
        of = key_of(Node.BOARD, board_id) if board_id is not None else None
        sessions_read.must_be_a_period(context, said["since"], said["until"])
        return {
            **judging.parameters(context, Kind.BOARD_SESSION, NOBODY),
            "sessions_since": said["since"],
            "sessions_until": said["until"],
            "sessions_board": of,
            "sessions_whose": context.actor.subject if mine else None,
            "sessions_after": start,
            "page_size": size,
        }

    return parameters


_LAST = Sql(
    f"(select {_SESSION}.session_id from {_SESSION}"
    f" order by {_SESSION}.starts_at desc, {_SESSION}.session_id desc limit 1)"
)
_LISTED = {
    "nodes": needing(
        _SESSION,
        listed(
            "ListedBoardSession",
            fields_of(ListedBoardSession, _ROW, session=entity("BoardSession", _FIELDS)),
            Sql(_SESSION),
            Sql(f"{_SESSION}.starts_at, {_SESSION}.session_id"),
        ),
    ),
    "endCursor": needing(_SESSION, leaf(shapes.quoted_id(Node.BOARD_SESSION)(_LAST))),
}
BOARD_SESSIONS, MY_BOARD_SESSIONS = (
    ReadRoot(
        name=name,
        shows="BoardSessions",
        fields=_LISTED,
        frame=_listed_frame,
        parameters=_listed_parameters(mine=mine),
        otherwise=refused(Kind.BOARD_SESSION),
    )
    for name, mine in (("boardSessions", False), ("myBoardSessions", True))
)


@cache
def _convened_frame(needs: frozenset[str]) -> Frame:
    found = sessions_read.one(bindparam("session_id", type_=Uuid())).cte(_SESSION)
    it = judging.judged(Kind.BOARD_SESSION, provided=select(found.c.session_id).exists())
    there = seats.of_session(bindparam("session_id", type_=Uuid())).cte(_SEAT)
    return framed(it, [there] if _SEAT in needs else [], about=found.c.session_id)


def _convened_parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    key = key_of(Node.BOARD_SESSION, arguments.root["id"])
    return {**judging.parameters(asked.context, Kind.BOARD_SESSION, NOBODY), "session_id": key}


CONVENED_BOARD_SESSION = ReadRoot(
    name="convenedBoardSession",
    shows="ConvenedBoardSession",
    fields=fields_of(
        ConvenedBoardSession,
        _ROW,
        session=entity("BoardSession", _FIELDS),
        seats=needing(
            _SEAT,
            listed(
                "BoardSeat",
                fields_of(BoardSeat, _SEATED, profession=profession_in_sql("BoardSeat", rpps_in(_SEATED))),
                Sql(_SEAT),
                Sql(f"{_SEAT}.name, {_SEAT}.subject"),
            ),
        ),
    ),
    frame=_convened_frame,
    parameters=_convened_parameters,
    otherwise=refused(Kind.BOARD_SESSION, unknown="SESSION_UNKNOWN"),
)
