"""`journalSearch` by one statement, and `unusualAccesses` decided upon by one, as Strawberry gives them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from passerelle.audit.transactions import transaction
from passerelle.dossier import emergencies
from passerelle.identities.directory import Establishment, Practice, Professional
from passerelle_graphql.execution import Executor
from passerelle_graphql.ids import Node, node_id
from passerelle_policies.vocabulary import Mode
from tests import builders
from tests.gateway.alike import WHY, alike
from tests.gateway.records import Record, new_record, send
from tests.gateway.serving import TENANT, Serving
from tests.gateway.test_compiled import asked

SEARCH = (
    """query (
  $reason: String! = "plainte" $since: DateTime $until: DateTime $patientId: ID $rpps: String $structure: String
  $refusedOnly: Boolean! = false $emergenciesOnly: Boolean! = false $first: Int $after: String $yes: Boolean! = true
) {
  found: journalSearch(
    reason: $reason since: $since until: $until patientId: $patientId rpps: $rpps structure: $structure
    refusedOnly: $refusedOnly emergenciesOnly: $emergenciesOnly first: $first after: $after
  ) {
    __typename
    ... on FoundLines {
      nodes {
        __typename whose: patientId
        line {
          __typename id at actor { kind rpps name profession { code label } structure structureName software }
          sentence action kind documentId allowed code reason rule why @include(if: $yes) source mode purpose
        }
      }
      end: endCursor @include(if: $yes)
    }
    ...Why
  }
}
"""
    + WHY
)
UNUSUAL = (
    """query ($reason: String! = "revue", $since: DateTime!, $until: DateTime!, $first: Int, $yes: Boolean! = true) {
  unusualAccesses(reason: $reason, since: $since, until: $until, first: $first) {
    __typename
    ... on UnusualAccesses {
      reviews {
        __typename pattern found
        furthest {
          __typename sentence rpps name profession { code label } structure patientId @include(if: $yes) day count
          usual least n: count
        }
      }
    }
    ...Why
  }
}
"""
    + WHY
)


@pytest.fixture(scope="module")
async def busy(serving: Serving) -> tuple[Record, Record]:
    """Two records that were read, refused and opened in an emergency; the second one's doctor bears its name."""
    await serving.directory.register_establishments(
        [Establishment(finess="310783055", name='CHU « \\ » "', basin="essai", tenant_id=TENANT)]
    )
    one, other = await new_record(serving), await new_record(serving)
    for client, record in ((one.doctor, one), (one.doctor, other), (other.doctor, other), (one.patient, one)):
        await send(client, "OpenDossier", patientId=record.id)
        serving.world.clock.advance(timedelta(microseconds=999))
    hasty = builders.professional(name='D’« HÂTE » "\\ é 😀', establishment="310783055")
    async with transaction(serving.world.context(hasty, mode=Mode.BREAK_GLASS)) as act:
        await emergencies.break_the_glass(act, other.patient_id, "chute")
    serving.world.clock.advance(timedelta(minutes=5))
    return one, other


def _until(serving: Serving, **more: Any) -> dict[str, Any]:
    return {"until": (serving.world.clock.now() - timedelta(minutes=1)).isoformat(), **more}


async def test_a_search_finds_alike(serving: Serving, busy: tuple[Record, Record]) -> None:
    one, other = busy
    officer = serving.officer()
    ways: dict[str, dict[str, Any]] = {
        "everything": {},
        "a professional": {"rpps": one.doctor_actor.id},
        "a patient": {"patientId": one.id},
        "a structure": {"structure": "310783055"},
        "refusals": {"refusedOnly": True},
        "emergencies": {"emergenciesOnly": True},
        "a period": {"since": (serving.world.clock.now() - timedelta(hours=1)).isoformat()},
        "all at once": {"rpps": one.doctor_actor.id, "patientId": other.id, "refusedOnly": True},
        "nothing": {"rpps": "1", "structure": "", "emergenciesOnly": True},
    }
    for way, asks in ways.items():
        for yes in (True, False):
            answer = await alike(serving, officer, SEARCH, **_until(serving, yes=yes, first=100, **asks))
            nodes = json.loads(answer)["data"]["found"]["nodes"]
            assert (len(nodes) > 0) is (way != "nothing"), way
            assert (b'"why":' in answer) is (yes and way != "nothing")
    first = await alike(serving, officer, SEARCH, **_until(serving, first=2))
    seen: list[str] = []
    page = json.loads(first)["data"]["found"]
    while page["end"] is not None:
        seen += [each["line"]["id"] for each in page["nodes"]]
        asks = _until(serving, first=2, after=page["end"])
        page = json.loads(await alike(serving, officer, SEARCH, **asks))["data"]["found"]
    assert len(seen) == len(set(seen)) > 5
    # A bound that the cursor is past counts for nothing, one before it counts alone.
    for until in (serving.world.clock.now(), serving.world.clock.now() - timedelta(days=1)):
        after = json.loads(first)["data"]["found"]["end"]
        await alike(serving, officer, SEARCH, until=until.isoformat(), after=after)
    bare = 'query ($until: DateTime) { journalSearch(reason: "x", until: $until) { ... on FoundLines { __typename } } }'
    assert b'{"__typename":"FoundLines"}' in await alike(serving, officer, bare, **_until(serving))


async def test_a_search_finds_itself_alike(serving: Serving, busy: tuple[Record, Record]) -> None:
    one, _ = busy
    ways: list[dict[str, Any]] = [{}, {"patientId": one.id}, {"first": 1}]
    for asks in ways:
        shown = [
            (await asked(serving, serving.officer(), SEARCH, each, **asks))["data"]["found"]["nodes"]
            for each in (Executor.COMPILED, Executor.STRAWBERRY)
        ]
        (own, *before), (again, *then) = shown
        assert own["line"]["action"] == again["line"]["action"] == "search"
        assert {**own, "line": {**own["line"], "id": ""}} == {**again, "line": {**again["line"], "id": ""}}
        if "first" not in asks:
            assert then[0] == own
            assert then[1:] == before[: len(then) - 1]


async def test_a_search_is_refused_alike(serving: Serving, busy: tuple[Record, Record]) -> None:
    one, _ = busy
    officer, now = serving.officer(), serving.world.clock.now()
    empty: dict[str, Any] = {"since": now.isoformat(), "until": now.isoformat()}
    for client in (one.patient, one.doctor):
        # Who may not search hears of nothing else that is wrong.
        for asked_for in ({}, {"patientId": one.id}, empty):
            assert b"ACCESS_REFUSED" in await alike(serving, client, SEARCH, **asked_for)
    unknown = node_id(Node.PATIENT, UUID(int=5))
    wrong: list[tuple[dict[str, Any], bytes]] = [
        (empty, b"PERIOD_EMPTY"),
        ({**empty, "patientId": unknown}, b"PERIOD_EMPTY"),
        ({"patientId": unknown}, b"PATIENT_UNKNOWN"),
        ({"patientId": node_id(Node.PATIENT, UUID(int=0))}, b"PATIENT_UNKNOWN"),
        ({"patientId": "é"}, b"ID_INVALID"),
        ({"reason": " \n"}, b"REASON_MISSING"),
        ({"reason": "x" * 1001}, b"VALUE_TOO_LONG"),
        ({"reason": "\x01"}, b"VALUE_MALFORMED"),
        ({"first": 0}, b"PAGE_SIZE_INVALID"),
        ({"first": 201, "reason": ""}, b"PAGE_SIZE_INVALID"),
        ({"after": "é", "first": 0}, b"CURSOR_INVALID"),
    ]
    for asks, code in wrong:
        assert code in await alike(serving, officer, SEARCH, lines=0, **asks), asks


async def test_unusual_accesses_are_reviewed_alike(serving: Serving, busy: tuple[Record, Record]) -> None:
    one, _ = busy
    others = [await new_record(serving, authorized=False) for _ in range(5)]
    for each in others:
        await send(one.doctor, "OpenDossier", patientId=each.id)
    for each in others[:2]:
        namesake, family_name = builders.professional(), f"ESSAI{each.ins.value[8:13]}"
        bearing: dict[str, Any] = {
            "family_name": family_name,
            "given_name": "Dominique",
            "profession": builders.PHYSICIAN,
        }
        await serving.directory.register_professionals(
            [Professional(rpps=namesake.id, **bearing, practices=(Practice(tenant_id=TENANT),))]
        )
        token = serving.issuer.mint_professional(rpps=namesake.id, **bearing)
        await send(serving.client(token), "OpenDossier", patientId=each.id)
    now, officer = serving.world.clock.now(), serving.officer()
    period: dict[str, Any] = {
        "since": (now - timedelta(hours=1)).isoformat(),
        "until": (now + timedelta(hours=1)).isoformat(),
    }
    for more in ({}, {"first": 1}, {"yes": False}):
        answer = await alike(serving, officer, UNUSUAL, **period, **more)
        reviews = {each["pattern"]: each for each in json.loads(answer)["data"]["unusualAccesses"]["reviews"]}
        assert len(reviews) == 6
        assert reviews["REFUSALS"]["furthest"][0]["rpps"] == one.doctor_actor.id
        assert reviews["SAME_NAME"]["found"] == 2
        assert len(reviews["SAME_NAME"]["furthest"]) == more.get("first", 2)
    empty: dict[str, Any] = {"since": now.isoformat(), "until": now.isoformat()}
    for client in (one.patient, one.doctor):
        for asks in (period, empty):
            assert b"ACCESS_REFUSED" in await alike(serving, client, UNUSUAL, **asks)
    for asks, code in (
        (empty, b"PERIOD_EMPTY"),
        ({**period, "since": "2020-01-01T00:00:00Z", "first": 0}, b"PERIOD_TOO_LONG"),
        ({**period, "first": 0}, b"PAGE_SIZE_INVALID"),
        ({**period, "reason": ""}, b"REASON_MISSING"),
    ):
        assert code in await alike(serving, officer, UNUSUAL, lines=0, **asks), asks
