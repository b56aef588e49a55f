"""Boards and sessions as they stand, written straight into their tables: what these tests are about comes after."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert, select, update

from passerelle.audit.tables import journal, outbox
from passerelle.audit.transactions import transaction
from passerelle.dossier.team_consents import InformedHow
from passerelle.kernel.actors import Actor
from passerelle.notices.tables import notice
from passerelle.oncology import agenda, cases
from passerelle.oncology.cases import Case, Registration
from passerelle.oncology.tables import (
    board,
    board_case,
    board_member,
    board_seat,
    board_session,
    board_sheet,
    case_attachment,
)
from tests.builders import World, professional

TABLES = (board_case, case_attachment, board_sheet, outbox, notice)
WEEK = timedelta(days=7)
SECRETARY = "331"


@dataclass(slots=True)
class Meetings(World):
    """A network where boards meet."""

    async def do(self, actor: Actor, use_case: Callable[..., Awaitable[Any]], *given: Any, **named: Any) -> Any:
        """One use case in a transaction of its own."""
        async with transaction(self.context(actor)) as act:
            return await use_case(act, *given, **named)

    async def run(self, statement: Any) -> None:
        """What another domain would have done."""
        async with self.tenant.database.transaction() as connection:
            await connection.execute(statement)

    async def kept(self) -> dict[str, list[str]]:
        """All that a refusal must not change."""
        async with self.tenant.database.transaction() as connection:
            return {each.name: sorted(map(str, (await connection.execute(select(each))).all())) for each in TABLES}

    async def lines(self) -> list[Any]:
        """The whole journal, oldest first."""
        async with self.tenant.database.transaction() as connection:
            return [*await connection.execute(select(journal).order_by(journal.c.line_id))]

    async def board(
        self,
        kind: str = "standard",
        *,
        state: str = "validated",
        coordinator: Actor | None = None,
        secretary: Actor | None = None,
    ) -> Board:
        """A board with its coordinator and its secretary, and a session a week from now, open."""
        made = Board(self, uuid4(), coordinator or professional(), secretary or professional(SECRETARY))
        await self.run(
            insert(board).values(
                board_id=made.board_id,
                name=f"RCP {made.board_id}",
                kind=kind,
                scope="transversal",
                establishment="310783055",
                duration_minutes=120,
                deputies=True,
                videoconference=True,
                state=state,
                declared_at=self.clock.now(),
                declared_by="establishment:310783055",
            )
        )
        for actor, duty, specialty in (
            (made.coordinator, "coordinator", "medical_oncologist"),
            (made.secretary, "secretary", None),
        ):
            await self.run(
                insert(board_member).values(
                    board_id=made.board_id,
                    member_id=uuid4(),
                    subject=actor.subject,
                    name=actor.name,
                    specialty=specialty,
                    duty=duty,
                    valid_from=self.clock.now(),
                    recorded_by="essai",
                )
            )
        made.session_id = await made.session()
        return made


@dataclass(slots=True)
class Board:
    """A board at work; `session_id` is its first session."""

    world: Meetings
    board_id: UUID
    coordinator: Actor
    secretary: Actor
    session_id: UUID = field(default_factory=uuid4)

    async def session(self, *, after: timedelta = WEEK, state: str = "open") -> UUID:
        """One session more."""
        session_id, now = uuid4(), self.world.clock.now()
        await self.world.run(
            insert(board_session).values(
                session_id=session_id,
                board_id=self.board_id,
                starts_at=now + after,
                ends_at=now + after + timedelta(hours=2),
                state=state,
                changed_at=now,
                opened_at=now if state == "open" else None,
            )
        )
        return session_id

    async def member(
        self, profession: str = "10", specialty: str = "surgeon", *, session_id: UUID | None = None
    ) -> Actor:
        """Someone seated at a session."""
        actor = professional(profession)
        await self.seat(actor, specialty, session_id=session_id)
        return actor

    async def seat(self, actor: Actor, specialty: str = "surgeon", *, session_id: UUID | None = None) -> None:
        await self.world.run(
            insert(board_seat).values(
                session_id=session_id or self.session_id,
                subject=actor.subject,
                name=actor.name,
                specialty=specialty,
                duty="member",
                answer="expected",
            )
        )

    async def deputy(self, actor: Actor, specialty: str = "surgeon") -> None:
        """Someone named to sit for the coordinator."""
        world = self.world
        its_own = (board_member.c.board_id == self.board_id, board_member.c.duty == "coordinator")
        async with world.tenant.database.transaction() as connection:
            coordinator = (await connection.execute(select(board_member).where(*its_own))).one()
            said = {**coordinator._mapping, "member_id": uuid4(), "subject": actor.subject, "name": actor.name}
            said |= {"specialty": specialty, "duty": "deputy", "deputy_of": coordinator.member_id}
            await connection.execute(insert(board_member).values(said))

    async def becomes(self, state: str, *, session_id: UUID | None = None, **more: datetime | None) -> None:
        """The session is opened, held, cancelled, closed…"""
        which = board_session.c.session_id == (session_id or self.session_id)
        await self.world.run(update(board_session).where(which).values(state=state, **more))

    async def case(self, *, by: Actor | None = None, session_id: UUID | None = None, **said: Any) -> Heard:
        """A patient with an open record, whose doctor registers his case."""
        patient_id, person = await self.world.patient()
        doctor = by or professional()
        await self.world.authorize(patient_id, person, doctor)
        case = await self.world.do(
            doctor, cases.register, patient_id, session_id or self.session_id, registration(self.world, **said)
        )
        return Heard(patient_id, person, doctor, case)

    async def agenda(self, reader: Actor, session_id: UUID | None = None) -> agenda.OpenedSession:
        """The session as somebody opens it."""
        return await agenda.open_session(self.world.context(reader), session_id or self.session_id)


@dataclass(frozen=True, slots=True)
class Heard:
    """A case with its people."""

    patient_id: UUID
    person: Actor
    doctor: Actor
    case: Case

    @property
    def id(self) -> UUID:
        return self.case.case_id


def registration(world: World, **said: Any) -> Registration:
    """A case as it is asked for: the patient told of it yesterday, and agreed."""
    given: dict[str, Any] = {
        "question": "Traitement adjuvant ?",
        "informed_at": world.clock.now() - timedelta(days=1),
        "informed_how": InformedHow.INTERVIEW,
        "agreed": True,
    }
    return Registration(**{**given, **said})
