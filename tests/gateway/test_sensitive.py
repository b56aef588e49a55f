"""Nothing that designates a person stands in a URL."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from graphql import GraphQLInputObjectType
from hypothesis import given
from hypothesis import strategies as st

from passerelle_graphql.committed import committed
from passerelle_graphql.schema import schema
from passerelle_graphql.sensitive import looks_like_matricule
from tests import builders
from tests.gateway.audit_rules import RESPONSE
from tests.gateway.serving import GRAPHQL

INS = builders.ins_of(1234)


def _code(response: httpx2.Response) -> str | None:
    errors = response.json().get("errors")
    return errors[0]["extensions"]["code"] if errors else None


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (committed()["FindPatient"], {"by": {"ins": {"oid": INS.oid, "value": INS.value}}}),
        (committed()["FindPatient"], {"by": {"traits": {"familyName": "ESSAI", "birthDate": "19800115"}}}),
        ('{ patient(by: {ins: {oid: "1.2", value: "x"}}) { __typename } }', {}),
        ('{ ...F } fragment F on Query { patient(by: {ins: {oid: "1", value: "x"}}) { __typename } }', {}),
        ('query ($v: String!) { patient(by: {ins: {oid: "1", value: $v}}) { __typename } }', {"v": "x"}),
        (f'{{ document(id: "{INS.value}") {{ __typename }} }}', {}),
        ("{ __typename }", {"unused": INS.value}),
        ("{ __typename }", {INS.value: 1}),
        ("{ __typename }", {"deep": [{"er": int(INS.value)}]}),
        (f"# {INS.value}\n{{ __typename }}", {}),
    ],
)
async def test_what_designates_a_person_is_refused_over_get(
    query: str, variables: dict[str, Any], doctor: httpx2.AsyncClient
) -> None:
    params = {"query": query, "variables": json.dumps(variables)}
    response = await doctor.get(GRAPHQL, params=params, headers={"accept": RESPONSE})

    assert (response.status_code, _code(response)) == (405, "INS_OVER_GET")
    assert response.headers["allow"] == "POST"
    assert INS.value not in response.text


async def test_the_same_goes_by_post(doctor: httpx2.AsyncClient) -> None:
    body = {
        "query": committed()["FindPatient"],
        "variables": {"by": {"ins": {"oid": INS.oid, "value": INS.value}}},
    }
    response = await doctor.post(GRAPHQL, json=body)

    assert response.json()["data"]["patient"]["code"] == "PATIENT_NOT_FOUND"


@pytest.mark.parametrize("name", ["Me", "OpenDossier", "OpenDocument", "Journal", "Authorizations"])
async def test_what_needs_only_ids_goes_by_get(name: str, doctor: httpx2.AsyncClient) -> None:
    variables = {} if name == "Me" else {"id" if name == "OpenDocument" else "patientId": "cAAAA"}
    params = {"query": committed()[name], "operationName": name, "variables": json.dumps(variables)}
    response = await doctor.get(GRAPHQL, params=params)

    assert (response.status_code, _code(response)) == (200, None)


@given(st.integers(0, 99), st.integers(1, 12), st.sampled_from(["31", "2A", "2b", "97"]), st.integers(0, 999_999))
def test_every_matricule_is_recognised_with_or_without_key_and_spaces(
    year: int, month: int, department: str, rest: int
) -> None:
    number = f"2{year:02d}{month:02d}{department}{rest:06d}"
    spaced = f"2 {year:02d} {month:02d} {department} {rest // 1000:03d} {rest % 1000:03d} 12"
    for written in (number, f"{number}42", spaced, f"ins={number};", f'"{number}"'):
        assert looks_like_matricule(written), written


@pytest.mark.parametrize("text", ["2026-11-16T09:00:00.000Z", "99900123456", "310783055", "1.2.250.1.213.1.4.10", ""])
def test_dates_and_professional_numbers_are_no_matricule(text: str) -> None:
    assert not looks_like_matricule(text)


def test_every_input_that_carries_an_ins_is_marked() -> None:
    """A new argument or field named like one must be marked, or this test tells."""
    telling = {"value", "familyName", "usedName", "givenNames", "birthDate", "birthPlace", "representative"}
    marks = {
        f"{type_.name}.{name}": [type(each).__name__ for each in field.extensions["strawberry-definition"].directives]
        for type_ in schema._schema.type_map.values()
        if isinstance(type_, GraphQLInputObjectType) and type_.name not in {"AuthorInput", "SheetAnswerInput"}
        for name, field in type_.fields.items()
        if name in telling
    }
    assert {"InsInput.value", "TraitsInput.familyName"} <= marks.keys()
    assert not [name for name, marked in marks.items() if marked != ["Identifying"]]
