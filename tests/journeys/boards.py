"""Boards of a network: their people at the door, each with his specialty, and what a session goes through."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final

from passerelle.identities.directory import Establishment, Practice, Professional
from passerelle.oncology.coded import Code
from passerelle_ops.demo.issuer import Practice as Activity
from tests import builders
from tests.gateway.serving import TENANT, Serving
from tests.journeys.conftest import Visitor
from tests.oncology.sheet_life.opinions import WRITTEN

PHYSICIAN, SECRETARY = builders.PHYSICIAN, "331"
ONCOLOGIST, SURGEON, RADIOTHERAPIST, PAEDIATRIC_ONCOLOGIST = "SM36", "SM14", "SM37", "C51"
DIGESTIVE: Final = "86762007"
AS_PAEDIATRIC: Final = "PAEDIATRIC_ONCOLOGIST"
BIRTHPLACE: Final = "51215"
_LONG: Final = timedelta(days=1_000)  # journeys move the clock: nobody is to sign in again
_numbers = count(310_990_001)


@dataclass(slots=True)
class Hospital:
    """An establishment of a network, and those who work there."""

    serving: Serving
    at: str = TENANT
    finess: str = field(default_factory=lambda: str(next(_numbers)))

    async def opens(self) -> Hospital:
        """It is in the directory."""
        known = Establishment(
            finess=self.finess, name="Hôpital d'essai", basin="essai", tenant_id=self.at, category="SA01"
        )
        await self.serving.directory.register_establishments([known])
        return self

    async def works(self, specialty: str | None = None, profession: str = PHYSICIAN) -> Visitor:
        """Someone who works there, at the door."""
        actor = builders.professional(profession, establishment=self.finess, specialty=specialty)
        who: dict[str, Any] = {
            "family_name": f"ESSAI{actor.id[-4:]}",
            "given_name": "Dominique",
            "profession": profession,
            "specialty": specialty,
        }
        practice = Practice(tenant_id=self.at, finess=self.finess)
        await self.serving.directory.register_professionals([Professional(rpps=actor.id, practices=(practice,), **who)])
        token = self.serving.issuer.mint_professional(
            rpps=actor.id, practices=[Activity(finess=self.finess)], valid_for=_LONG, **who
        )
        return Visitor(self.serving.client(token), actor.id, self.at)

    def network(self) -> Visitor:
        """The regional cancer network, at the door."""
        token = self.serving.issuer.mint_cancer_network(network=self.at, name="Réseau d'essai", valid_for=_LONG)
        return Visitor(self.serving.client(token), at=self.at)

    async def board(self, name: str, *specialties: str, kind: str = "STANDARD", as_: str | None = None) -> Board:
        """A board declared by its coordinator, of whom the first specialty is, with a member for each other one, and
        validated. He sits `as_` what his specialty alone does not tell."""
        first, *others = specialties
        coordinator = await self.works(first)
        declared = await done(
            coordinator,
            "DeclareBoard",
            board={
                "name": name,
                "kind": kind,
                "scope": "ORGAN",
                "organ": DIGESTIVE,
                "specialty": as_,
                "charter": {
                    "durationMinutes": 90,
                    "recurrence": "FREQ=WEEKLY;BYDAY=TU",
                    "networkNumber": "5201",
                    "managerNumber": "520114",
                    "boardNumber": "27011113",
                },
            },
        )
        made = Board(self, declared["id"], coordinator)
        for each in others:
            member = await self.works(each)
            await done(coordinator, "AppointBoardMember", boardId=made.id, member={"rpps": member.rpps})
            made.members.append(member)
        await done(self.network(), "ValidateBoard", id=made.id)
        return made


@dataclass(slots=True)
class Board:
    """A board at work."""

    hospital: Hospital
    id: str
    coordinator: Visitor
    members: list[Visitor] = field(default_factory=list)

    async def session(self, *, days: int = 7) -> str:
        """A session, open to its members, some days from now; its id."""
        at = self.hospital.serving.world.clock.now() + timedelta(days=days)
        planned = await done(self.coordinator, "PlanBoardSession", boardId=self.id, startsAt=at.isoformat())
        await done(self.coordinator, "OpenPlannedBoardSession", id=planned["id"])
        return str(planned["id"])

    async def held(self, session: str, *signing: Visitor) -> str:
        """It takes place, those who sign being there; the state that it has then."""
        clock = self.hospital.serving.world.clock
        convened = await self.coordinator.asks("ConvenedBoardSession", id=session)
        starts = datetime.fromisoformat(convened["session"]["startsAt"])
        clock.set(max(starts, clock.now()))
        for each in signing:
            await done(each, "SignAttendance", sessionId=session)
        return str((await done(self.coordinator, "HoldBoardSession", id=session))["state"])

    def everybody(self) -> list[Visitor]:
        return [self.coordinator, *self.members]


async def done(who: Visitor, operation: str, /, **variables: Any) -> dict[str, Any]:
    """An act that is not refused; what it gives."""
    given = await who.asks(operation, **variables)
    assert "code" not in given, given
    return given


async def registers(doctor: Visitor, patient_id: str, session: str, now: datetime, **more: Any) -> str:
    """A doctor registers his patient's case to a session; its id."""
    said = {
        "question": "Traitement adjuvant ?",
        "informedAt": (now - timedelta(days=1)).isoformat(),
        "informedHow": "INTERVIEW",
        "agreed": True,
        **more,
    }
    registered = await done(doctor, "RegisterBoardCase", patientId=patient_id, sessionId=session, boardCase=said)
    return str(registered["id"])


def answers(**given: Any) -> list[dict[str, str | None]]:
    """What is compulsory of a sheet, and these answers, as a face takes them."""
    said = []
    for name, value in (WRITTEN | given).items():
        for number, item in enumerate(value if isinstance(value, list) else [value], 1):
            if isinstance(item, dict):
                said += [_answer(f"{name}.{number}.{inner}", each) for inner, each in item.items()]
            else:
                said.append(_answer(name, item))
    return said


def _answer(name: str, value: object) -> dict[str, str | None]:
    if isinstance(value, Code):
        return {"name": name, "value": value.code, "system": value.system, "label": value.label}
    return {"name": name, "value": str(value).lower() if isinstance(value, bool) else str(value)}


async def written(coordinator: Visitor, case: str, **given: Any) -> int:
    """The sheet of a case, begun already, is written and said to be done; the revision to approve."""
    begun = await done(coordinator, "WriteBoardSheet", caseId=case, revision=1, answers=answers(**given))
    finished = await done(coordinator, "FinishBoardSheet", caseId=case, revision=begun["revision"])
    return int(finished["revision"])
