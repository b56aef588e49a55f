"""Filing through the gateway: CDA, XDM and PDF, replaced, refused, set aside; the patient's own documents."""

from __future__ import annotations

import base64
import io
import zipfile
from typing import Any
from uuid import uuid4

import pytest
from pypdf import PdfWriter
from sqlalchemy import text

from passerelle_graphql.ids import Node, key_of
from tests.gateway.records import Record, new_record, send
from tests.gateway.serving import Serving
from tests.gateway.test_content import CDA


def encoded(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def pdf(pages: int = 1) -> bytes:
    writer, out = PdfWriter(), io.BytesIO()
    for _ in range(pages):
        writer.add_blank_page(200, 200)
    writer.add_metadata({"/Subject": uuid4().hex})
    writer.write(out)
    return out.getvalue()


def pdf_input(record: Record, **more: Any) -> dict[str, Any]:
    metadata = {
        "uniqueId": f"2.25.{uuid4().int}",
        "type": "11488-4",
        "title": "Consultation",
        "creationTime": "20261110093000+0100",
        "identityStatus": "QUALIFIED",
        "authors": [{"rpps": record.doctor_actor.id, "familyName": "ESSAI", "specialty": "G15_10/SM26"}],
        "patient": {
            "identifiers": [{"oid": record.ins.oid, "value": record.ins.value}],
            "familyName": f"ESSAI{record.ins.value[8:13]}",
            "givenNames": ["Alix"],
            "birthDate": "19800115",
            "sex": "F",
        },
    }
    return {"pdf": {"content": encoded(more.pop("content", None) or pdf()), "metadata": metadata | more}}


async def _count(serving: Serving, record: Record) -> int:
    async with serving.world.tenant.database.transaction() as connection:
        counted = await connection.execute(
            text("select count(*) from document where patient_id = :p"), {"p": record.patient_id}
        )
        return int(counted.scalar_one())


async def test_a_pdf_is_filed_and_read_back(record: Record) -> None:
    content = pdf(3)

    filed = await send(record.doctor, "PublishDocument", submission=pdf_input(record, content=content))

    assert filed["__typename"] == "Filed", filed
    (document,) = filed["documents"]
    assert (document["filing"], document["patientId"]) == ("STORED", record.id)
    opened = (await send(record.doctor, "OpenDocument", id=document["documentId"]))["document"]
    assert (opened["mimeType"], opened["viewUrl"]) == ("application/pdf", None)
    assert opened["authors"][0]["rpps"] == record.doctor_actor.id
    assert (await record.doctor.get(opened["contentUrl"])).content == content


async def test_filing_the_same_again_changes_nothing(serving: Serving, record: Record) -> None:
    submission = pdf_input(record)
    first = await send(record.doctor, "PublishDocument", submission=submission)
    before = await _count(serving, record)

    second = await send(record.doctor, "PublishDocument", submission=submission)

    assert second["documents"] == [first["documents"][0] | {"filing": "ALREADY_HERE"}]
    assert await _count(serving, record) == before


async def test_the_same_id_with_other_octets_is_for_a_person_to_settle(serving: Serving, record: Record) -> None:
    unique_id = f"2.25.{uuid4().int}"
    await send(record.doctor, "PublishDocument", submission=pdf_input(record, uniqueId=unique_id))
    before = await _count(serving, record)

    answer = await send(record.doctor, "PublishDocument", submission=pdf_input(record, uniqueId=unique_id))

    assert (answer["__typename"], answer["code"]) == ("Conflict", "UNIQUE_ID_REUSED")
    assert await _count(serving, record) == before


async def test_a_version_replaces_the_one_before(record: Record) -> None:
    first = await send(record.doctor, "PublishDocument", submission=pdf_input(record))
    document_id = first["documents"][0]["documentId"]

    second = await send(
        record.doctor, "ReplaceDocument", documentId=document_id, submission=pdf_input(record, title="Corrigée")
    )

    assert second["documents"][0]["filing"] == "REPLACED", second
    opened = await send(record.doctor, "OpenDocument", id=second["documents"][0]["documentId"])
    assert {(each["title"], each["status"]) for each in opened["versions"]} == {
        ("Corrigée", "CURRENT"),
        ("Consultation", "SUPERSEDED"),
    }
    elsewhere = pdf_input(record, replaces="1.2.3")
    answer = await send(record.doctor, "ReplaceDocument", documentId=document_id, submission=elsewhere)
    assert (answer["__typename"], answer["code"]) == ("InvalidInput", "REPLACES_NOTHING")


async def test_a_cda_is_filed_when_its_identity_is_good_enough(serving: Serving, record: Record) -> None:
    cda = CDA.format(number=uuid4().int).replace("280019900001234", record.ins.value).encode()

    unsaid = await send(record.doctor, "PublishDocument", submission={"cda": encoded(cda)})

    assert (unsaid["__typename"], unsaid["code"]) == ("Conflict", "IDENTITY_NOT_QUALIFIED")


@pytest.mark.parametrize(
    ("submission", "code"),
    [
        ({"cda": encoded(b"")}, "EMPTY_FILE"),
        ({"cda": encoded(b"not xml")}, "NOT_XML"),
        ({"cda": encoded(b'<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>')}, None),
        ({"cda": encoded(b"<a/>")}, "NOT_A_CLINICAL_DOCUMENT"),
        ({"xdm": encoded(b"PK not a zip")}, "ZIP_DAMAGED"),
        ({"xdm": encoded(b"")}, "EMPTY_FILE"),
    ],
)
async def test_what_cannot_be_read_is_refused_whole(
    submission: dict[str, str], code: str | None, serving: Serving, record: Record
) -> None:
    answer = await send(record.doctor, "PublishDocument", submission=submission)

    assert answer["__typename"] == "InvalidInput"
    assert answer["code"] == code or (code is None and answer["code"].startswith("XML_"))
    assert await _count(serving, record) == 0


async def test_a_zip_without_a_manifest_is_no_xdm(record: Record) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("readme.txt", "x")

    answer = await send(record.doctor, "PublishDocument", submission={"xdm": encoded(packed.getvalue())})

    assert (answer["__typename"], answer["code"]) == ("InvalidInput", "XDM_MANIFEST_MISSING")


async def test_a_type_outside_the_record_is_refused(serving: Serving, record: Record) -> None:
    for type_code in ("nothing", "00000-0"):
        answer = await send(record.doctor, "PublishDocument", submission=pdf_input(record, type=type_code))
        assert (answer["__typename"], answer["code"]) == ("InvalidInput", "TYPE_UNKNOWN")
    assert await _count(serving, record) == 0


async def test_a_patient_does_not_feed_as_a_professional(serving: Serving, record: Record) -> None:
    answer = await send(record.patient, "PublishDocument", submission=pdf_input(record))

    assert answer["__typename"] == "Refusal"
    assert await _count(serving, record) == 0


async def test_a_patient_adds_a_document_of_his_own(serving: Serving, record: Record) -> None:
    given = {"content": encoded(pdf()), "type": "EXPPAT_2", "title": "Mes notes", "serviceStart": "202611"}

    filed = await send(record.patient, "AddOwnDocument", patientId=record.id, document=given)

    assert filed["__typename"] == "Filed", filed
    opened = (await send(record.patient, "OpenDocument", id=filed["documents"][0]["documentId"]))["document"]
    assert (opened["byPatient"], opened["title"]) == (True, "Mes notes")
    assert opened["authors"][0]["kind"] == "patient"
    other = await new_record(serving)
    refused = await send(other.patient, "AddOwnDocument", patientId=record.id, document=given)
    assert refused["__typename"] == "Refusal"
    broken = await send(
        record.patient, "AddOwnDocument", patientId=record.id, document=given | {"content": encoded(b"hello")}
    )
    assert (broken["__typename"], broken["code"]) == ("InvalidInput", "NOT_PDF")


async def test_a_closed_record_takes_nothing(serving: Serving, record: Record) -> None:
    await send(record.patient, "CloseDossier", patientId=record.id)

    answer = await send(record.doctor, "PublishDocument", submission=pdf_input(record))

    assert answer["__typename"] in ("Conflict", "Refusal")
    assert await _count(serving, record) == 0
    assert key_of(Node.PATIENT, record.id) == record.patient_id
