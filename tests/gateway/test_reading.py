"""Reading through the gateway: a dossier, its pages and filters, a document, the journal, the authorizations."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from passerelle.identities.ins import NIR_TEST
from passerelle_graphql.committed import committed
from passerelle_graphql.ids import Node, key_of, node_id
from tests import builders
from tests.gateway.records import Record, new_record, send
from tests.gateway.serving import GRAPHQL, Serving, ask


async def _journal(serving: Serving, patient_id: UUID) -> list[str]:
    async with serving.world.tenant.database.transaction() as connection:
        rows = await connection.execute(
            text("select kind, action, outcome from journal where patient_id = :p order by line_id"), {"p": patient_id}
        )
        return [f"{row.kind}.{row.action}.{row.outcome}" for row in rows]


def _at(day: int) -> str:
    return f"202610{day:02d}093000+0200"


async def test_a_doctor_opens_a_dossier_in_one_read(serving: Serving, record: Record) -> None:
    author = builders.professional(name="AUTEUR")
    await serving.world.publish(record.patient_id, builders.document(author=author, title="Ancien", at=_at(1)))
    await serving.world.publish(record.patient_id, builders.document(author=author, title="Récent", at=_at(20)))
    before = await _journal(serving, record.patient_id)

    dossier = await send(record.doctor, "OpenDossier", patientId=record.id)

    assert dossier["state"] == "OPEN"
    assert dossier["relations"] == ["AUTHORIZED"]
    assert dossier["patient"]["id"] == record.id
    nodes = [edge["node"] for edge in dossier["documents"]["edges"]]
    assert [node["title"] for node in nodes] == ["Récent", "Ancien"]
    assert nodes[0]["type"]["code"] == "11488-4"
    assert nodes[0]["type"]["label"]
    assert nodes[0]["class"]["code"]
    assert nodes[0]["authors"][0]["rpps"] == author.id
    assert nodes[0]["actAt"] == "2026-10-20T07:30:00.000Z"
    assert (await _journal(serving, record.patient_id))[len(before) :] == ["dossier.read.allowed"]


async def test_an_outsider_is_refused_by_code_alone_and_journalled(serving: Serving, record: Record) -> None:
    _, token = await serving.professional()
    before = await _journal(serving, record.patient_id)

    answer = await send(serving.client(token), "OpenDossier", patientId=record.id)

    assert answer["__typename"] == "Refusal"
    assert answer["code"] == "ACCESS_REFUSED"
    assert set(answer) == {"__typename", "code", "message", "howToGetAccess"}
    assert (await _journal(serving, record.patient_id))[len(before) :] == ["dossier.read.refused"]


async def test_whatever_a_record_is_an_outsider_reads_the_same(serving: Serving, record: Record) -> None:
    """Unknown, without a record, open, blocked, closed: five worlds, one answer."""
    actor, token = await serving.professional()
    outsider = serving.client(token)
    without = await new_record(serving, open_=False, authorized=False)
    blocked, closed = await new_record(serving), await new_record(serving)
    await send(blocked.patient, "BlockProfessional", patientId=blocked.id, rpps=actor.id)
    await send(closed.patient, "CloseDossier", patientId=closed.id)
    ids = [node_id(Node.PATIENT, uuid4()), without.id, record.id, blocked.id, closed.id]

    for operation in ("OpenDossier", "Journal", "Authorizations", "CountDocuments"):
        body = {"query": committed()[operation], "operationName": operation}
        answers = [await outsider.post(GRAPHQL, json=body | {"variables": {"patientId": each}}) for each in ids]

        assert len({each.content for each in answers}) == 1, (operation, [each.text for each in answers])
        assert next(iter(answers[0].json()["data"].values()))["__typename"] == "Refusal"


async def test_pages_follow_each_other(serving: Serving, record: Record) -> None:
    for day in range(1, 6):
        await serving.world.publish(record.patient_id, builders.document(title=f"n° {day}", at=_at(day)))

    seen: list[str] = []
    after = None
    for _ in range(3):
        page = (await send(record.doctor, "OpenDossier", patientId=record.id, first=2, after=after))["documents"]
        seen += [edge["node"]["title"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        assert page["pageInfo"]["hasNextPage"] == (len(seen) < 5)

    assert seen == ["n° 5", "n° 4", "n° 3", "n° 2", "n° 1"]


@pytest.mark.parametrize(
    ("kept", "titles"),
    [
        ({"types": ["34133-9"]}, ["Synthèse"]),
        ({"types": ["nothing"]}, []),
        ({"facilityTypes": ["SA01"]}, ["Synthèse"]),
        ({"structures": ["310783055"]}, ["Synthèse", "Consultation"]),
        ({"structures": ["310000000"]}, []),
        ({"since": "2026-10-10T00:00:00+02:00"}, ["Synthèse"]),
        ({"until": "2026-10-10T00:00:00+02:00"}, ["Consultation"]),
        ({"statuses": ["SUPERSEDED"]}, []),
        ({"wholeHistory": True}, ["Synthèse", "Consultation", "Ancien"]),
        ({}, ["Synthèse", "Consultation"]),
    ],
)
async def test_filters_keep_what_they_say(
    kept: dict[str, Any], titles: list[str], serving: Serving, record: Record
) -> None:
    author = builders.professional()
    world = serving.world
    await world.publish(record.patient_id, builders.document(title="Ancien", at="20200101"))
    await world.publish(record.patient_id, builders.document(author=author, title="Consultation", at=_at(2)))
    await world.publish(
        record.patient_id,
        builders.document(type_code="34133-9", title="Synthèse", at=_at(20), facility_type="SA01"),
    )

    dossier = await send(record.doctor, "OpenDossier", patientId=record.id, filter=kept)

    assert [edge["node"]["title"] for edge in dossier["documents"]["edges"]] == titles


async def test_the_total_counts_what_is_visible(serving: Serving, record: Record) -> None:
    for day in range(1, 4):
        await serving.world.publish(record.patient_id, builders.document(at=_at(day)))

    counted = await send(record.doctor, "CountDocuments", patientId=record.id)

    assert counted["documents"]["totalCount"] == 3
    assert counted["documents"]["since"] == "2024-11-16T09:00:00.000Z"


async def test_two_different_pages_of_one_dossier_are_two_reads(serving: Serving, record: Record) -> None:
    await serving.world.publish(record.patient_id, builders.document(title="A", at=_at(1)))
    await serving.world.publish(record.patient_id, builders.document(title="B", at=_at(2), type_code="34133-9"))
    before = await _journal(serving, record.patient_id)
    query = """query ($id: ID!, $types: [String!]) { dossier(patientId: $id) { ... on Dossier {
        all: documents(first: 10) { nodes { title } }
        same: documents(first: 10) { nodes { title } }
        some: documents(filter: {types: $types}) { totalCount nodes { title } } } } }"""

    dossier = (await ask(record.doctor, query, id=record.id, types=["34133-9"]))["dossier"]

    assert [each["title"] for each in dossier["all"]["nodes"]] == ["B", "A"]
    assert dossier["same"] == dossier["all"]
    assert dossier["some"] == {"totalCount": 1, "nodes": [{"title": "B"}]}
    assert len(await _journal(serving, record.patient_id)) - len(before) == 2


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"first": 0}, "PAGE_SIZE_INVALID"),
        ({"first": -1}, "PAGE_SIZE_INVALID"),
        ({"first": 101}, "PAGE_SIZE_INVALID"),
        ({"after": "not a cursor"}, "CURSOR_INVALID"),
    ],
)
async def test_what_cannot_be_a_page_is_said(variables: dict[str, Any], code: str, record: Record) -> None:
    answer = await send(record.doctor, "OpenDossier", patientId=record.id, **variables)

    assert (answer["__typename"], answer["code"]) == ("InvalidInput", code)


@pytest.mark.parametrize("given", ["", "x", "AAAA", "cGF0aWVudA", "é", "p" * 23])
async def test_what_is_no_id_is_said(given: str, record: Record) -> None:
    for operation, name in (("OpenDossier", "patientId"), ("OpenDocument", "id"), ("Journal", "patientId")):
        answer = await send(record.doctor, operation, **{name: given})

        assert (answer["__typename"], answer["code"]) == ("InvalidInput", "ID_INVALID")


async def test_a_document_shows_the_versions_of_its_chain(serving: Serving, record: Record) -> None:
    first = builders.document(title="v1", at=_at(3))
    await serving.world.publish(record.patient_id, first)
    second = builders.document(title="v2", at=_at(4), replaces=first.metadata.unique_id)
    document_id = await serving.world.publish(record.patient_id, second)

    opened = await send(record.doctor, "OpenDocument", id=node_id(Node.DOCUMENT, document_id))

    assert opened["document"]["title"] == "v2"
    assert opened["document"]["logicalId"] == str(document_id)
    assert opened["document"]["contentUrl"] == f"/oncomip/documents/{opened['document']['id']}/content"
    assert {(each["title"], each["status"]) for each in opened["versions"]} == {
        ("v2", "CURRENT"),
        ("v1", "SUPERSEDED"),
    }


async def test_a_document_out_of_reach_and_none_at_all_answer_alike(serving: Serving, record: Record) -> None:
    document_id = await serving.world.publish(record.patient_id, builders.document(at=_at(5)))
    _, token = await serving.professional()
    outsider = serving.client(token)

    def body(key: UUID) -> dict[str, Any]:
        return {
            "query": committed()["OpenDocument"],
            "operationName": "OpenDocument",
            "variables": {"id": node_id(Node.DOCUMENT, key)},
        }

    there = await outsider.post(GRAPHQL, json=body(document_id))
    absent = await outsider.post(GRAPHQL, json=body(uuid4()))

    assert there.content == absent.content
    assert there.json()["data"]["document"]["code"] == "DOCUMENT_UNKNOWN"


async def test_the_patient_reads_who_came(serving: Serving, record: Record) -> None:
    document_id = await serving.world.publish(record.patient_id, builders.document(at=_at(6)))
    _, token = await serving.professional()
    await send(serving.client(token), "OpenDossier", patientId=record.id)
    await send(record.doctor, "OpenDocument", id=node_id(Node.DOCUMENT, document_id))

    journal = await send(record.patient, "Journal", patientId=record.id, first=3)

    own, read, refused = [edge["node"] for edge in journal["edges"]]
    assert (own["kind"], own["action"], own["actor"]["kind"]) == ("journal", "read", "PERSON")
    assert own["actor"]["rpps"] is None
    assert (read["allowed"], read["actor"]["rpps"]) == (True, record.doctor_actor.id)
    assert key_of(Node.DOCUMENT, read["documentId"]) == document_id
    assert read["actor"]["profession"]["label"]
    assert (refused["allowed"], refused["code"]) == (False, "ACCESS_REFUSED")
    assert "L’auteur de la demande" in refused["reason"]
    assert "Vous " not in refused["reason"]
    assert journal["pageInfo"]["hasNextPage"]
    older = await send(record.patient, "Journal", patientId=record.id, after=journal["pageInfo"]["endCursor"])
    shown = {edge["node"]["id"] for edge in journal["edges"]} & {edge["node"]["id"] for edge in older["edges"]}
    assert shown == set()


async def test_the_journal_of_a_record_is_not_for_everyone(serving: Serving, record: Record) -> None:
    _, token = await serving.professional()

    answer = await send(serving.client(token), "Journal", patientId=record.id)

    assert answer["__typename"] == "Refusal"


async def test_the_patient_reads_whom_he_lets_in(record: Record) -> None:
    held = await send(record.patient, "Authorizations", patientId=record.id)

    (grant,) = held["relations"]
    assert (grant["relation"], grant["rpps"]) == ("AUTHORIZED", record.doctor_actor.id)
    assert held["teamConsents"] == held["blocks"] == []


async def test_a_patient_is_found_by_exact_ins_or_by_enough_traits(serving: Serving) -> None:
    ins = builders.ins_of(99123)
    patient_id, _ = await serving.world.patient(ins)
    _, token = await serving.professional()
    client = serving.client(token)

    by_ins = await send(client, "FindPatient", by={"ins": {"oid": ins.oid, "value": ins.value}})
    traits = {"familyName": by_ins["familyName"], "birthDate": by_ins["birthDate"], "givenNames": ["Alix"], "sex": "F"}
    by_traits = await send(client, "FindPatient", by={"traits": traits})
    nobody = await send(client, "FindPatient", by={"ins": {"oid": ins.oid, "value": builders.ins_of(99124).value}})
    few = await send(client, "FindPatient", by={"traits": {"familyName": "ESSAI", "birthDate": ""}})

    assert by_ins["id"] == by_traits["id"] == node_id(Node.PATIENT, patient_id)
    assert by_ins["ins"] == {"oid": ins.oid, "value": ins.value}
    assert (nobody["__typename"], nobody["code"]) == ("NotFound", "PATIENT_NOT_FOUND")
    assert (few["__typename"], few["code"]) == ("InvalidInput", "TRAITS_NOT_ENOUGH")


@pytest.mark.parametrize(
    ("value", "code", "journalled"),
    [
        ("", "INS_MALFORMED", []),
        ("28001990000123", "INS_MALFORMED", []),
        ("X80019900001234", "INS_MALFORMED", []),
        ("280019900001234567", "INS_MALFORMED", []),
        ("2800199000012", "PATIENT_NOT_FOUND", ["find"]),
    ],
)
async def test_what_is_no_ins_is_refused_before_it_is_looked_up(
    value: str, code: str, journalled: list[str], serving: Serving
) -> None:
    actor, token = await serving.professional()
    answer = await send(serving.client(token), "FindPatient", by={"ins": {"oid": NIR_TEST, "value": value}})

    async with serving.world.tenant.database.transaction() as connection:
        rows = await connection.execute(text("select action from journal where actor_id = :a"), {"a": actor.id})
        assert [row.action for row in rows] == journalled
    assert answer["code"] == code
    assert not value or value not in answer["message"]


async def test_a_citizen_who_looks_another_up_is_told_so_as_a_citizen(record: Record) -> None:
    known, unknown = [
        await send(record.patient, "FindPatient", by={"ins": {"oid": NIR_TEST, "value": value}})
        for value in (record.ins.value, builders.ins_of(98_001).value)
    ]

    assert known == unknown
    assert (known["__typename"], known["code"]) == ("Refusal", "ACCESS_REFUSED")
    assert "réservée aux professionnels" in known["message"]


async def test_nobody_can_browse(serving: Serving) -> None:
    _, token = await serving.professional()
    client = serving.client(token)
    by = {"ins": {"oid": NIR_TEST, "value": builders.ins_of(98000).value}}
    serving.world.clock.advance(timedelta(hours=2))
    answers = [(await send(client, "FindPatient", by=by))["__typename"] for _ in range(3)]
    limit = await _limit(serving)

    for _ in range(limit - 3):
        await send(client, "FindPatient", by=by)
    past = await send(client, "FindPatient", by=by)

    assert answers == ["NotFound"] * 3
    assert (past["__typename"], past["code"]) == ("TryLater", "PATIENT_LOOKUP_TOO_MANY")
    assert past["retryAfter"] > 0


async def _limit(serving: Serving) -> int:
    from passerelle_policies.packs import pack_on

    day = serving.world.clock.now().date()
    return int(pack_on(day).parameter("patient_lookup.per_hour", serving.world.tenant.parameters))
