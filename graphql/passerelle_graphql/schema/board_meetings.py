"""What is done of sessions of tumour boards: planned, opened, answered, signed, held, cancelled, closed; a calendar."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from passerelle.audit.transactions import transaction
from passerelle.oncology import attendance, calendar, seats, sessions
from passerelle_graphql.context import ResolverInfo, context_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import shape
from passerelle_graphql.schema.board_sessions import BoardSeat, BoardSession
from passerelle_graphql.schema.enums import SeatAnswer, Specialty


@strawberry.type(description="Des sessions ont été planifiées ; celles qui l'étaient déjà n'y sont pas.")
class PlannedSessions:
    sessions: list[BoardSession] = strawberry.field(directives=[counted(20)])


@strawberry.type(description="Un émargement ; le premier compte, et rien ne le retire.")
class SignedAttendance:
    at: datetime
    signature: str = strawberry.field(description="SHA-256 de ce qui est signé.")


@strawberry.type(description="L'adresse de son agenda, dite cette seule fois. Qui la connaît lit ses sessions.")
class CalendarAddress:
    url: str


@strawberry.type(description="L'adresse de son agenda n'ouvre plus rien.")
class CalendarRevoked:
    was_there: bool


SessionResult: TypeAlias = Annotated[
    BoardSession | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("BoardSessionActResult")
]
PlannedResult: TypeAlias = Annotated[
    PlannedSessions | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("PlannedSessionsResult")
]
SeatResult: TypeAlias = Annotated[
    BoardSeat | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("BoardSeatResult")
]
SignResult: TypeAlias = Annotated[
    SignedAttendance | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("SignAttendanceResult")
]
AddressResult: TypeAlias = Annotated[
    CalendarAddress | Refusal | InvalidInput | TryLater, strawberry.union("CalendarAddressResult")
]
RevokeResult: TypeAlias = Annotated[
    CalendarRevoked | Refusal | InvalidInput | TryLater, strawberry.union("CalendarRevokedResult")
]


@strawberry.type
class BoardSessionMutation:
    @resolved("Planifier une session d'une RCP validée.", cost=10)
    async def plan_board_session(
        self, info: ResolverInfo, board_id: strawberry.ID, starts_at: datetime, place: str | None = None
    ) -> SessionResult:
        key = key_of(Node.BOARD, board_id)
        async with transaction(context_of(info)) as act:
            return _session(await sessions.plan(act, key, starts_at, place=place))

    @resolved("Planifier les sessions que la charte d'une RCP prévoit, du jour et à l'heure de la première.", cost=40)
    async def plan_board_series(
        self, info: ResolverInfo, board_id: strawberry.ID, first: datetime, until: datetime, place: str | None = None
    ) -> PlannedResult:
        key = key_of(Node.BOARD, board_id)
        async with transaction(context_of(info)) as act:
            made = await sessions.plan_series(act, key, first, until, place=place)
        return PlannedSessions(sessions=[_session(each) for each in made])

    @resolved("Déplacer une session planifiée.", cost=10)
    async def move_board_session(
        self,
        info: ResolverInfo,
        id: strawberry.ID,  # noqa: A002 - the graph's name
        starts_at: datetime,
        place: str | None = None,
    ) -> SessionResult:
        key = key_of(Node.BOARD_SESSION, id)
        async with transaction(context_of(info)) as act:
            return _session(await sessions.move(act, key, starts_at, place=place))

    @resolved("Ouvrir une session à ses membres, qui en lisent dès lors les cas.", cost=10)
    async def open_board_session(self, info: ResolverInfo, id: strawberry.ID) -> SessionResult:  # noqa: A002 - the graph's name
        key = key_of(Node.BOARD_SESSION, id)
        async with transaction(context_of(info)) as act:
            return _session(await sessions.open_(act, key))

    @resolved("Dire qu'une session s'est tenue : son quorum est jugé sur les émargements.", cost=10)
    async def hold_board_session(self, info: ResolverInfo, id: strawberry.ID) -> SessionResult:  # noqa: A002 - the graph's name
        key = key_of(Node.BOARD_SESSION, id)
        async with transaction(context_of(info)) as act:
            return _session(await sessions.hold(act, key))

    @resolved("Annuler une session qui ne s'est pas tenue ; ses cas restent à reporter.", cost=10)
    async def cancel_board_session(
        self,
        info: ResolverInfo,
        id: strawberry.ID,  # noqa: A002 - the graph's name
        reason: str,
    ) -> SessionResult:
        key = key_of(Node.BOARD_SESSION, id)
        async with transaction(context_of(info)) as act:
            return _session(await sessions.cancel(act, key, reason))

    @resolved("Clore une session qui s'est tenue : ses membres n'y lisent plus rien.", cost=10)
    async def close_board_session(self, info: ResolverInfo, id: strawberry.ID) -> SessionResult:  # noqa: A002 - the graph's name
        key = key_of(Node.BOARD_SESSION, id)
        async with transaction(context_of(info)) as act:
            return _session(await sessions.close(act, key))

    @resolved("Dire si l'on vient à une session.", cost=10)
    async def answer_board_session(
        self,
        info: ResolverInfo,
        id: strawberry.ID,  # noqa: A002 - the graph's name
        answer: SeatAnswer,
    ) -> SeatResult:
        key = key_of(Node.BOARD_SESSION, id)
        async with transaction(context_of(info)) as act:
            return _seat(await seats.answer(act, key, answer))

    @resolved("Excuser un membre qui l'a fait savoir ; pour le coordonnateur et le secrétariat.", cost=10)
    async def excuse_from_board_session(self, info: ResolverInfo, session_id: strawberry.ID, rpps: str) -> SeatResult:
        key = key_of(Node.BOARD_SESSION, session_id)
        async with transaction(context_of(info)) as act:
            return _seat(await seats.excuse(act, key, rpps))

    @resolved("Faire siéger un suppléant à la place du membre excusé ; soi-même, si personne n'est nommé.", cost=10)
    async def seat_deputy(self, info: ResolverInfo, session_id: strawberry.ID, rpps: str | None = None) -> SeatResult:
        key = key_of(Node.BOARD_SESSION, session_id)
        async with transaction(context_of(info)) as act:
            return _seat(await seats.seat_deputy(act, key, rpps))

    @resolved("Inviter un expert à une session.", cost=10)
    async def invite_to_board_session(
        self, info: ResolverInfo, session_id: strawberry.ID, rpps: str, specialty: Specialty | None = None
    ) -> SeatResult:
        key = key_of(Node.BOARD_SESSION, session_id)
        async with transaction(context_of(info)) as act:
            return _seat(await seats.invite(act, key, rpps, specialty))

    @resolved("Émarger, pour soi-même et personne d'autre.", cost=10)
    async def sign_attendance(
        self, info: ResolverInfo, session_id: strawberry.ID, is_remote: bool = False
    ) -> SignResult:
        key = key_of(Node.BOARD_SESSION, session_id)
        async with transaction(context_of(info)) as act:
            return SignedAttendance(**asdict(await attendance.sign(act, key, is_remote=is_remote)))

    @resolved("Une nouvelle adresse pour son agenda ; la précédente n'ouvre plus rien.", cost=10)
    async def make_calendar_address(self, info: ResolverInfo) -> AddressResult:
        async with transaction(context_of(info)) as act:
            key = await calendar.make_address(act)
        return CalendarAddress(url=f"{info.context.path}/calendars/{key}.ics")

    @resolved("Révoquer l'adresse de son agenda.", cost=10)
    async def revoke_calendar_address(self, info: ResolverInfo) -> RevokeResult:
        async with transaction(context_of(info)) as act:
            return CalendarRevoked(was_there=await calendar.revoke_address(act))


def _session(given: sessions.Session) -> BoardSession:
    return shape(BoardSession, {name: getattr(given, name) for name in sessions.SHOWN})


def _seat(given: seats.Seat) -> BoardSeat:
    return shape(BoardSeat, asdict(given))
