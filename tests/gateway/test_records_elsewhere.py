"""A record at home in another network, and a content that another network keeps: asked over HTTP, decided there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import insert, literal, select, text, update

from passerelle.audit import journal
from passerelle.dossier import copies
from passerelle.dossier.tables import document
from passerelle.kernel.actors import Actor
from passerelle_graphql.ids import Node, node_id
from passerelle_policies.vocabulary import ActorKind
from passerelle_tenants.federation import answering, questions
from passerelle_tenants.tables import tenant as recorded
from tests import builders
from tests.gateway.records import Record, new_record
from tests.gateway.region import HOME, Region, region_of
from tests.gateway.serving import TENANT, Serving, ask

if TYPE_CHECKING:
    from tests.conftest import Template

QUERY = """query ($id: ID!, $first: Int, $after: String) {
  recordElsewhere(patientId: $id, first: $first, after: $after) {
    ... on RecordElsewhere {
      home totalCount pageInfo { hasNextPage endCursor } sources { network state asOf }
      documents { contentUrl document { id title keptBy masked } }
    }
    ... on Problem { code }
  }
}"""

_ASKED: dict[str, Any] = {"filter": {}, "first": None, "after": None, "with_total": False}


@pytest.fixture(scope="module")
async def region(
    serving: Serving, tenant_template: Template, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Region]:
    async for home in tenant_template.clone():
        async with region_of(serving, home.database, tmp_path_factory.mktemp("home")) as made:
            yield made


async def _elsewhere(client: httpx2.AsyncClient, record: Record, **more: Any) -> dict[str, Any]:
    return await _answered(client, record.id, **more)


async def _answered(client: httpx2.AsyncClient, patient: str, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await ask(client, QUERY, id=patient, **more))["recordElsewhere"]
    return answer


def _states(answer: dict[str, Any]) -> dict[str, str]:
    return {each["network"]: each["state"] for each in answer["sources"]}


async def test_a_doctor_of_here_reads_the_record_at_home_page_by_page(region: Region) -> None:
    record, patient_id = await region.visit()
    for day in (10, 11):
        await region.home.publish(patient_id, builders.document(title=f"Jour {day}", at=f"202611{day}093000+0100"))
    page = await _elsewhere(record.doctor, record, first=1)
    assert (page["home"], page["totalCount"], _states(page)) == (HOME, 2, {TENANT: "ANSWERED", HOME: "ANSWERED"})
    assert [each["document"]["title"] for each in page["documents"]] == ["Jour 11"]
    after = await _elsewhere(record.doctor, record, first=1, after=page["pageInfo"]["endCursor"])
    assert [(each["document"]["title"], each["document"]["keptBy"]) for each in after["documents"]] == [
        ("Jour 10", HOME)
    ]
    lines = await region.home.journal(await _person(region, patient_id), patient_id)
    assert any(line.actor_id == record.doctor_actor.id and line.action == "read" for line in lines)


async def _person(region: Region, patient_id: UUID) -> Actor:
    async with region.home.tenant.database.transaction() as connection:
        key = await connection.scalar(text("select person_key from patient where patient_id = :id"), {"id": patient_id})
    return Actor(kind=ActorKind.PERSON, id=key, name="Patiente Essai")


async def test_the_octets_come_from_home_whole_and_in_part(region: Region) -> None:
    record, patient_id = await region.visit()
    await region.home.publish(patient_id, builders.document(content=b"0123456789"))
    (shown,) = (await _elsewhere(record.doctor, record))["documents"]
    whole = await record.doctor.get(shown["contentUrl"])
    assert (whole.status_code, whole.content) == (200, b"0123456789")
    part = await record.doctor.get(shown["contentUrl"], headers={"range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"234")


async def test_home_refuses_whom_it_does_not_let_in_and_the_manifest_says_so(region: Region) -> None:
    record, patient_id = await region.visit(authorized=False)
    document_id = await region.home.publish(patient_id, builders.document())
    answer = await _elsewhere(record.doctor, record)
    assert (answer["documents"], _states(answer)) == ([], {TENANT: "ANSWERED", HOME: "REFUSED"})
    response = await record.doctor.get(f"/{TENANT}/elsewhere/{HOME}/documents/{node_id(Node.DOCUMENT, document_id)}")
    assert (response.status_code, response.json()["code"]) == (404, "DOCUMENT_UNKNOWN")


async def test_a_network_that_does_not_answer_is_said_and_asked_again_goes_on_from_there(region: Region) -> None:
    record, patient_id = await region.visit()
    for day in (10, 11):
        await region.home.publish(patient_id, builders.document(title=f"Jour {day}", at=f"202611{day}093000+0100"))
    cursor = (await _elsewhere(record.doctor, record, first=1))["pageInfo"]["endCursor"]
    url, region.url = region.url, "http://127.0.0.1:9"
    try:
        answer = await _elsewhere(record.doctor, record, first=1, after=cursor)
        assert (answer["documents"], _states(answer)) == ([], {TENANT: "ANSWERED", HOME: "TIMED_OUT"})
    finally:
        region.url = url
    again = await _elsewhere(record.doctor, record, first=1, after=cursor)
    assert ([each["document"]["title"] for each in again["documents"]], _states(again)[HOME]) == (
        ["Jour 10"],
        "ANSWERED",
    )


async def test_what_is_masked_at_home_is_out_of_sight_from_here(region: Region) -> None:
    record, patient_id = await region.visit()
    before = await _elsewhere(record.doctor, record)
    masked = await region.home.publish(patient_id, builders.document(masked=True))
    after = await _elsewhere(record.doctor, record)
    assert {**after, "sources": []} == {**before, "sources": []}
    response = await record.doctor.get(f"/{TENANT}/elsewhere/{HOME}/documents/{node_id(Node.DOCUMENT, masked)}")
    assert response.status_code == 404


async def test_the_patient_asks_under_his_own_ins(region: Region) -> None:
    record, patient_id = await region.visit()
    await region.home.publish(patient_id, builders.document(title="À lui"))
    answer = await _elsewhere(record.patient, record)
    assert [each["document"]["title"] for each in answer["documents"]] == ["À lui"]


async def test_who_is_not_let_in_here_is_not_told_of_a_home(region: Region) -> None:
    """Closed to him here, whatever home would say: the words of a patient whom nobody knows, and a line here."""
    record, patient_id = await region.visit()
    stranger, token = await region.serving.professional()
    await region.home.authorize(patient_id, await _person(region, patient_id), stranger)
    client = region.serving.client(token)
    told = await _elsewhere(client, record)
    assert told == await _answered(client, node_id(Node.PATIENT, uuid4())) == {"code": "ACCESS_REFUSED"}
    async with region.tenants[TENANT].database.transaction() as connection:
        refused = "select patient_id from journal where actor_id = :who and outcome = 'refused' order by line_id"
        lines = list(await connection.scalars(text(refused), {"who": stranger.id}))
    assert (lines[0], len(lines)) == (record.patient_id, 2)
    at_home = await region.home.journal(await _person(region, patient_id), patient_id)
    assert not any(line.actor_id == stranger.id for line in at_home)


@pytest.mark.parametrize("question", [b"", b"rien", b"e30.e30.e30.e30.e30"])
async def test_who_is_no_network_is_told_nothing(region: Region, question: bytes) -> None:
    response = await region.serving.client().post(f"/{HOME}/federation/questions", content=question)
    assert (response.status_code, response.content) == (401, b"")


async def test_nobody_is_told_whether_home_knows_a_patient(region: Region) -> None:
    """Unknown there or closed to the actor: the same words, and a line of the journal."""
    known, patient_id = await region.visit(authorized=False)
    unknown = await new_record(region.serving)
    here = region.serving.world.context(known.doctor_actor)
    answers = []
    for ins in (known.ins, unknown.ins):
        said = {"patient": {"oid": ins.oid, "value": ins.value}, **_ASKED}
        asking = region.office(region.tenants[TENANT])
        question = await questions.asked(asking, HOME, here, questions.RECORD, said)
        answer = await answering.answer(region.office(region.home.tenant), question)
        answers.append(await questions.read_answer(asking, HOME, answer.envelope))
    assert answers[0] == answers[1]
    async with region.home.tenant.database.transaction() as connection:
        refused = "select patient_id from journal where actor_id = :who and outcome = 'refused' order by line_id"
        lines = await connection.scalars(text(refused), {"who": known.doctor_actor.id})
        assert list(lines) == [patient_id, journal.NOBODY]


async def test_without_a_way_there_nobody_is_asked_and_every_network_is_listed(region: Region) -> None:
    record, patient_id = await region.visit()
    document_id = await region.home.publish(patient_id, builders.document())
    new = {"tenant_id": "bourgogne", "name": "e-Santé Bourgogne", "is_test": True, "settings": {}}
    async with region.serving.directory.database.transaction() as connection:
        await connection.execute(insert(recorded).values(created_at=region.serving.gateway.clock.now(), **new))
    url, region.url = region.url, None
    try:
        answer = await _elsewhere(record.doctor, record)
        assert answer["documents"] == []
        assert _states(answer) == {TENANT: "ANSWERED", HOME: "NOT_ASKED", "bourgogne": "NOT_ASKED"}
        away = await record.doctor.get(f"/{TENANT}/elsewhere/{HOME}/documents/{node_id(Node.DOCUMENT, document_id)}")
        assert (away.status_code, away.json()["code"]) == (503, "NETWORK_AWAY")
    finally:
        region.url = url
    assert _states(await _elsewhere(record.doctor, record))["bourgogne"] == "NOT_ASKED"


async def test_a_content_kept_elsewhere_is_fetched_once_and_forgotten_once_masked(region: Region) -> None:
    """At the patient's home, where the index shows what the network that he visits keeps."""
    record, at_home = await region.visit()
    octets = b"gardes ailleurs"
    kept = await region.serving.world.publish(record.patient_id, builders.document(content=octets))
    shown = await region.home.publish(at_home, builders.document(content=octets))
    changed = {"document_id": kept, "entry_uuid": uuid4(), "unique_id": str(uuid4()), "origin": TENANT}
    changed |= {"content_name": "", "chain_id": kept}
    columns = [each for each in document.c if each.computed is None]
    copied = [literal(changed[each.name], each.type) if each.name in changed else each for each in columns]
    async with region.home.tenant.database.transaction() as connection:
        await connection.execute(
            insert(document).from_select(
                [each.name for each in columns], select(*copied).where(document.c.document_id == shown)
            )
        )
    address, url = f"/{HOME}/documents/{node_id(Node.DOCUMENT, kept)}/content", region.url
    assert (await record.patient.get(address)).content == octets
    region.url = "http://127.0.0.1:9"
    try:
        assert (await record.patient.get(address)).content == octets
        assert (await record.patient.get(address, headers={"range": "bytes=0-5"})).content == octets[:6]
        async with region.home.tenant.database.transaction() as connection:
            await connection.execute(update(document).where(document.c.document_id == kept).values(masked=True))
        away = await record.patient.get(address)
        assert (away.status_code, away.json()["code"]) == (503, "NETWORK_AWAY")
        held = [name async for name in region.home.tenant.contents.names()]
        assert await copies.drop_ended(region.home.tenant, region.home.clock.now()) == 1
        assert len([name async for name in region.home.tenant.contents.names()]) == len(held) - 1
    finally:
        region.url = url
    assert (await record.patient.get(address)).content == octets
