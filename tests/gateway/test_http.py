"""What the endpoint takes and refuses beyond the audit suite: methods, media types, bodies, errors."""

from __future__ import annotations

import contextlib
import json
import re
from uuid import uuid4

import httpx2
import pytest
from graphql import GraphQLInputType, is_input_type, validate_input_value
from hypothesis import given
from hypothesis import strategies as st

from passerelle.kernel.errors import InvalidInput
from passerelle_graphql import requests
from passerelle_graphql.ids import Node, node_id
from passerelle_graphql.limits import Limits
from passerelle_graphql.negotiation import MediaType, answer_type
from passerelle_graphql.schema import schema
from passerelle_graphql.variables import misfits
from tests.gateway.audit_rules import JSON, RESPONSE
from tests.gateway.serving import GRAPHQL, Serving, serving_over

GIVEN_NAME = "by.traits.givenNames[1]"
SECRET = "280019900001234 ESSAI"


def _code(response: httpx2.Response) -> str:
    code: str = response.json()["errors"][0]["extensions"]["code"]
    return code


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, MediaType.JSON),
        ("", MediaType.JSON),
        ("*/*", MediaType.JSON),
        ("application/*", MediaType.JSON),
        (RESPONSE, MediaType.RESPONSE),
        (f"{RESPONSE}, {JSON};q=0.9", MediaType.RESPONSE),
        (f"{JSON};q=0.9, {RESPONSE};q=0.5", MediaType.JSON),
        (f"{RESPONSE};charset=utf-8", MediaType.RESPONSE),
        (f"{JSON};q=0, */*", MediaType.RESPONSE),
        ("APPLICATION/JSON", MediaType.JSON),
        ("text/html, */*;q=0.1", MediaType.JSON),
        ("text/html", None),
        (f"{JSON};charset=iso-8859-1", None),
        (f"{JSON};q=2", None),
        (f"{JSON};q=0", None),
    ],
)
def test_the_media_type_that_an_accept_asks_for(accept: str | None, expected: MediaType | None) -> None:
    assert answer_type(accept) is expected


@given(st.text())
def test_no_accept_breaks_the_negotiation(accept: str) -> None:
    assert answer_type(accept) in (None, *MediaType)


async def test_what_nobody_can_answer_is_406(doctor: httpx2.AsyncClient) -> None:
    response = await doctor.post(GRAPHQL, json={"query": "{ __typename }"}, headers={"accept": "text/html"})

    assert (response.status_code, _code(response)) == (406, "NOT_ACCEPTABLE")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
async def test_any_other_method_is_405(method: str, doctor: httpx2.AsyncClient) -> None:
    response = await doctor.request(method, GRAPHQL)

    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"


async def test_a_mutation_over_get_is_405_and_does_nothing(doctor: httpx2.AsyncClient) -> None:
    query = 'mutation { createCareTeam(name: "x") { __typename } }'
    response = await doctor.get(GRAPHQL, params={"query": query})

    assert (response.status_code, _code(response)) == (405, "MUTATION_OVER_GET")
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize("content_type", ["text/plain", "application/json; charset=latin-1", "multipart/form-data"])
async def test_a_body_that_is_not_json_in_utf8_is_415(content_type: str, doctor: httpx2.AsyncClient) -> None:
    response = await doctor.post(GRAPHQL, content=b'{"query":"{ __typename }"}', headers={"content-type": content_type})

    assert (response.status_code, _code(response)) == (415, "CONTENT_TYPE_UNSUPPORTED")


async def test_a_packed_body_is_415(doctor: httpx2.AsyncClient) -> None:
    headers = {"content-type": JSON, "content-encoding": "gzip"}
    response = await doctor.post(GRAPHQL, content=b"\x1f\x8b", headers=headers)

    assert (response.status_code, _code(response)) == (415, "CONTENT_ENCODING_UNSUPPORTED")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "BODY_NOT_JSON"),
        (b"\xff\xfe", "BODY_NOT_UTF8"),
        ('{"query": "{ __typename }"}'.encode("utf-16"), "BODY_NOT_UTF8"),
        (b"[]", "BATCHING_REFUSED"),
        (b'[{"query":"{ __typename }"},{"query":"{ __typename }"}]', "BATCHING_REFUSED"),
        (b'"text"', "BODY_NOT_AN_OBJECT"),
        (b'{"query": "{ __typename }", "variables": {"a": NaN}}', "BODY_NOT_JSON"),
        (b'{"query": "  "}', "QUERY_MISSING"),
        (b'{"query": "{ __typename }", "variables": {"a": ["\\u0000"]}}', "TEXT_INVALID"),
        (b'{"query": "{ __typename }", "variables": {"\\ud800": 1}}', "TEXT_INVALID"),
        (b'{"query": "{ \\ud83d }"}', "TEXT_INVALID"),
        (b"[" * 100_000, "BODY_NOT_JSON"),
        (b'{"query": "{ __typename }", "variables": {"n": ' + b"9" * 5000 + b"}}", "BODY_NOT_JSON"),
    ],
)
async def test_a_body_that_is_no_request_is_400(body: bytes, code: str, doctor: httpx2.AsyncClient) -> None:
    response = await doctor.post(GRAPHQL, content=body, headers={"content-type": JSON})

    assert (response.status_code, _code(response)) == (400, code)


@pytest.mark.parametrize(
    ("query_string", "code"),
    [
        ("", "QUERY_MISSING"),
        ("query=%7B__typename%7D&query=%7B__typename%7D", "PARAMETER_TWICE"),
        ("query=%7B__typename%7D&variables=%7B", "PARAMETER_NOT_JSON"),
        ("query=%7B__typename%7D&variables=[]", "PARAMETER_MALFORMED"),
        ("query=%FF", "URL_NOT_UTF8"),
    ],
)
async def test_an_address_that_is_no_request_is_400(query_string: str, code: str, doctor: httpx2.AsyncClient) -> None:
    response = await doctor.get(f"{GRAPHQL}?{query_string}")

    assert (response.status_code, _code(response)) == (400, code)


async def test_empty_parameters_of_an_address_are_absent(doctor: httpx2.AsyncClient) -> None:
    response = await doctor.get(
        GRAPHQL, params={"query": "{ __typename }", "variables": "", "operationName": "", "extensions": ""}
    )

    assert response.json() == {"data": {"__typename": "Query"}}


@given(st.binary())
def test_no_body_breaks_the_reader(body: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        requests.from_body(body)


@given(st.binary())
def test_no_address_breaks_the_reader(query_string: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        requests.from_url(query_string)


async def test_the_operation_must_be_named_when_there_are_several(doctor: httpx2.AsyncClient) -> None:
    query = "query A { __typename } query B { me { name } }"

    for name, code in ((None, "OPERATION_NAME_MISSING"), ("C", "OPERATION_UNKNOWN")):
        body = {"query": query, "operationName": name}
        response = await doctor.post(GRAPHQL, json=body, headers={"accept": RESPONSE})
        assert (response.status_code, _code(response)) == (400, code)
    chosen = await doctor.post(GRAPHQL, json={"query": query, "operationName": "A"})
    assert chosen.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("escape", [r"\u0000", r"\u{0}"])
async def test_a_literal_that_no_database_stores_is_refused(escape: str, doctor: httpx2.AsyncClient) -> None:
    query = f'mutation {{ createCareTeam(name: "{escape}") {{ __typename }} }}'

    response = await doctor.post(GRAPHQL, json={"query": query}, headers={"accept": RESPONSE})

    assert (response.status_code, _code(response)) == (400, "TEXT_INVALID")


async def test_a_request_that_takes_too_long_is_503(serving: Serving, tmp_path_factory: pytest.TempPathFactory) -> None:
    world = serving.world
    folder = tmp_path_factory.mktemp("slow")
    limits = Limits(seconds=0)
    async with serving_over(
        world.tenant.database, serving.directory.database, folder, world.clock, limits=limits
    ) as slow:
        _, token = await slow.professional()
        query = "query ($id: ID!) { dossier(patientId: $id) { __typename } }"
        body = {"query": query, "variables": {"id": node_id(Node.PATIENT, uuid4())}}
        response = await slow.client(token).post(GRAPHQL, json=body)

    assert (response.status_code, _code(response)) == (503, "OPERATION_TOO_SLOW")
    assert response.headers["retry-after"]
    assert (await serving.client().get("/health/live")).status_code == 200


async def test_a_variable_that_does_not_fit_is_never_echoed(doctor: httpx2.AsyncClient) -> None:
    query = "query Q($by: PatientLookup!) { patient(by: $by) { __typename } }"
    secret = SECRET
    for by, place in (
        ({"ins": {"oid": "1.2", "value": [secret]}}, "by.ins.value"),
        ({"ins": secret}, "by.ins"),
        ({"traits": {"familyName": secret}}, "by.traits.birthDate"),
        ({"traits": {"familyName": secret, "birthDate": "19800101", "givenNames": ["A", [secret]]}}, GIVEN_NAME),
        ({"ins": {"oid": "1.2", "value": "1", secret: 1}}, "by.ins"),
        ({secret: 1}, "by"),
        ({"ins": None}, "by"),
        ({}, "by"),
        (secret, "by"),
        (None, "by"),
    ):
        response = await doctor.post(GRAPHQL, json={"query": query, "variables": {"by": by}})

        assert _code(response) == "VARIABLE_INVALID"
        assert secret not in response.text
        assert f"« {place} »" in response.json()["errors"][0]["message"]
        assert "data" not in response.json()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.just(SECRET),
        lambda inside: (
            st.lists(inside, max_size=3)
            | st.dictionaries(
                st.sampled_from(["identifiers", "traits", "oid", "value", "birthDate", "givenNames", "sex", SECRET]),
                inside,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_a_place_in_a_variable_is_made_of_names_of_the_schema(value: object) -> None:
    declared = schema._schema.type_map["RegisterPatientInput"]
    assert is_input_type(declared)
    for place in misfits(value, declared, "input"):
        assert SECRET not in place
        assert re.fullmatch(r"input(\.[a-z][A-Za-z]*|\[\d+\])*", place)
    assert bool(misfits(value, declared, "input")) is _is_refused(value, declared)


def _is_refused(value: object, type_: GraphQLInputType) -> bool:
    told: list[object] = []
    validate_input_value(value, type_, lambda *fault: told.append(fault))
    return bool(told)


async def test_an_unexpected_failure_says_nothing_but_its_number(
    serving: Serving, doctor: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def explode(_: str) -> None:
        raise RuntimeError("row of Alix ESSAI, 280019900001234")

    monkeypatch.setattr("passerelle_graphql.schema.me.nomenclatures.profession", explode)

    response = await doctor.post(GRAPHQL, json={"query": "{ me { name } }"})

    (error,) = response.json()["errors"]
    request_id = response.headers["passerelle-request-id"]
    assert error["extensions"] == {"code": "INTERNAL", "requestId": request_id}
    assert request_id in error["message"]
    logged = capsys.readouterr()
    assert "ESSAI" not in response.text + logged.out + logged.err
    assert "28001990" not in response.text + logged.out + logged.err
    assert request_id in logged.out + logged.err


async def test_production_does_not_show_its_schema(
    serving: Serving, doctor_token: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    world = serving.world
    folder = tmp_path_factory.mktemp("production")
    async with serving_over(
        world.tenant.database, serving.directory.database, folder, world.clock, introspection=False
    ) as production:
        _, token = await production.professional()
        client = production.client(token)
        for query in ("{ __schema { types { name } } }", '{ __type(name: "Query") { name } }'):
            response = await client.post(GRAPHQL, json={"query": query}, headers={"accept": RESPONSE})
            assert (response.status_code, _code(response)) == (400, "GRAPHQL_INVALID")
        misspelt = await client.post(GRAPHQL, json={"query": "{ mee { name } }"})
        assert "Did you mean" not in misspelt.text
        typename = await client.post(GRAPHQL, json={"query": "{ __typename }"})
        assert typename.json() == {"data": {"__typename": "Query"}}
    assert json.dumps(misspelt.json()).count("suggest") == 0
