"""A dispensation filed as a document through the front door: recorded, shown in the history, filed in the record."""

from __future__ import annotations

import base64

from passerelle.identities.directory import Establishment
from passerelle_graphql.ids import Node, node_id
from tests import builders
from tests.gateway.at_work import someone
from tests.gateway.records import send
from tests.gateway.serving import TENANT, Serving
from tests.pharmacy.documents.papers import BOX, dispensation
from tests.pharmacy.documents.test_prescriptions import prescription
from tests.pharmacy.lines import opened

PLACE, ELSEWHERE = "310790021", "310790022"


async def test_it_is_recorded_once_by_its_pharmacy_and_filed(serving: Serving) -> None:
    await serving.directory.register_establishments(
        [
            Establishment(finess=each, name="Essai", basin="essai", tenant_id=TENANT, category="SA33")
            for each in (PLACE, ELSEWHERE)
        ]
    )
    ins = builders.ins_of(41_500)
    patient_id, _ = await serving.world.patient(ins)
    async with serving.world.tenant.database.transaction() as connection:
        await opened(connection, patient_id)
    pharmacist = (await someone(serving, builders.PHARMACIST, PLACE))[1]
    other = (await someone(serving, builders.PHARMACIST, ELSEWHERE))[1]
    cda = base64.b64encode(dispensation(ins, PLACE)).decode()

    told = await send(pharmacist, "RecordDispensationDocument", cda=cda, files=True)
    assert told.pop("documentId")
    assert told.pop("dispensationId")
    # No list of medicines is loaded here: nothing is known, and nothing is lost.
    assert told == {
        "__typename": "DispensationFromDocument",
        "patientId": node_id(Node.PATIENT, patient_id),
        "version": 1,
        "alreadyKnown": False,
        "superseded": False,
        "products": [
            {"label": label, "known": "UNKNOWN", "cis": None, "code": code, "productClass": "MEDICINE"}
            for label, code in (("PARACETAMOL 500 mg, comprimé", f"CIP {BOX}"), ("Préparation magistrale", None))
        ],
    }
    assert (await send(pharmacist, "RecordDispensationDocument", cda=cda))["alreadyKnown"] is True
    patient = serving.client(serving.person_token(ins))
    for client, code in ((other, "DISPENSATION_OF_ANOTHER_PHARMACY"), (patient, "PLACE_MISSING")):
        assert (await send(client, "RecordDispensationDocument", cda=cda))["code"] == code
    nothing = base64.b64encode(b"<html/>").decode()
    refused = await send(pharmacist, "RecordDispensationDocument", cda=nothing)
    assert (refused["__typename"], refused["code"]) == ("InvalidInput", "NOT_A_CLINICAL_DOCUMENT")


async def test_a_prescription_is_read_with_its_products_named_unknown_and_filed(serving: Serving) -> None:
    at = Establishment(finess="310790023", name="Essai", basin="essai", tenant_id=TENANT, category="SA33")
    await serving.directory.register_establishments([at])
    ins = builders.ins_of(41_501)
    await serving.world.patient(ins)
    pharmacist = (await someone(serving, builders.PHARMACIST, at.finess))[1]
    cda = base64.b64encode(prescription(ins)).decode()

    told = await send(pharmacist, "ReadPrescriptionDocument", cda=cda)
    assert (told["__typename"], told["prescribedOn"], told["documentId"]) == (
        "PrescriptionFromDocument", "2026-11-12", None,
    )  # fmt: skip
    assert [(each["product"]["known"], each["product"]["productClass"]) for each in told["products"]] == [
        ("UNKNOWN", "MEDICINE"), ("UNKNOWN", "MEDICINE"), ("UNKNOWN", "DEVICE"),
    ]  # fmt: skip
    first = told["products"][0]
    assert first["product"]["code"] == f"CIP {BOX}"
    assert (first["quantity"], first["days"], first["renewals"], first["substitution"]) == (2.0, 5, 1, "N")

    filed = await send(pharmacist, "ReadPrescriptionDocument", cda=cda, files=True)
    assert filed["documentId"]
    assert (await send(pharmacist, "ReadPrescriptionDocument", cda=cda, files=True))["documentId"] == filed[
        "documentId"
    ]
    other = base64.b64encode(dispensation(ins, at.finess)).decode()
    assert (await send(pharmacist, "ReadPrescriptionDocument", cda=other))["code"] == "NOT_A_PRESCRIPTION"
