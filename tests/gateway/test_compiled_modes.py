"""Reading in an emergency, and from the regulation centre, by one statement: what it opened under is told alike."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2

from passerelle.audit.transactions import transaction
from passerelle.dossier import emergencies
from passerelle.dossier.formats.submission import EventCode
from passerelle_graphql.ids import Node, node_id
from passerelle_policies.vocabulary import Mode
from tests import builders
from tests.gateway.alike import WHY, alike
from tests.gateway.records import Record, new_record
from tests.gateway.serving import Serving
from tests.gateway.test_compiled import LINES, ONE, WHOLE, both
from tests.gateway.test_compiled_equivalents import LOINC
from tests.gateway.test_compiled_equivalents import QUERY as RESULTS

EMERGENCY = (
    """fragment Emergency on EmergencyAccess {
  id patientId rpps name profession { code label } structure reason since until reviewDueAt reviewedAt finding
}
query ($id: ID!, $other: ID!, $yes: Boolean! = true) {
  one: dossier(patientId: $id) {
    ... on Dossier { emergencyAccess { __typename ...Emergency why: reason @include(if: $yes) } relations }
    ...Why
  }
  other: dossier(patientId: $other) { ... on Dossier { emergencyAccess { id } } ...Why }
  again: dossier(patientId: $id) { ... on Dossier { state } }
}
"""
    + WHY
)
ACT = {"code": "3016-3", "system": LOINC}
MODES: dict[str, dict[str, str]] = {
    "normal": {},
    "broken": {"passerelle-mode": "break_glass"},
    "regulation": {"passerelle-mode": "regulation_centre"},
}


def _opened(answer: bytes) -> list[dict[str, Any]]:
    opened: list[dict[str, Any]] = json.loads(answer)["extensions"]["access"].get("opened", [])
    return opened


async def _hasty(serving: Serving, **in_emergency: str) -> tuple[dict[str, httpx2.AsyncClient], str]:
    actor, token = await serving.professional(may_regulate=True)
    for patient_id, reason in in_emergency.items():
        async with transaction(serving.world.context(actor, mode=Mode.BREAK_GLASS)) as act:
            await emergencies.break_the_glass(act, UUID(patient_id), reason)
    return {mode: serving.client(token, **headers) for mode, headers in MODES.items()}, actor.id


async def test_what_was_opened_in_an_emergency_is_told_alike(serving: Serving, record: Record) -> None:
    event = EventCode(code=ACT["code"], system=LOINC, label="TSH")
    incoming = builders.document(type_code="11502-2", event_codes=(event,), author=builders.professional())
    document = node_id(Node.DOCUMENT, await serving.world.publish(record.patient_id, incoming))
    closed = await new_record(serving)
    hasty, rpps = await _hasty(serving, **{str(record.patient_id): 'inconscient "\\ \n « é 😀'})
    serving.world.clock.advance(timedelta(microseconds=7))

    for yes in (True, False):
        asked = {"id": record.id, "other": closed.id, "yes": yes}
        answer = await alike(serving, hasty["broken"], EMERGENCY, lines=3, **asked)
        shown = json.loads(answer)["data"]
        assert (shown["one"]["emergencyAccess"]["rpps"], shown["other"]["code"]) == (rpps, "ACCESS_REFUSED")
        assert [each["patientId"] for each in _opened(answer)] == [record.id]
    for query, variables in (
        (WHOLE, {"id": record.id}),
        (ONE, {"id": document}),
        (RESULTS, {"id": record.id, "act": ACT}),
    ):
        answer = await alike(serving, hasty["broken"], query, **variables)
        assert [each["patientId"] for each in _opened(answer)] == [record.id]
        # Without the mode, the emergency opens nothing, and nothing is told of it.
        assert b"extensions" not in await alike(serving, hasty["normal"], query, **variables)
    for client in (record.doctor, record.patient):
        assert b'"emergencyAccess":null' in await alike(serving, client, WHOLE, id=record.id)
    serving.world.clock.advance(timedelta(hours=1))
    over = await alike(serving, hasty["broken"], WHOLE, id=record.id)
    assert b"ACCESS_REFUSED" in over
    assert _opened(over) == []


async def test_from_the_regulation_centre_all_is_answered_alike(serving: Serving, record: Record) -> None:
    incoming = builders.document(author=builders.professional(), masked=True)
    document = node_id(Node.DOCUMENT, await serving.world.publish(record.patient_id, incoming))
    hasty, _ = await _hasty(serving, **{str(record.patient_id): "chute"})
    for query, variables in (
        (WHOLE, {"id": record.id}),
        (ONE, {"id": document}),
        (RESULTS, {"id": record.id, "act": ACT}),
    ):
        answer = await alike(serving, hasty["regulation"], query, **variables)
        assert json.loads(answer)["extensions"]["access"] == {"mode": "REGULATION_CENTRE"}
    for mode in ("broken", "regulation"):
        assert b"ACCESS_REFUSED" in await both(serving, hasty[mode], LINES, id=record.id)
