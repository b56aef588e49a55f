"""`recordExport` and `erasureCertificate` by one statement each, as Strawberry gives them."""

from __future__ import annotations

from passerelle.audit.transactions import transaction
from passerelle.dossier import erasure, lifecycle
from passerelle_graphql.ids import Node, node_id
from tests import builders
from tests.gateway.alike import WHY, alike
from tests.gateway.records import Record
from tests.gateway.serving import Serving

EXPORT = (
    "query ($id: ID!) { where: recordExport(patientId: $id) { __typename ... on RecordExport { url u: url } ...Why } }"
)
EXPORT += WHY
CERTIFICATE = (
    """query ($id: ID!, $yes: Boolean! = true) {
  erasureCertificate(patientId: $id) {
    __typename
    ... on ErasureCertificate { certificateId issuedAt statement signature keyId publicKey @include(if: $yes) }
    ...Why
  }
}
"""
    + WHY
)


async def test_where_a_record_is_taken_away_is_told_alike(serving: Serving, record: Record) -> None:
    for client in (record.patient, record.doctor):
        assert f"/exports/{record.id}".encode() in await alike(serving, client, EXPORT, lines=0, id=record.id)
    for malformed in ("", "é", node_id(Node.DOCUMENT, record.patient_id)):
        assert b"ID_INVALID" in await alike(serving, record.patient, EXPORT, lines=0, id=malformed)


async def test_a_certificate_is_shown_alike(serving: Serving, record: Record) -> None:
    _, token = await serving.professional()
    stranger = serving.client(token)
    # Whoever may read and finds nothing leaves no line; whoever may not leaves that of his refusal.
    assert b"ERASURE_NOT_DONE" in await alike(serving, record.patient, CERTIFICATE, lines=0, id=record.id)
    assert b"ERASURE_NOT_DONE" in await alike(serving, record.doctor, CERTIFICATE, lines=0, id=record.id)
    assert b"ACCESS_REFUSED" in await alike(serving, stranger, CERTIFICATE, id=record.id)
    async with transaction(serving.world.context(record.person)) as act:
        await lifecycle.close(act, record.patient_id)
        await erasure.request_erasure(act, record.patient_id, proof="lettre")
    await erasure.erase_now(serving.world.context(builders.operator()), record.patient_id)
    for yes in (True, False):
        shown = await alike(serving, record.patient, CERTIFICATE, id=record.id, yes=yes)
        assert (b'"publicKey":' in shown) is yes
        assert b'"signature":"' in shown
    for client in (record.doctor, stranger):
        assert b"Refusal" in await alike(serving, client, CERTIFICATE, id=record.id)
