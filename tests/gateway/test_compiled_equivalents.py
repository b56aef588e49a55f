"""`equivalentResults` by one statement: the results, the refusals and their journal as Strawberry has them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from passerelle.dossier.formats.submission import EventCode
from passerelle_graphql.ids import Node, node_id
from tests import builders
from tests.gateway.alike import WHY, alike
from tests.gateway.records import Record, new_record
from tests.gateway.serving import Serving
from tests.gateway.test_compiled import DOCUMENT

LOINC = "2.16.840.1.113883.6.1"
QUERY = (
    DOCUMENT.replace(WHY, "").split("fragment Why")[0]
    + """query ($id: ID!, $act: ActInput!, $yes: Boolean! = true) {
  found: equivalentResults(patientId: $id, act: $act) {
    __typename
    ... on EquivalentResults {
      name
      results @include(if: $yes) { __typename match ageDays d: document { ...Whole } }
    }
    ...Why
  }
}
"""
    + WHY
)


def _act(code: str, system: str = LOINC) -> dict[str, Any]:
    return {"code": code, "system": system}


async def test_results_refusals_and_lines_are_alike(serving: Serving, record: Record) -> None:
    for codes in (("18719-5", "3016-3"), ("18719-5", "11580-8"), ("18719-5",), ("1988-5",)):
        events = tuple(EventCode(code=each, system=LOINC, label='« TSH » "') for each in codes)
        incoming = builders.document(type_code="11502-2", event_codes=events, author=builders.professional())
        await serving.world.publish(record.patient_id, incoming)
    for client in (record.doctor, record.patient):
        for yes in (True, False):
            answer = await alike(serving, client, QUERY, id=record.id, act=_act("3016-3"), yes=yes)
            assert (b"SAME_ACT" in answer and b"EQUIVALENT" in answer and b"SAME_CHAPTER" in answer) == yes
        assert b'"results":[]' in await alike(serving, client, QUERY, id=record.id, act=_act("0-0"))
    other = await new_record(serving, authorized=False)
    for unknown in (other.id, node_id(Node.PATIENT, uuid4())):
        assert b"ACCESS_REFUSED" in await alike(serving, record.doctor, QUERY, id=unknown, act=_act("3016-3"))
    malformed = await alike(serving, record.doctor, QUERY, lines=0, id=record.id, act=_act(""))
    assert b"ACT_CODE_INVALID" in malformed
