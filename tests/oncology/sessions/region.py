"""Boards at work: declared, validated, with members of given specialties, and their sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from sqlalchemy import Table, select

from passerelle.audit.tables import journal
from passerelle.audit.transactions import Act, transaction
from passerelle.kernel.actors import Actor
from passerelle.kernel.experts import ElsewhereExperts, NobodyAsked
from passerelle.oncology import attendance, boards, members, seats, sessions, tables, turns
from passerelle.oncology.boards import Board, BoardKind, BoardScope, Charter, Declared
from passerelle.oncology.members import Appointed, Duty, Member
from passerelle.oncology.sessions import Session
from passerelle.oncology.specialties import Specialty
from passerelle_ops.schedule import beat_context
from passerelle_policies.vocabulary import ActorKind
from tests import builders
from tests.builders import World

DIGESTIVE, BLOOD = "86762007", "57171008"
SECRETARY, NURSE, PHARMACIST = "331", builders.NURSE, builders.PHARMACIST
SURGEON, ONCOLOGIST, RADIOTHERAPIST = "SM14", "SM36", "SM37"
PATHOLOGIST, GASTROENTEROLOGIST, HAEMATOLOGIST = "SM01", "SM24", "SM22"
NETWORK = Actor(kind=ActorKind.NETWORK, id="essai", name="Réseau de cancérologie d'essai")
TABLES = ("coordination_centre", "board", "board_member", "board_session", "board_seat", "calendar_feed")

_numbers = count(1)


@dataclass
class Place:
    """A board with its people: its coordinator, its secretary, and its other members by the actor's id."""

    board: Board
    coordinator: Actor
    secretary: Actor
    people: dict[str, Member] = field(default_factory=dict)

    @property
    def board_id(self) -> UUID:
        return self.board.board_id


@dataclass
class Region:
    world: World
    elsewhere: ElsewhereExperts = field(default_factory=NobodyAsked)

    @property
    def now(self) -> datetime:
        return self.world.clock.now()

    @asynccontextmanager
    async def act(self, actor: Actor) -> AsyncIterator[Act]:
        context = self.world.context(actor)
        object.__setattr__(context, "elsewhere_experts", self.elsewhere)
        async with transaction(context) as act:
            yield act

    def doctor(self, specialty: str | None = None, **more: Any) -> Actor:
        return builders.professional(specialty=specialty, **more)

    async def board(
        self,
        *specialties: str,
        kind: BoardKind = BoardKind.STANDARD,
        organ: str | None = DIGESTIVE,
        validated: bool = True,
        coordinator: str = ONCOLOGIST,
        **charter: Any,
    ) -> Place:
        """A board of an establishment of its own, with a member for each specialty code besides its coordinator."""
        finess = f"31{next(_numbers):07d}"
        actor = self.doctor(coordinator, establishment=finess)
        said = Declared(
            name=f"RCP {finess}",
            kind=kind,
            scope=BoardScope.ORGAN if organ else BoardScope.TRANSVERSAL,
            organ=organ,
            charter=Charter(**{"duration_minutes": 90, "recurrence": "FREQ=WEEKLY;BYDAY=TU", **charter}),
        )
        async with self.act(actor) as act:
            declared = await boards.declare(act, said)
        place = Place(declared, actor, builders.professional(SECRETARY, name="Secrétaire Essai", establishment=finess))
        await self.appoint(place, place.secretary, duty=Duty.SECRETARY)
        for each in specialties:
            await self.appoint(place, self.doctor(each))
        if validated:
            async with self.act(NETWORK) as act:
                place.board = await boards.validate(act, place.board_id)
        return place

    async def appoint(
        self,
        place: Place,
        who: Actor,
        *,
        duty: Duty = Duty.MEMBER,
        by: Actor | None = None,
        specialty: Specialty | None = None,
        deputy_of: UUID | None = None,
    ) -> Member:
        async with self.act(by or place.coordinator) as act:
            said = Appointed(rpps=who.id, duty=duty, specialty=specialty, deputy_of=deputy_of)
            member = await members.appoint(act, place.board_id, said)
        place.people[who.id] = member
        return member

    async def session(self, place: Place, *, days: float = 1, open_: bool = False) -> Session:
        """A session so many days ahead, to the minute of its own."""
        at = self.now + timedelta(days=days, minutes=next(_numbers))
        async with self.act(place.secretary) as act:
            planned = await sessions.plan(act, place.board_id, at)
        return await self.open(place, planned) if open_ else planned

    async def open(self, place: Place, session: Session) -> Session:
        async with self.act(place.secretary) as act:
            return await sessions.open_(act, session.session_id)

    async def at(self, session: Session) -> None:
        """The clock stands at the start of a session."""
        self.world.clock.set(session.starts_at)

    async def sign(self, who: Actor, session: Session, *, is_remote: bool = False) -> attendance.Signed:
        async with self.act(who) as act:
            return await attendance.sign(act, session.session_id, is_remote=is_remote)

    async def hold(self, place: Place, session: Session) -> Session:
        async with self.act(place.coordinator) as act:
            return await sessions.hold(act, session.session_id)

    async def seats(self, session: Session) -> dict[str, seats.Seat]:
        """The seats of a session, by RPPS number."""
        async with self.act(builders.operator()) as act:
            found = await seats.all_of(act, session.session_id)
        return {each.subject.partition(":")[2]: each for each in found}

    async def turn(self) -> turns.Turned:
        return await turns.turn(beat_context(self.world.tenant, self.world.clock))

    async def rows(self) -> dict[str, Sequence[Any]]:
        """Everything that boards have, as it lies in the tables."""
        async with self.world.tenant.database.transaction() as connection:
            held = {}
            for name in TABLES:
                table: Table = getattr(tables, name)
                held[name] = (await connection.execute(select(table).order_by(*table.primary_key))).all()
            return held

    async def lines(self) -> Sequence[Any]:
        async with self.world.tenant.database.transaction() as connection:
            return (await connection.execute(select(journal).order_by(journal.c.line_id))).all()

    @asynccontextmanager
    async def unchanged(self, *, refused: bool = False) -> AsyncIterator[None]:
        """Nothing changes but, for a refusal of the rules, one line of the journal."""
        before, lines = await self.rows(), await self.lines()
        yield
        assert await self.rows() == before
        written = (await self.lines())[len(lines) :]
        assert [each.outcome for each in written] == (["refused"] if refused else [])
