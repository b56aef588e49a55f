"""Boards and their sessions at the front door: from declaration to quorum, and both executors alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest

from passerelle.identities.directory import Establishment, Practice, Professional
from passerelle_graphql.ids import Node, key_of, node_id
from passerelle_graphql.schema.values import write_instant
from passerelle_ops.demo.issuer import Practice as Activity
from tests import builders
from tests.gateway.alike import WHY, alike
from tests.gateway.records import Record, send
from tests.gateway.serving import TENANT, Serving

LONG = timedelta(days=30)
FINESS = "310000777"
BOARD = """fragment B on Board {
  __typename id name kind scope organ { __typename code label } establishment centreId state recurrence
  minutes: durationMinutes deputies videoconference networkNumber managerNumber boardNumber declaredAt validatedAt
  suspendedAt
}
"""
SESSION = """fragment S on BoardSession {
  __typename id boardId startsAt endsAt place state openedAt heldAt
  quorum { __typename state pack needed counted missing lacking } cancelledAt cancelledBecause closedAt
}
"""
BOARDS = (
    BOARD
    + WHY
    + """query ($kind: BoardKind, $state: BoardState, $first: Int, $after: ID) {
  all: boards(kind: $kind, state: $state, first: $first, after: $after) {
    __typename ... on Boards { nodes { ...B } endCursor } ...Why
  }
}
"""
)
ONE = (
    BOARD
    + WHY
    + """query ($id: ID!, $yes: Boolean! = true) {
  board(id: $id) {
    ... on StaffedBoard {
      __typename board { ...B }
      members @include(if: $yes) {
        __typename id rpps name profession { code label } duty specialty specialtyCode deputyOf validFrom validUntil
      }
    }
    ...Why
  }
}
"""
)
CENTRES = (
    WHY
    + """query {
  coordinationCentres { __typename ... on CoordinationCentres { nodes { id name establishment } } ...Why }
}
"""
)
PERIOD = (
    SESSION
    + WHY
    + """query ($since: DateTime!, $until: DateTime!, $board: ID, $first: Int, $after: ID) {
  all: boardSessions(since: $since, until: $until, boardId: $board, first: $first, after: $after) {
    __typename ... on BoardSessions { nodes { __typename boardName boardKind session { ...S } } endCursor } ...Why
  }
}
"""
)
MINE = (
    SESSION
    + WHY
    + """query ($since: DateTime!, $until: DateTime!) {
  mine: myBoardSessions(since: $since, until: $until) {
    __typename ... on BoardSessions { nodes { boardName session { ...S } } } ...Why
  }
}
"""
)
CONVENED = (
    SESSION
    + WHY
    + """query ($id: ID!) {
  it: convenedBoardSession(id: $id) {
    __typename
    ... on ConvenedBoardSession {
      boardName boardKind session { ...S }
      seats {
        __typename rpps name profession { __typename label } specialty specialtyCode duty
        answer answeredAt signedAt isRemote
      }
    }
    ...Why
  }
}
"""
)


@dataclass(frozen=True, slots=True)
class Region:
    hospital: httpx2.AsyncClient
    network: httpx2.AsyncClient
    secretary: httpx2.AsyncClient
    team: dict[str, tuple[str, httpx2.AsyncClient]]


@pytest.fixture(scope="module")
async def region(serving: Serving) -> Region:
    at = Establishment(finess=FINESS, name="Hôpital d'essai", basin="essai", tenant_id=TENANT, category="SA01")
    await serving.directory.register_establishments([at])

    async def someone(profession: str, specialty: str | None) -> tuple[str, httpx2.AsyncClient]:
        rpps = builders.professional(profession).id
        here = Practice(tenant_id=TENANT, finess=FINESS)
        known = Professional(
            rpps=rpps,
            family_name=f"ESSAI {specialty}",
            given_name="Dominique",
            profession=profession,
            specialty=specialty,
            practices=(here,),
        )
        await serving.directory.register_professionals([known])
        token = serving.issuer.mint_professional(
            rpps=rpps,
            family_name="ESSAI",
            given_name="Dominique",
            profession=profession,
            practices=[Activity(finess=FINESS)],
            valid_for=LONG,
        )
        return rpps, serving.client(token)

    team = {each: await someone("10", each) for each in ("SM14", "SM36", "SM37", "SM01")}
    _, secretary = await someone("331", None)
    network = serving.client(serving.issuer.mint_cancer_network(network=TENANT, name="Réseau d'essai", valid_for=LONG))
    return Region(team["SM36"][1], network, secretary, team)


def _said(name: str, **more: Any) -> dict[str, Any]:
    charter = {"durationMinutes": 90, "recurrence": "FREQ=WEEKLY;BYDAY=TU", **more.pop("charter", {})}
    return {"name": name, "kind": "STANDARD", "scope": "ORGAN", "organ": "86762007", "charter": charter, **more}


async def _board(region: Region, name: str) -> str:
    declared = await send(region.hospital, "DeclareBoard", board=_said(name))
    assert (declared["__typename"], declared["state"]) == ("Board", "DECLARED"), declared
    board: str = declared["id"]
    for each in ("SM14", "SM37"):
        named = await send(region.hospital, "AppointBoardMember", boardId=board, member={"rpps": region.team[each][0]})
        assert named["__typename"] == "BoardMember", named
    validated = await send(region.network, "ValidateBoard", id=board)
    assert validated["state"] == "VALIDATED"
    return board


async def test_from_declaration_to_a_quorum(region: Region, serving: Serving) -> None:
    clock = serving.world.clock
    board = await _board(region, "RCP digestive")
    first = clock.now() + timedelta(days=1, hours=8)
    planned = await send(
        region.hospital,
        "PlanBoardSeries",
        boardId=board,
        first=write_instant(first),
        until=write_instant(first + timedelta(days=22)),
        place="Salle 1",
    )
    assert [each["state"] for each in planned["sessions"]] == ["PLANNED"] * 4
    one, two = planned["sessions"][0]["id"], planned["sessions"][1]["id"]

    (rpps, surgeon), (_, radiotherapist) = region.team["SM14"], region.team["SM37"]
    excused = await send(surgeon, "AnswerBoardSession", id=one, answer="EXCUSED")
    assert (excused["rpps"], excused["answer"]) == (rpps, "EXCUSED")
    told = await send(region.hospital, "SessionForecast", sessionId=one)
    assert told["quorum"]["missing"] == ["SURGEON"]
    assert told["quorum"]["counted"] == ["MEDICAL_ONCOLOGIST", "RADIOTHERAPIST"]
    assert [(each["specialty"], each["wasAskedElsewhere"]) for each in told["gaps"]] == [("SURGEON", False)]
    await send(surgeon, "AnswerBoardSession", id=one, answer="EXPECTED")

    assert (await send(region.hospital, "OpenPlannedBoardSession", id=one))["state"] == "OPEN"
    clock.set(datetime.fromisoformat(planned["sessions"][0]["startsAt"]))
    for who in (surgeon, region.hospital, radiotherapist):
        signed = await send(who, "SignAttendance", sessionId=one)
        assert len(signed["signature"]) == 64
    held = await send(region.hospital, "HoldBoardSession", id=one)
    assert (held["state"], held["quorum"]["state"], held["quorum"]["needed"]) == ("HELD", "REACHED", 3)
    assert (await send(region.hospital, "CloseBoardSession", id=one))["closedAt"] is not None

    await send(region.hospital, "OpenPlannedBoardSession", id=two)
    clock.set(datetime.fromisoformat(planned["sessions"][1]["startsAt"]))
    late = await send(region.hospital, "HoldBoardSession", id=two)
    assert (late["state"], late["quorum"]["state"]) == ("HELD_WITHOUT_QUORUM", "NOT_REACHED")
    assert late["quorum"]["missing"] == ["SURGEON", "MEDICAL_ONCOLOGIST", "RADIOTHERAPIST"]
    refused = await send(region.secretary, "HoldBoardSession", id=planned["sessions"][2]["id"])
    assert (refused["__typename"], refused["code"]) == ("Refusal", "ACCESS_REFUSED")
    other = await send(region.network, "SuspendBoard", id=board)
    assert other["state"] == "SUSPENDED"
    stopped = await send(region.hospital, "OpenPlannedBoardSession", id=planned["sessions"][2]["id"])
    assert (stopped["__typename"], stopped["code"]) == ("Conflict", "BOARD_NOT_VALIDATED")
    cancelled = await send(
        region.hospital, "CancelBoardSession", id=planned["sessions"][2]["id"], reason="RCP suspendue"
    )
    assert (cancelled["state"], cancelled["cancelledBecause"]) == ("CANCELLED", "RCP suspendue")
    assert (await send(region.network, "ResumeBoard", id=board))["state"] == "VALIDATED"


async def test_the_directory_is_told_alike(region: Region, serving: Serving, record: Record) -> None:
    await send(region.hospital, "FoundCoordinationCentre", name="3C « d'essai »")
    centre = (await send(region.hospital, "CoordinationCentres"))["nodes"][-1]["id"]
    named = [
        _said('RCP A \\ "B"'),
        _said("RCP transversale", scope="TRANSVERSAL", organ=None, charter={"centreId": centre, "recurrence": None}),
        _said("RCP du sang", organ="57171008", kind="RECOURSE", charter={"boardNumber": "RCP-1", "deputies": False}),
    ]
    made = [await send(region.hospital, "DeclareBoard", board=each) for each in named]
    for given in (
        {},
        {"kind": "RECOURSE"},
        {"state": "DECLARED", "first": 2},
        {"first": 1, "after": made[0]["id"]},
        {"after": made[2]["id"]},
        {"after": node_id(Node.BOARD, UUID(int=3))},
        {"state": "SUSPENDED"},
    ):
        await alike(serving, region.hospital, BOARDS, **given)
    for given in ({"first": 0}, {"first": 101}, {"after": "x"}):
        await alike(serving, region.hospital, BOARDS, lines=0, **given)
    whole = await _board(region, "RCP entière")
    for board in (made[1]["id"], made[2]["id"], whole):
        for yes in (True, False):
            await alike(serving, region.network, ONE, id=board, yes=yes)
    await alike(serving, region.hospital, ONE, lines=0, id=node_id(Node.BOARD, UUID(int=3)))
    await alike(serving, region.secretary, CENTRES)
    unread: tuple[tuple[str, dict[str, Any]], ...] = ((BOARDS, {}), (ONE, {"id": whole}), (CENTRES, {}))
    for query, given in unread:
        assert b"ACCESS_REFUSED" in await alike(serving, record.patient, query, **given)


async def test_sessions_are_told_alike(region: Region, serving: Serving, record: Record) -> None:
    clock = serving.world.clock
    board, other = await _board(region, "RCP une"), await _board(region, "RCP deux")
    at = clock.now() + timedelta(hours=3)
    ids = []
    for number, each in enumerate((board, other, board)):
        starts = write_instant(at + timedelta(days=number))
        made = await send(region.hospital, "PlanBoardSession", boardId=each, startsAt=starts, place=f"« {number} »")
        ids.append(made["id"])
    await send(region.hospital, "OpenPlannedBoardSession", id=ids[0])
    await send(
        region.hospital, "InviteToBoardSession", sessionId=ids[0], rpps=region.team["SM01"][0], specialty="PATHOLOGIST"
    )
    clock.set(at)
    await send(region.team["SM01"][1], "SignAttendance", sessionId=ids[0])
    await send(region.hospital, "HoldBoardSession", id=ids[0])
    period: dict[str, Any] = {
        "since": write_instant(at - timedelta(days=60)),
        "until": write_instant(at + timedelta(days=60)),
    }
    for given in (
        {},
        {"board": board},
        {"first": 1},
        {"first": 1, "after": ids[0]},
        {"after": ids[2]},
        {"board": node_id(Node.BOARD, UUID(int=5))},
    ):
        await alike(serving, region.hospital, PERIOD, **period, **given)
    backwards: dict[str, Any] = {"since": period["until"], "until": period["since"]}
    far = {**period, "until": write_instant(at + timedelta(days=900))}
    for wrong in (backwards, far, {**period, "first": 0}, {**period, "after": "x"}):
        await alike(serving, region.hospital, PERIOD, lines=0, **wrong)
    for who in (region.hospital, region.secretary, region.team["SM01"][1], region.team["SM14"][1]):
        told = await alike(serving, who, MINE, **period)
        assert (ids[0].encode() in told) is (who is not region.secretary)
    for each in ids:
        await alike(serving, region.secretary, CONVENED, id=each)
    await alike(serving, region.hospital, CONVENED, lines=0, id=node_id(Node.BOARD_SESSION, UUID(int=3)))
    unread: tuple[tuple[str, dict[str, Any]], ...] = ((PERIOD, period), (MINE, period), (CONVENED, {"id": ids[0]}))
    for query, given in unread:
        assert b"ACCESS_REFUSED" in await alike(serving, record.patient, query, **given)
    assert key_of(Node.BOARD_SESSION, ids[0])


async def test_a_calendar_s_address(region: Region, serving: Serving, record: Record) -> None:
    made = await send(region.secretary, "MakeCalendarAddress")
    assert made["url"].startswith(f"/{TENANT}/calendars/")
    assert (await serving.client().get(made["url"])).status_code == 200
    assert (await send(region.secretary, "RevokeCalendarAddress"))["wasThere"] is True
    assert (await serving.client().get(made["url"])).status_code == 404
    assert (await send(record.patient, "MakeCalendarAddress"))["code"] == "ACCESS_REFUSED"
