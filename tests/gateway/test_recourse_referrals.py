"""The referrals of a case at the front door: made, read, taken back, and both executors alike."""

from __future__ import annotations

import json
from uuid import uuid4

from graphql import OperationDefinitionNode, parse, print_ast

from passerelle_graphql.committed import committed
from passerelle_graphql.ids import Node, node_id
from tests.gateway.records import Record, send
from tests.gateway.serving import Serving
from tests.gateway.test_compiled import both
from tests.oncology.cases.meetings import Meetings


def _query(name: str) -> str:
    """One committed operation, without its neighbours."""
    found = parse(committed()[name]).definitions
    return next(print_ast(each) for each in found if isinstance(each, OperationDefinitionNode) and _is(each, name))


def _is(given: OperationDefinitionNode, name: str) -> bool:
    return given.name is not None and given.name.value == name


async def test_a_case_is_referred_read_of_and_taken_back(serving: Serving, record: Record) -> None:
    world, query = serving.world, _query("RecourseReferrals")
    meetings = Meetings(tenant=world.tenant, clock=world.clock, feeder=world.feeder, directory=world.directory)
    board = await meetings.board()
    _, token = await serving.professional()
    registered = await send(
        record.doctor,
        "RegisterBoardCase",
        patientId=record.id,
        sessionId=node_id(Node.BOARD_SESSION, board.session_id),
        boardCase={
            "question": "Traitement ?",
            "informedAt": "2026-11-15T09:00:00Z",
            "informedHow": "INTERVIEW",
            "agreed": True,
        },
    )
    case, there = registered["id"], {"toNetwork": "ailleurs", "toBoardId": node_id(Node.BOARD, uuid4())}
    asked = {"patientId": record.id, "caseId": case}
    sent = await send(record.doctor, "ReferBoardCase", caseId=case, **there)
    assert (sent["state"], sent["toNetwork"]) == ("SENT", "ailleurs")
    assert (await send(record.doctor, "ReferBoardCase", caseId=case, **there))["code"] == "RECOURSE_RUNNING"
    assert (await send(serving.client(token), "ReferBoardCase", caseId=case, **there))["code"] == "CASE_UNKNOWN"

    for client, shown in ((record.doctor, 1), (record.patient, 1), (serving.client(token), None)):
        said = json.loads(await both(serving, client, query, **asked))["data"]["recourseReferrals"]
        assert len(said.get("nodes", ())) == (shown or 0)
        assert said.get("code") == (None if shown else "ACCESS_REFUSED")
    assert (await send(record.doctor, "TakeBackReferral", caseId=case))["state"] == "WITHDRAWN"
    said = json.loads(await both(serving, record.doctor, query, **asked))["data"]["recourseReferrals"]
    assert [each["state"] for each in said["nodes"]] == ["WITHDRAWN"]
    elsewhere = {**asked, "caseId": node_id(Node.BOARD_CASE, uuid4())}
    await both(serving, record.patient, query, **elsewhere)
