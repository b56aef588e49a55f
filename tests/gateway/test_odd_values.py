"""Values at the edge of what PostgreSQL and Python can hold: a typed problem, never an unexpected failure."""

from __future__ import annotations

import base64

import pytest

from tests.gateway.records import Record, send
from tests.gateway.serving import GRAPHQL
from tests.gateway.test_feeding import pdf

EDGES = ("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z")


@pytest.mark.parametrize("instant", EDGES)
async def test_an_instant_that_utc_cannot_hold_is_refused(record: Record, instant: str) -> None:
    documents = "query($p: ID!, $f: DocumentFilter) { dossier(patientId: $p) { ... on Dossier"
    documents += " { documents(filter: $f) { since } } } }"
    grant = "mutation($p: ID!, $r: String!, $u: DateTime) { authorize(patientId: $p, rpps: $r, until: $u)"
    grant += " { __typename } }"
    for query, variables in (
        (documents, {"p": record.id, "f": {"since": instant}}),
        (grant, {"p": record.id, "r": record.doctor_actor.id, "u": instant}),
    ):
        answer = (await record.patient.post(GRAPHQL, json={"query": query, "variables": variables})).json()
        assert [each["extensions"]["code"] for each in answer["errors"]] == ["VARIABLE_INVALID"]
    assert (await send(record.patient, "Authorizations", patientId=record.id))["__typename"] == "Authorizations"


@pytest.mark.parametrize("line", [b"\xff" * 8, b"\x80" + b"\x00" * 7], ids=["largest", "first too large"])
async def test_a_cursor_beyond_every_line_is_no_cursor(record: Record, line: bytes) -> None:
    cursor = base64.urlsafe_b64encode(b"j" + line).decode().rstrip("=")

    answer = await send(record.patient, "Journal", patientId=record.id, after=cursor)

    assert answer["code"] == "CURSOR_INVALID"


@pytest.mark.parametrize("text", ["x" * 2_000_000, "\x01"], ids=["endless", "no text"])
async def test_no_text_without_end_is_kept(record: Record, text: str) -> None:
    """Else one title would weigh on every page of the record."""
    own = {"content": base64.b64encode(pdf()).decode(), "type": "EXPPAT_2", "title": "Mes notes"}
    for operation, given in (
        ("AddOwnDocument", {"document": own | {"title": text}}),
        ("AddOwnDocument", {"document": own | {"serviceStart": text}}),
        ("CloseDossier", {"reason": text}),
        ("Authorize", {"rpps": record.doctor_actor.id, "proof": text}),
    ):
        answer = await send(record.patient, operation, patientId=record.id, **given)
        assert (answer["__typename"], answer["code"][:6]) == ("InvalidInput", "VALUE_"), operation
    assert (await send(record.doctor, "CreateCareTeam", name=text))["__typename"] == "InvalidInput"
