"""Cases of tumour boards at the front door: prepared, opened and read, and both executors alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from graphql import OperationDefinitionNode, parse, print_ast

from passerelle.dossier import relations
from passerelle.oncology.tables import board_sheet
from passerelle_graphql.committed import committed
from passerelle_graphql.ids import Node, key_of, node_id
from tests import builders
from tests.gateway.alike import WHY, alike
from tests.gateway.records import Record, new_record, send
from tests.gateway.serving import Serving
from tests.oncology.cases.meetings import WEEK, Board, Meetings

OCTETS = b"<cr>biopsie</cr>" * 9
SESSION = (
    """query ($id: ID!, $yes: Boolean! = true) {
  it: boardSession(id: $id) {
    __typename
    ... on OpenedBoardSession {
      id boardName boardKind startsAt endsAt place state
      cases {
        __typename id patient { __typename id familyName usedName givenNames birthDate sex } state discussion
        requester { __typename rpps as: name profession { __typename code label } } who: presenter { name }
        question informedAt registeredAt deferredFrom
        sheet { __typename version state writtenAt missing { __typename name label } }
        attachments {
          __typename documentId nature type { code label } title mimeType actAt size attachedAt contentUrl
        }
        forecast @include(if: $yes) { __typename expected missing lacking }
      }
    }
    ...Why
  }
}
"""
    + WHY
)


@dataclass(frozen=True, slots=True)
class Room:
    """A board, and those who knock for its session."""

    meetings: Meetings
    board: Board
    id: str
    seated: str
    member: httpx2.AsyncClient
    secretary: httpx2.AsyncClient
    coordinator: httpx2.AsyncClient


@pytest.fixture
async def room(serving: Serving) -> Room:
    world = serving.world
    meetings = Meetings(tenant=world.tenant, clock=world.clock, feeder=world.feeder, directory=world.directory)
    coordinator, its_token = await serving.professional()
    secretary, her_token = await serving.professional("331")
    board = await meetings.board(coordinator=coordinator, secretary=secretary)
    actor, token = await serving.professional()
    await board.seat(actor)
    session_id = node_id(Node.BOARD_SESSION, board.session_id)
    return Room(
        meetings,
        board,
        session_id,
        actor.id,
        serving.client(token),
        serving.client(her_token),
        serving.client(its_token),
    )


async def _registered(room: Room, record: Record, **said: Any) -> str:
    board_case = {
        "question": "Traitement « adjuvant » ?",
        "informedAt": "2026-11-15T09:00:00Z",
        "informedHow": "INTERVIEW",
        "agreed": True,
        **said,
    }
    given = {"patientId": record.id, "sessionId": room.id, "boardCase": board_case}
    made = await send(record.doctor, "RegisterBoardCase", **given)
    assert made["__typename"] == "BoardCase", made
    return str(made["id"])


async def _filed(room: Room, record: Record, type_code: str = "11526-1", **more: Any) -> str:
    incoming = builders.document(type_code=type_code, content=OCTETS, author=builders.professional(), **more)
    return node_id(Node.DOCUMENT, await room.meetings.publish(record.patient_id, incoming))


def _text(operation: str) -> str:
    """One committed operation by itself."""
    return print_ast(
        next(
            each
            for each in parse(committed()[operation]).definitions
            if isinstance(each, OperationDefinitionNode) and each.name and each.name.value == operation
        )
    )


async def test_a_case_is_prepared_opened_and_read(serving: Serving, room: Room, record: Record) -> None:
    case_id = await _registered(room, record)
    paper, loose = await _filed(room, record), await _filed(room, record, "11502-2")
    offered = await send(record.doctor, "AttachableDocuments", patientId=record.id, caseId=case_id)
    assert {each["documentId"]: each["nature"] for each in offered["nodes"]} == {
        paper: "PATHOLOGY",
        loose: "LABORATORY",
    }
    await send(record.doctor, "AttachToBoardCase", caseId=case_id, documentId=paper)
    opened = await send(room.member, "OpenBoardSession", id=room.id)

    (one,) = opened["cases"]
    assert one["question"] == "Traitement « adjuvant » ?"
    known = await serving.directory.professional(record.doctor_actor.id)
    assert known is not None
    asks = {"rpps": record.doctor_actor.id, "name": known.name, "profession": {"code": "10", "label": "Médecin"}}
    assert (one["requester"], one["presenter"]) == (asks, asks)
    assert one["forecast"]["lacking"] > 0
    (attached,) = one["attachments"]
    assert attached["contentUrl"] == f"/oncomip/board-cases/{case_id}/documents/{paper}"
    read = await room.member.get(attached["contentUrl"])
    assert (read.status_code, read.content) == (200, OCTETS)
    assert read.headers["cache-control"] == "private, no-store"
    assert "sandbox" in read.headers["content-security-policy"]

    etag = read.headers["etag"]
    part = await room.member.get(attached["contentUrl"], headers={"range": "bytes=4-6"})
    assert (part.status_code, part.content) == (206, OCTETS[4:7])
    assert (await room.member.head(attached["contentUrl"])).headers["content-length"] == str(len(OCTETS))
    assert (await room.member.get(attached["contentUrl"], headers={"if-none-match": etag})).status_code == 304
    assert (await room.member.post(attached["contentUrl"])).status_code == 405
    journal = await room.meetings.lines()
    of_paper = [each for each in journal if each.document_id == key_of(Node.DOCUMENT, paper) and each.kind == "content"]
    assert [each.rule for each in of_paper] == ["read-board"]  # one reading, however many ranges

    refused = [
        await room.member.get(f"/oncomip/board-cases/{case}/documents/{document}")
        for case, document in ((case_id, loose), (paper, paper), (case_id, case_id), (room.id, paper), ("é", paper))
    ]
    refused.append(await room.secretary.get(attached["contentUrl"]))
    refused.append(await room.member.get(f"/oncomip/documents/{paper}/content"))
    assert {each.status_code for each in refused} == {404}
    assert len({each.text.replace(each.headers["passerelle-request-id"], "") for each in refused}) == 1
    await send(record.doctor, "DetachFromBoardCase", caseId=case_id, documentId=paper)
    assert (await room.member.get(attached["contentUrl"])).status_code == 404


async def test_a_session_is_answered_alike(serving: Serving, room: Room) -> None:
    records = [await new_record(serving) for _ in range(3)]
    ids = [await _registered(room, each, question=f'Question "{n}" \\ é') for n, each in enumerate(records)]
    for number in range(2):
        paper = await _filed(room, records[0], title=f'Titre « {number} » "\\')
        await send(records[0].doctor, "AttachToBoardCase", caseId=ids[0], documentId=paper)
    for record, case_id, missing in (
        (records[0], ids[0], ["nature", "tumours.1.topography"]),
        (records[1], ids[1], None),
    ):
        await room.meetings.run(
            board_sheet.insert().values(
                patient_id=record.patient_id,
                case_id=key_of(Node.BOARD_CASE, case_id),
                version=1,
                state="in_progress",
                content={},
                missing=missing,
                written_by="professional:x",
                written_at=serving.world.clock.now(),
            )
        )
    blocked = records[2]
    answer = await alike(serving, room.member, SESSION, lines=4, id=room.id)
    assert answer.count(b'"AgendaCase"') == 3
    assert answer.count(b'"CaseAttachment"') == 2
    assert b"Topographie" in answer
    await alike(serving, room.member, SESSION, lines=4, id=room.id, yes=False)
    assert (await alike(serving, room.secretary, SESSION, lines=4, id=room.id)).count(b'"question":null') == 3
    await alike(serving, room.coordinator, SESSION, lines=4, id=room.id)
    assert (await alike(serving, records[0].doctor, SESSION, lines=2, id=room.id)).count(b'"AgendaCase"') == 1
    _, token = await serving.professional()
    assert b'"cases":[]' in await alike(serving, serving.client(token), SESSION, id=room.id)
    await room.meetings.do(blocked.person, relations.block_professional, blocked.patient_id, room.seated)
    assert (await alike(serving, room.member, SESSION, lines=3, id=room.id)).count(b'"AgendaCase"') == 2
    assert b"ACCESS_REFUSED" in await alike(serving, records[0].patient, SESSION, id=room.id)
    unknown = node_id(Node.BOARD_SESSION, UUID(int=7))
    assert b"CASE_SESSION_UNKNOWN" in await alike(serving, room.member, SESSION, lines=0, id=unknown)
    assert b"ID_INVALID" in await alike(serving, room.member, SESSION, lines=0, id=records[0].id)
    await room.board.becomes("held")
    assert (await alike(serving, room.coordinator, SESSION, lines=4, id=room.id)).count(b'"forecast":null') == 3


async def test_the_patient_reads_his_cases_and_takes_one_away(serving: Serving, room: Room, record: Record) -> None:
    case_id = await _registered(room, record)
    later = node_id(Node.BOARD_SESSION, await room.board.session(after=2 * WEEK))
    carried = await send(room.secretary, "DeferBoardCase", id=case_id, sessionId=later)
    assert carried["deferredFrom"] == case_id
    own = _text("BoardCases")
    answer = await alike(serving, record.patient, own, patientId=record.id)
    assert answer.count(b'"state":"DEFERRED"') == answer.count(b'"state":"REGISTERED"') == 1
    assert b"ACCESS_REFUSED" in await alike(serving, record.doctor, own, patientId=record.id)
    done = await send(record.patient, "WithdrawBoardCase", id=carried["id"])
    assert done["state"] == "WITHDRAWN"
    again = await send(record.patient, "WithdrawBoardCase", id=carried["id"], because="Non")
    assert again["code"] == "CASE_ENDED"


async def test_what_may_be_attached_is_answered_alike(serving: Serving, room: Room, record: Record) -> None:
    case_id = await _registered(room, record)
    first = builders.document(type_code="11526-1", title="Un")
    await room.meetings.publish(record.patient_id, first)
    await _filed(room, record, title="Deux", replaces=first.metadata.unique_id)
    await _filed(room, record, "11502-2", title="Masqué", masked=True)
    third = await _filed(room, record, "11502-2", title="Trois")
    await send(record.doctor, "AttachToBoardCase", caseId=case_id, documentId=third)
    asked = _text("AttachableDocuments")
    answer = await alike(serving, record.doctor, asked, patientId=record.id, caseId=case_id)
    assert b"Deux" in answer
    assert b"Masqu" not in answer
    assert answer.count(b'"attachedAt":null') == 1
    for client, given, lines, code in (
        (record.doctor, record.id, 0, b"ID_INVALID"),
        (record.doctor, node_id(Node.BOARD_CASE, UUID(int=3)), 0, b"CASE_UNKNOWN"),
        (room.coordinator, case_id, 1, b"ACCESS_REFUSED"),
    ):
        assert code in await alike(serving, client, asked, lines=lines, patientId=record.id, caseId=given)


async def test_the_cases_of_a_cancelled_session_are_carried_over(serving: Serving, room: Room) -> None:
    for _ in range(2):
        await _registered(room, await new_record(serving))
    later = node_id(Node.BOARD_SESSION, await room.board.session(after=WEEK + timedelta(days=1)))
    given = {"sessionId": room.id, "toSessionId": later}
    assert (await send(room.secretary, "CarryOverBoardCases", **given))["code"] == "CASE_SESSION_NOT_CANCELLED"
    await room.board.becomes("cancelled")
    done = await send(room.secretary, "CarryOverBoardCases", **given)
    assert [each["sessionId"] for each in done["cases"]] == [later, later]
