"""Who comes in: tenant, token, actor, and the headers that say why and how."""

from __future__ import annotations

from datetime import timedelta

import httpx2
import pytest
from sqlalchemy import text

from passerelle.identities.ins import NIR_TEST, Ins
from passerelle.identities.tokens import denial_of
from passerelle.kernel.errors import InvalidInput
from tests import builders
from tests.gateway.serving import GRAPHQL, Serving, ask

ME = "{ me { kind name rpps mode purpose structure network { id isTest } patientId } }"


async def _lines(serving: Serving) -> list[tuple[str, str | None, str]]:
    async with serving.world.tenant.database.transaction() as connection:
        rows = await connection.execute(text("select outcome, code, rule from journal order by line_id"))
        return [(row.outcome, row.code, row.rule) for row in rows]


def _code(response: httpx2.Response) -> str:
    code: str = response.json()["errors"][0]["extensions"]["code"]
    return code


async def test_a_known_professional_is_told_who_he_is(doctor: httpx2.AsyncClient) -> None:
    me = (await ask(doctor, ME))["me"]

    assert me["kind"] == "PROFESSIONAL"
    assert me["name"] == "Dominique ESSAI"
    assert (me["mode"], me["purpose"], me["network"]) == ("NORMAL", "CARE", {"id": "oncomip", "isTest": True})


async def test_a_patient_learns_his_own_id(serving: Serving) -> None:
    ins = builders.ins_of(7001)
    await serving.world.patient(ins)

    me = (await ask(serving.client(serving.person_token(ins)), ME))["me"]

    assert me["kind"] == "PERSON"
    assert me["rpps"] is None
    assert me["patientId"]


@pytest.mark.parametrize("path", ["/nowhere/graphql", "/NOWHERE/graphql", "/a%20b/graphql"])
@pytest.mark.parametrize("signed_in", [True, False])
async def test_an_unknown_network_is_unknown_alike_to_all(
    path: str, signed_in: bool, serving: Serving, doctor: httpx2.AsyncClient
) -> None:
    client = doctor if signed_in else serving.client()

    response = await client.post(path, json={"query": "{ me { name } }"})

    assert response.status_code == 404
    assert response.json() == {
        "errors": [{"message": InvalidInput("NETWORK_UNKNOWN").message, "extensions": {"code": "NETWORK_UNKNOWN"}}]
    }


async def test_no_token_is_401(stranger: httpx2.AsyncClient) -> None:
    response = await stranger.post(GRAPHQL, json={"query": "{ me { name } }"})

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer realm="passerelle"'
    assert _code(response) == "TOKEN_MISSING"
    assert "data" not in response.json()


async def test_an_unusable_token_is_401_with_its_code(serving: Serving) -> None:
    ins = builders.ins_of(7002)
    expired = serving.issuer.mint_person(
        oid=ins.oid, value=ins.value, family_name="A", given_name="B", valid_for=timedelta(hours=-1)
    )
    for token, code in ((expired, "TOKEN_EXPIRED"), ("abc", "TOKEN_MALFORMED"), (expired[:-4] + "AAAA", None)):
        response = await serving.client(token).post(GRAPHQL, json={"query": "{ me { name } }"})

        assert response.status_code == 401
        assert code in (None, _code(response))
        assert _code(response) in response.headers["www-authenticate"]


async def test_a_revoked_token_is_401_at_once(serving: Serving) -> None:
    _, token = await serving.professional()
    client = serving.client(token)
    assert (await client.post(GRAPHQL, json={"query": "{ me { name } }"})).status_code == 200

    await serving.revocations.revoke(denial_of(token)[0])
    response = await client.post(GRAPHQL, json={"query": "{ me { name } }"})

    assert (response.status_code, _code(response)) == (401, "TOKEN_REVOKED")
    assert 'error="invalid_token"' in response.headers["www-authenticate"]


async def test_two_authorizations_are_one_too_many(serving: Serving, doctor_token: str) -> None:
    headers = [("authorization", f"Bearer {doctor_token}"), ("authorization", f"Bearer {doctor_token}")]
    response = await serving.client().post(GRAPHQL, json={"query": "{ me { name } }"}, headers=headers)

    assert (response.status_code, _code(response)) == (401, "TOKEN_MALFORMED")


async def test_an_actor_whom_the_network_does_not_know_is_403_and_journalled(serving: Serving) -> None:
    _, token = await serving.professional(known=False)
    person = serving.person_token(Ins(NIR_TEST, builders.ins_of(7999).value))
    before = await _lines(serving)

    for client in (serving.client(token), serving.client(person)):
        response = await client.post(GRAPHQL, json={"query": "{ me { name } }"})
        assert (response.status_code, _code(response)) == (403, "ACTOR_UNKNOWN_HERE")

    after = await _lines(serving)
    assert after[len(before) :] == [("refused", "ACTOR_UNKNOWN_HERE", "actor-unknown-here")] * 2


@pytest.mark.parametrize(
    ("header", "value"),
    [("Passerelle-Purpose", "curiosity"), ("Passerelle-Mode", "magic"), ("Passerelle-Structure", "31'; drop")],
)
async def test_a_header_with_an_unknown_value_is_400(
    header: str, value: str, serving: Serving, doctor_token: str
) -> None:
    response = await serving.client(doctor_token, **{header: value}).post(GRAPHQL, json={"query": ME})

    assert (response.status_code, _code(response)) == (400, "HEADER_INVALID")
    assert header in response.json()["errors"][0]["message"]
    assert value not in response.text


async def test_the_headers_say_why_and_how(serving: Serving, doctor_token: str) -> None:
    client = serving.client(doctor_token, **{"Passerelle-Purpose": "coordination", "Passerelle-Mode": "break_glass"})

    me = (await ask(client, ME))["me"]

    assert (me["purpose"], me["mode"]) == ("COORDINATION", "BREAK_GLASS")


async def test_only_who_regulates_comes_in_as_centre_15(serving: Serving) -> None:
    _, ordinary = await serving.professional()
    _, regulator = await serving.professional(may_regulate=True)
    mode = {"Passerelle-Mode": "regulation_centre"}

    refused = await serving.client(ordinary, **mode).post(GRAPHQL, json={"query": ME})
    me = (await ask(serving.client(regulator, **mode), ME))["me"]

    assert (refused.status_code, _code(refused)) == (403, "MODE_NOT_YOURS")
    assert me["mode"] == "REGULATION_CENTRE"


async def test_a_structure_that_is_not_in_the_token_is_403(serving: Serving, doctor_token: str) -> None:
    client = serving.client(doctor_token, **{"Passerelle-Structure": "310000000"})

    response = await client.post(GRAPHQL, json={"query": ME})

    assert (response.status_code, _code(response)) == (403, "STRUCTURE_NOT_IN_TOKEN")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "ADDRESS_UNKNOWN"),
        ("POST", "/oncomip/280019900001234", 404, "ADDRESS_UNKNOWN"),
        ("GET", "/health/live/", 404, "ADDRESS_UNKNOWN"),
        ("DELETE", "/oncomip/documents/x/content/more", 404, "ADDRESS_UNKNOWN"),
        ("POST", "/health/live", 405, "METHOD_NOT_ALLOWED"),
        ("DELETE", "/oncomip/documents/x/content", 405, "METHOD_NOT_ALLOWED"),
        ("PUT", "/oncomip/documents/x/view", 405, "METHOD_NOT_ALLOWED"),
    ],
)
async def test_what_no_route_answers_is_a_problem_with_a_sentence(
    method: str, path: str, status: int, code: str, stranger: httpx2.AsyncClient
) -> None:
    response = await stranger.request(method, path)

    problem = response.json()
    assert (response.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["requestId"] == response.headers["passerelle-request-id"]
    assert response.headers.get("allow") == ("GET, HEAD" if status == 405 else None)
    assert problem["title"].endswith(".")
    assert "28001990" not in response.text


async def test_every_answer_carries_its_request_id_and_is_not_kept(
    doctor: httpx2.AsyncClient, stranger: httpx2.AsyncClient
) -> None:
    answers = [await client.post(GRAPHQL, json={"query": ME}) for client in (doctor, stranger)]

    assert len({each.headers["passerelle-request-id"] for each in answers}) == 2
    assert {each.headers["cache-control"] for each in answers} == {"private, no-store"}
