"""`me` by one statement: what the context knows, as Strawberry says it."""

from __future__ import annotations

from passerelle_graphql.ids import Node, node_id
from tests import builders
from tests.gateway.alike import alike
from tests.gateway.records import Record
from tests.gateway.serving import Serving

QUERY = """query ($more: Boolean! = true) {
  me {
    __typename kind name n: name rpps profession { code label } specialty { __typename label code } structure software
    purpose mode patientId @include(if: $more)
    ...Where
  }
  again: me { network { id } }
}
fragment Where on Me { network { __typename id name isTest test: isTest @skip(if: $more) } }
"""


async def test_who_asks_is_told_alike(serving: Serving, record: Record) -> None:
    named, _ = await serving.professional()
    specialist = serving.issuer.mint_professional(
        rpps=named.id,
        family_name='D’« ESSAI » "\\ \t é 😀',
        given_name="Zoé",
        profession=builders.PHYSICIAN,
        specialty="SM54",
    )
    unknown_codes = serving.issuer.mint_professional(
        rpps=named.id, family_name="ESSAI", given_name="", profession="99", specialty="XX99"
    )
    for client in (
        record.patient,
        record.doctor,
        serving.officer(),
        serving.client(specialist),
        serving.client(unknown_codes),
        serving.client(specialist, **{"passerelle-mode": "break_glass", "passerelle-purpose": "care"}),
    ):
        for more in (True, False):
            answer = await alike(serving, client, QUERY, lines=0, more=more)
            own = f'"patientId":"{node_id(Node.PATIENT, record.patient_id)}"'.encode()
            assert (own in answer) is (client is record.patient and more)
    assert b'"label":' in await alike(serving, serving.client(specialist), QUERY, lines=0)
