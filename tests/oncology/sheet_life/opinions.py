"""Boards that meet and give opinions: a session with its people, a case, and its sheet on the way to approval."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Table, select, update

from passerelle.audit.tables import outbox
from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import lifecycle
from passerelle.dossier.tables import document
from passerelle.identities import patients
from passerelle.identities.ins import IdentityStatus
from passerelle.kernel.actors import Actor
from passerelle.notices.tables import notice
from passerelle.oncology import approval, attendance, cases, sessions, sheets
from passerelle.oncology.approval import Approved
from passerelle.oncology.cases import Case
from passerelle.oncology.sheets import Sheet
from passerelle.oncology.tables import board, board_case, board_seat, board_session, board_sheet, care_plan
from tests.builders import ins_of, professional
from tests.oncology.cases.meetings import Board, Meetings, registration
from tests.oncology.sheets import COMPULSORY

KEPT_TABLES: Final[tuple[Table, ...]] = (board_case, board_sheet, care_plan, document, outbox, notice)
SPECIALTIES: Final = ("surgeon", "radiotherapist")
DIGESTIVE: Final = "86762007"
WRITTEN: Final = {name: value for name, value in COMPULSORY.items() if name not in sheets.KEPT}
"""What a person answers of what is compulsory."""
_patients = iter(range(70_000, 90_000))


@dataclass(slots=True)
class Opinions(Meetings):
    """A network whose boards give opinions."""

    async def meeting(self, kind: str = "standard", specialties: Iterable[str] = SPECIALTIES) -> Opinion:
        """A board with national numbers, its session open, a member for each specialty, and one case."""
        made = await self.board(kind)
        numbers = {"network_number": "5201", "manager_number": "520114", "board_number": "27011113"}
        await self.run(
            update(board).where(board.c.board_id == made.board_id).values(scope="organ", organ=DIGESTIVE, **numbers)
        )
        await made.seat(made.coordinator, "medical_oncologist")
        this = (board_seat.c.session_id == made.session_id, board_seat.c.subject == made.coordinator.subject)
        await self.run(update(board_seat).where(*this).values(duty="coordinator"))
        members = [await made.member(specialty=each) for each in specialties]
        it = Opinion(self, made, members)
        await it.register()
        return it

    def act(self, who: Actor) -> AbstractAsyncContextManager[Act]:
        """A transaction of somebody's."""
        return transaction(self.context(who))

    async def kept_of_all(self) -> dict[str, list[str]]:
        """All that a refusal must not change."""
        async with self.tenant.database.transaction() as connection:
            return {each.name: sorted(map(str, (await connection.execute(select(each))).all())) for each in KEPT_TABLES}


@dataclass(slots=True)
class Opinion:
    """A session of a board and one case before it."""

    world: Opinions
    board: Board
    members: list[Actor]
    doctor: Actor = field(default_factory=professional)
    patient_id: UUID = field(init=False)
    person: Actor = field(init=False)
    case: Case = field(init=False)

    @property
    def coordinator(self) -> Actor:
        return self.board.coordinator

    @property
    def case_id(self) -> UUID:
        return self.case.case_id

    async def register(self, **said: Any) -> None:
        """One more patient, whose identity is whole, and his case."""
        world, ins = self.world, ins_of(next(_patients))
        traits = patients.Traits(
            family_name="ESSAI", given_names=("Alix",), birth_date="19800115", sex="F", birth_place="51215"
        )
        async with transaction(world.context(world.feeder)) as act:
            self.patient_id = await patients.register(act, [ins], traits, IdentityStatus.QUALIFIED, source="essai")
        self.person = world.person(ins)
        async with transaction(world.context(self.person)) as act:
            await lifecycle.open_(act, self.patient_id, basis=lifecycle.Basis.CONSENT, proof="signé")
        await world.authorize(self.patient_id, self.person, self.doctor)
        self.case = await world.do(
            self.doctor, cases.register, self.patient_id, self.board.session_id, registration(world, **said)
        )

    async def starts(self) -> None:
        """The clock stands at the session's start, or stays where it is after it."""
        async with self.world.tenant.database.transaction() as connection:
            asked = select(board_session.c.starts_at).where(board_session.c.session_id == self.board.session_id)
            begins: datetime = (await connection.execute(asked)).scalar_one()
        self.world.clock.set(max(begins, self.world.clock.now()))

    async def sign(self, *who: Actor) -> None:
        for each in who:
            await self.world.do(each, attendance.sign, self.board.session_id)

    async def hold(self) -> None:
        await self.world.do(self.coordinator, sessions.hold, self.board.session_id)

    async def close(self) -> None:
        await self.world.do(self.coordinator, sessions.close, self.board.session_id)

    async def held(self) -> None:
        """The session takes place, everybody there."""
        await self.starts()
        await self.sign(self.coordinator, *self.members)
        await self.hold()

    async def begin(self, who: Actor | None = None) -> Sheet:
        begun: Sheet = await self.world.do(who or self.doctor, sheets.begin, self.case_id)
        return begun

    async def write(self, who: Actor, revision: int, **answers: Any) -> Sheet:
        written: Sheet = await self.world.do(who, sheets.write, self.case_id, revision, answers)
        return written

    async def done(self, revision: int) -> Sheet:
        done: Sheet = await self.world.do(self.coordinator, sheets.done, self.case_id, revision)
        return done

    async def approve(self, revision: int, **more: Any) -> Approved:
        approved: Approved = await self.world.do(self.coordinator, approval.approve, self.case_id, revision, **more)
        return approved

    async def ready(self) -> Sheet:
        """Begun, held, written and done: it only awaits its approval."""
        await self.begin()
        await self.held()
        written = await self.write(self.coordinator, 1, **WRITTEN)
        return await self.done(written.revision)

    async def approved(self) -> Approved:
        return await self.approve((await self.ready()).revision)

    async def versions(self) -> list[Any]:
        """Every version of its sheet, as it lies in the table."""
        async with self.world.tenant.database.transaction() as connection:
            asked = select(board_sheet).where(board_sheet.c.case_id == self.case_id).order_by(board_sheet.c.version)
            return [*await connection.execute(asked)]
