"""Operations that are not sent whole: automatic, by the protocol of Apollo's clients, and registered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from passerelle.kernel.errors import InvalidInput
from passerelle_graphql.committed import committed
from passerelle_graphql.limits import Limits
from passerelle_graphql.persisted import Registered
from passerelle_graphql.preparation import Preparation
from passerelle_graphql.schema import schema
from tests.gateway.audit_rules import RESPONSE
from tests.gateway.serving import GRAPHQL, Serving, serving_over

ME = "query Who { me { name kind } }"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _persisted(digest: object, version: object = 1) -> dict[str, Any]:
    return {"persistedQuery": {"version": version, "sha256Hash": digest}}


def _code(response: httpx2.Response) -> str:
    code: str = response.json()["errors"][0]["extensions"]["code"]
    return code


async def test_what_was_sent_once_is_asked_by_its_hash(doctor: httpx2.AsyncClient) -> None:
    text = f"{ME} # sent once"
    by_hash = {"extensions": _persisted(_sha256(text))}

    unknown = await doctor.post(GRAPHQL, json=by_hash)
    sent = await doctor.post(GRAPHQL, json={**by_hash, "query": text})
    asked = await doctor.post(GRAPHQL, json=by_hash)
    by_get = await doctor.get(GRAPHQL, params={"extensions": json.dumps(by_hash["extensions"])})
    by_id = await doctor.post(GRAPHQL, json={"documentId": f"sha256:{_sha256(text)}"})

    assert (unknown.status_code, _code(unknown)) == (200, "PERSISTED_QUERY_NOT_FOUND")
    assert unknown.json()["errors"][0]["message"] == "PersistedQueryNotFound", "what clients look for"
    assert sent.json()["data"]["me"]["kind"] == "PROFESSIONAL"
    assert asked.json() == by_get.json() == by_id.json() == sent.json()


async def test_an_unknown_hash_is_400_to_who_speaks_the_newer_type(doctor: httpx2.AsyncClient) -> None:
    body = {"extensions": _persisted("0" * 64)}

    response = await doctor.post(GRAPHQL, json=body, headers={"accept": RESPONSE})

    assert (response.status_code, _code(response)) == (400, "PERSISTED_QUERY_NOT_FOUND")


async def test_a_hash_that_is_not_of_the_text_is_refused_and_kept_for_nobody(doctor: httpx2.AsyncClient) -> None:
    digest = _sha256(f"{ME} # another")

    wrong = await doctor.post(GRAPHQL, json={"query": ME, "extensions": _persisted(digest)})
    after = await doctor.post(GRAPHQL, json={"extensions": _persisted(digest)})

    assert (wrong.status_code, _code(wrong)) == (400, "PERSISTED_QUERY_MISMATCH")
    assert _code(after) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize(
    "body",
    [
        {"extensions": {"persistedQuery": "x"}},
        {"extensions": _persisted("0" * 64, 2)},
        {"extensions": _persisted("0" * 64, True)},
        {"extensions": _persisted("0" * 63)},
        {"extensions": _persisted(None)},
        {"documentId": 1},
        {"documentId": "sha256:xyz"},
        {"documentId": "OpenDossier", "extensions": _persisted("0" * 64)},
    ],
)
async def test_a_malformed_hash_is_400(body: dict[str, Any], doctor: httpx2.AsyncClient) -> None:
    response = await doctor.post(GRAPHQL, json=body)

    assert (response.status_code, _code(response)) == (400, "PARAMETER_MALFORMED")


async def test_what_may_designate_someone_is_found_by_its_hash_by_nobody(
    serving: Serving, doctor: httpx2.AsyncClient
) -> None:
    text = 'query { dossier(patientId: "someone") { __typename } }'
    by_hash = {"extensions": _persisted(_sha256(text))}
    _, token = await serving.professional()

    await doctor.post(GRAPHQL, json={**by_hash, "query": text})

    for client in (doctor, serving.client(token)):
        assert _code(await client.post(GRAPHQL, json=by_hash)) == "PERSISTED_QUERY_NOT_FOUND"


async def test_a_document_with_a_fault_is_not_kept(doctor: httpx2.AsyncClient) -> None:
    text = "query { nothing }"
    by_hash = {"extensions": _persisted(_sha256(text))}

    assert _code(await doctor.post(GRAPHQL, json={**by_hash, "query": text})) == "GRAPHQL_INVALID"
    assert _code(await doctor.post(GRAPHQL, json=by_hash)) == "PERSISTED_QUERY_NOT_FOUND"


async def test_a_committed_operation_is_known_by_hash_and_by_name(doctor: httpx2.AsyncClient) -> None:
    digest = _sha256(committed()["Me"])

    answers = [
        await doctor.post(GRAPHQL, json={"operationName": "Me", "extensions": _persisted(digest)}),
        await doctor.post(GRAPHQL, json={"operationName": "Me"}),
        await doctor.post(GRAPHQL, json={"documentId": "Me"}),
        await doctor.get(GRAPHQL, params={"documentId": "Me"}),
        await doctor.get(GRAPHQL, params={"operationName": "Me"}),
        await doctor.post(GRAPHQL, json={"operationName": "Me", "query": committed()["Me"]}),
    ]

    assert {each.status_code for each in answers} == {200}
    assert all(each.json() == answers[0].json() for each in answers)
    assert "data" in answers[0].json()


async def test_an_unknown_name_is_told_apart_from_an_unknown_id(doctor: httpx2.AsyncClient) -> None:
    by_name = await doctor.post(GRAPHQL, json={"operationName": "Nothing"})
    by_id = await doctor.post(GRAPHQL, json={"documentId": "Nothing"})

    assert (by_name.status_code, _code(by_name)) == (400, "QUERY_MISSING")
    assert (by_id.status_code, _code(by_id)) == (200, "OPERATION_NOT_REGISTERED")


async def test_what_a_get_may_not_ask_it_may_not_ask_by_name_either(doctor: httpx2.AsyncClient) -> None:
    for name, code in (("RegisterPatient", "MUTATION_OVER_GET"), ("FindPatient", "INS_OVER_GET")):
        assert name in committed()
        response = await doctor.get(GRAPHQL, params={"documentId": name, "operationName": name})
        assert (response.status_code, _code(response)) == (405, code)


@pytest.fixture(scope="module")
async def closed(serving: Serving, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Serving]:
    """A gateway that runs what is registered and nothing else; a folder adds one operation."""
    folder = tmp_path_factory.mktemp("closed")
    (folder / "operations").mkdir()
    (folder / "operations" / "ours.graphql").write_text("query Ours { me { rpps } }", "utf-8")
    registered = Registered.with_folder(folder / "operations")
    world = serving.world
    async with serving_over(
        world.tenant.database, serving.directory.database, folder, world.clock, registered=registered
    ) as closed:
        yield closed


async def test_where_it_must_be_registered_nothing_else_runs(closed: Serving) -> None:
    _, token = await closed.professional()
    client = closed.client(token)

    refused = [
        await client.post(GRAPHQL, json={"query": ME}),
        await client.post(GRAPHQL, json={"query": ME, "extensions": _persisted(_sha256(ME))}),
        await client.post(GRAPHQL, json={"query": f"{committed()['Me']} "}),
        await client.post(GRAPHQL, json={"operationName": "Who"}),
    ]
    runs = [
        await client.post(GRAPHQL, json={"query": committed()["Me"], "operationName": "Me"}),
        await client.post(GRAPHQL, json={"documentId": "Me"}),
        await client.post(GRAPHQL, json={"operationName": "Ours"}),
        await client.post(GRAPHQL, json={"query": "query Ours { me { rpps } }"}),
    ]

    assert {_code(each) for each in refused} == {"OPERATION_NOT_REGISTERED"}
    assert all("data" not in each.json() for each in refused)
    assert all("errors" not in each.json() for each in runs)
    assert _code(await client.post(GRAPHQL, json={"extensions": _persisted(_sha256(ME))})) in (
        "PERSISTED_QUERY_NOT_FOUND",
        "OPERATION_NOT_REGISTERED",
    )


@pytest.mark.parametrize(
    "text",
    [
        "query Me { me { name } }",  # a name that is taken
        "query A { me { name } } query A { me { kind } }",
        "{ me { name } }",
        "query Broken {",
        b"query A { me { name } } # \xff",
    ],
)
def test_a_folder_of_operations_must_be_clear(text: str | bytes, tmp_path: Path) -> None:
    (tmp_path / "x.graphql").write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(InvalidInput) as refused:
        Registered.with_folder(tmp_path)
    assert refused.value.code == "OPERATIONS_UNREADABLE"


def test_an_operation_that_the_schema_refuses_is_told_at_start(tmp_path: Path) -> None:
    (tmp_path / "x.graphql").write_text("query Wrong { nothing }", "utf-8")
    registered = Registered.with_folder(tmp_path)

    with pytest.raises(InvalidInput) as refused:
        Preparation(schema, Limits(), introspection=False, registered=registered).warm()
    assert refused.value.code == "OPERATIONS_UNREADABLE"
    Preparation(schema, Limits(), introspection=False).warm()
