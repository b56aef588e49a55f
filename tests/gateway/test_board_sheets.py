"""The sheet of a case at the front door: begun, read field by field, approved, corrected; both executors alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import update

from passerelle.identities.tables import patient
from passerelle.kernel.actors import Actor
from passerelle.oncology import attendance, sessions
from passerelle.oncology.tables import board, board_seat, board_sheet
from passerelle_graphql.ids import Node, key_of, node_id
from tests import builders
from tests.gateway.alike import WHY, alike
from tests.gateway.records import Record, send
from tests.gateway.serving import Serving
from tests.oncology.cases.meetings import Board, Meetings

SHEET = (
    """query ($patient: ID!, $case: ID!, $version: Int, $yes: Boolean! = true) {
  it: boardSheet(patientId: $patient, caseId: $case, version: $version) {
    __typename
    ... on BoardSheetVersion {
      __typename caseId version state revision correctionBecause writtenBy writtenAt approvedAt documentId
      missing { __typename name label }
      answers { __typename name label value said: text system source }
      sections @include(if: $yes) { __typename name label text }
      attached
    }
    ...Why
  }
}
"""
    + WHY
)
CIM_10, CIM_O, TNM = "2.16.840.1.113883.6.3", "2.16.840.1.113883.6.43.1", "2.16.840.1.113883.15.6"
PLAIN = {
    "organ": "76752008", "diagnostic_opinion": "true", "treatment_proposal": "true", "recourse_motive": "false",
    "paediatric_motive": "false", "screening": "true", "phase": "MED-268", "progressing": "false", "complete": "true",
    "trial": "false", "case_summary": "Résumé « du cas »", "guideline": "Référentiel régional",
    "proposals.1.treatment": "C15313", "proposals.1.rank": "1", "proposals.1.precision": "50 Gy \\ 25",
}  # fmt: skip
CODED = {
    "tumours.1.topography": ("C50.2", CIM_10),
    "tumours.1.morphology": ("8000/3", CIM_O),
    "tumours.1.tnm_t": ("T1b", TNM),
    "tumours.1.tnm_n": ("N1", TNM),
    "tumours.1.tnm_m": ("UNK", "2.16.840.1.113883.5.1008"),
}
ANSWERS = [
    *({"name": name, "value": value} for name, value in PLAIN.items()),
    *({"name": name, "value": value, "system": system, "label": value} for name, (value, system) in CODED.items()),
]


@dataclass(frozen=True, slots=True)
class Table:
    """A board whose session begins now, and those who sit at it."""

    meetings: Meetings
    board: Board
    session_id: UUID
    coordinator: httpx2.AsyncClient
    member: httpx2.AsyncClient
    members: list[Actor]

    async def held(self) -> None:
        for each in (self.board.coordinator, *self.members):
            await self.meetings.do(each, attendance.sign, self.session_id)
        await self.meetings.do(self.board.coordinator, sessions.hold, self.session_id)


@pytest.fixture
async def table(serving: Serving) -> Table:
    world = serving.world
    meetings = Meetings(tenant=world.tenant, clock=world.clock, feeder=world.feeder, directory=world.directory)
    coordinator, token = await serving.professional()
    made = await meetings.board(coordinator=coordinator)
    session_id = await made.session(after=timedelta(minutes=-1))
    numbers = {"network_number": "5201", "manager_number": "520114", "board_number": "27011113"}
    said = {"scope": "organ", "organ": "76752008", **numbers}
    await meetings.run(update(board).where(board.c.board_id == made.board_id).values(said))
    await made.seat(coordinator, "medical_oncologist", session_id=session_id)
    this = (board_seat.c.session_id == session_id, board_seat.c.subject == coordinator.subject)
    await meetings.run(update(board_seat).where(*this).values(duty="coordinator"))
    first, its_token = await serving.professional()
    await made.seat(first, "surgeon", session_id=session_id)
    second = await made.member(specialty="radiotherapist", session_id=session_id)
    return Table(meetings, made, session_id, serving.client(token), serving.client(its_token), [first, second])


async def _registered(table: Table, record: Record) -> str:
    await table.meetings.run(
        update(patient).where(patient.c.patient_id == record.patient_id).values(birth_place="51215")
    )
    board_case = {
        "question": "Traitement adjuvant ?",
        "informedAt": "2020-11-15T09:00:00Z",
        "informedHow": "INTERVIEW",
        "agreed": True,
    }
    session = node_id(Node.BOARD_SESSION, table.session_id)
    made = await send(record.doctor, "RegisterBoardCase", patientId=record.id, sessionId=session, boardCase=board_case)
    assert made["__typename"] == "BoardCase", made
    return str(made["id"])


async def _attached(table: Table, record: Record, case_id: str) -> str:
    paper = builders.document(type_code="11526-1", author=builders.professional())
    key = node_id(Node.DOCUMENT, await table.meetings.publish(record.patient_id, paper))
    await send(record.doctor, "AttachToBoardCase", caseId=case_id, documentId=key)
    return key


async def test_a_sheet_goes_from_its_preparation_to_the_record_and_is_corrected(
    serving: Serving, table: Table, record: Record
) -> None:
    case_id = await _registered(table, record)
    seen, masked = [await _attached(table, record, case_id) for _ in range(2)]
    begun = await send(record.doctor, "BeginBoardSheet", caseId=case_id)
    assert (begun["state"], begun["revision"]) == ("IN_PROGRESS", 1)
    written = await send(record.doctor, "WriteBoardSheet", caseId=case_id, revision=1, answers=ANSWERS)
    assert (written["__typename"], written["missing"]) == ("BoardSheetChanged", [])
    stale = await send(table.coordinator, "WriteBoardSheet", caseId=case_id, revision=1, answers=[])
    assert stale["code"] == "SHEET_CHANGED"

    async def sheet(**more: Any) -> dict[str, Any]:
        return await send(table.member, "BoardSheet", patientId=record.id, caseId=case_id, **more)

    read = {each["name"]: each for each in (await sheet())["answers"]}
    assert {name: read[name]["value"] for name in PLAIN} == PLAIN
    assert {name: (read[name]["value"], read[name]["system"]) for name in CODED} == CODED
    assert read["presented_as"]["text"] == "Cas discuté"

    await table.held()
    late = await send(record.doctor, "WriteBoardSheet", caseId=case_id, revision=2, answers=[])
    assert late["code"] == "SHEET_SESSION_HELD"
    emptied = [{"name": "trial"}]
    lacking = await send(table.coordinator, "WriteBoardSheet", caseId=case_id, revision=2, answers=emptied)
    assert [each["name"] for each in lacking["missing"]] == ["trial"]
    await send(table.coordinator, "FinishBoardSheet", caseId=case_id, revision=3)
    refused = await send(table.coordinator, "ApproveBoardSheet", caseId=case_id, revision=4)
    assert (refused["__typename"], refused["code"]) == ("SheetNotReady", "SHEET_INCOMPLETE")
    assert len(refused["points"]) == 1
    again = [{"name": "trial", "value": "false"}]
    await send(table.coordinator, "WriteBoardSheet", caseId=case_id, revision=4, answers=again)
    await send(table.coordinator, "FinishBoardSheet", caseId=case_id, revision=5)
    approved = await send(table.coordinator, "ApproveBoardSheet", caseId=case_id, revision=6)
    assert (approved["__typename"], approved["version"]) == ("BoardSheetApproved", 1), approved
    content = await record.patient.get(f"/oncomip/documents/{approved['documentId']}/content")
    assert (content.status_code, b"34794-8" in content.content) == (200, True)

    corrected = await send(table.coordinator, "CorrectBoardSheet", caseId=case_id, because="Dose")
    assert (corrected["version"], corrected["revision"]) == (2, 1)
    traced = await send(table.coordinator, "TraceOffStandard", caseId=case_id, because="Âge")
    assert traced["__typename"] == "BoardSheetChanged"
    await send(table.coordinator, "FillBoardSheet", caseId=case_id, revision=1)
    await send(table.coordinator, "FinishBoardSheet", caseId=case_id, revision=2)
    second = await send(table.coordinator, "ApproveBoardSheet", caseId=case_id, revision=3)
    assert second["version"] == 2
    first, newest = await sheet(version=1), await sheet()
    assert (first["documentId"], newest["documentId"]) == (approved["documentId"], second["documentId"])
    assert newest["correctionBecause"] == "Dose"
    assert sorted(newest["attached"]) == sorted([seen, masked])
    await send(record.patient, "MaskDocument", documentId=masked)
    assert (await sheet())["attached"] == [seen]
    closed = await send(table.coordinator, "CloseBoardSheet", caseId=case_id)
    assert closed["state"] == "CLOSED"


async def test_a_sheet_is_answered_alike(serving: Serving, table: Table, record: Record) -> None:
    case_id = await _registered(table, record)
    seen = await _attached(table, record, case_id)
    given: dict[str, Any] = {"patient": record.id, "case": case_id}
    assert b"SHEET_NOT_BEGUN" in await alike(serving, table.member, SHEET, lines=0, **given)
    await send(record.doctor, "BeginBoardSheet", caseId=case_id)
    await send(record.doctor, "WriteBoardSheet", caseId=case_id, revision=1, answers=ANSWERS)
    key = key_of(Node.BOARD_CASE, case_id)
    sources = {"tumours": str(key_of(Node.DOCUMENT, seen)), "screening": str(uuid4())}
    await table.meetings.run(update(board_sheet).where(board_sheet.c.case_id == key).values(sources=sources))

    shown = await alike(serving, table.member, SHEET, **given)
    assert shown.count(f'"source":"{seen}"'.encode()) == 5  # each answer of the tumour; nothing of what is not there
    assert b'"value":"true","said":"Oui","system":null,"source":null' in shown
    assert "Traitement « adjuvant".encode() not in shown
    await alike(serving, table.member, SHEET, **given, yes=False, version=1)
    await alike(serving, table.coordinator, SHEET, **given)
    await alike(serving, record.doctor, SHEET, **given)
    assert b"SHEET_NOT_BEGUN" in await alike(serving, table.member, SHEET, lines=0, **given, version=9)
    assert b"ACCESS_REFUSED" in await alike(serving, record.patient, SHEET, **given)
    _, token = await serving.professional()
    stranger = serving.client(token)
    assert b"ACCESS_REFUSED" in await alike(serving, stranger, SHEET, **given)
    nowhere = {**given, "case": node_id(Node.BOARD_CASE, uuid4())}
    assert b"ACCESS_REFUSED" in await alike(serving, table.member, SHEET, **nowhere)
    assert b"ID_INVALID" in await alike(serving, table.member, SHEET, lines=0, patient=case_id, case=case_id)
