"""`patient(by: {ins})` by one statement: what is counted, journalled and told as Strawberry does it."""

from __future__ import annotations

from typing import Any

from passerelle.audit.transactions import transaction
from passerelle.identities import look_ups, patients
from passerelle.identities.ins import NIR_TEST, IdentityStatus
from passerelle.identities.patients import Traits
from tests import builders
from tests.gateway.alike import WHY, alike, left_to_strawberry
from tests.gateway.records import Record
from tests.gateway.serving import Serving

QUERY = (
    """query ($by: PatientLookup!, $yes: Boolean! = true) {
  found: patient(by: $by) {
    __typename
    ... on Patient {
      id ins { __typename oid value v: value @include(if: $yes) } identityStatus familyName usedName givenNames
      birthDate sex birthPlace
    }
    ... on Patient @skip(if: $yes) { again: id }
    ...Why
  }
}
"""
    + WHY
)
LITERAL = """query {
  patient(by: {ins: {oid: "%s", value: "%s"}}) { ... on Patient { givenNames birthPlace } ... on NotFound { code } }
}"""


def _by(value: str, oid: str = NIR_TEST) -> dict[str, Any]:
    return {"ins": {"oid": oid, "value": value}}


async def test_an_identity_is_found_alike(serving: Serving, record: Record) -> None:
    odd = builders.ins_of(19_101)
    traits = Traits(family_name='D’« ESSAI » "\\', given_names=("Zoé \t", '😀"', ""), birth_date="1980", sex="")
    async with transaction(serving.world.context(builders.structure())) as act:
        await patients.register(act, [odd], traits, IdentityStatus.PROVISIONAL, source="test")
    for value in (record.ins.value, odd.value, odd.value[:13]):
        for yes in (True, False):
            answer = await alike(serving, record.doctor, QUERY, by=_by(value), yes=yes)
            assert b'"Patient"' in answer
    assert b'"givenNames":["Alix"]' in await alike(serving, record.doctor, LITERAL % (NIR_TEST, record.ins.value))
    absent = await alike(serving, record.doctor, QUERY, by=_by(builders.ins_of(19_102).value))
    assert b'"NotFound"' in absent
    assert b"PATIENT_NOT_FOUND" in absent


async def test_what_is_no_look_up_by_ins_is_answered_alike(serving: Serving, record: Record) -> None:
    for malformed in ("", "é", "123"):
        assert b"INS_MALFORMED" in await alike(serving, record.doctor, QUERY, lines=0, by=_by(malformed))
    enough = {
        "familyName": f"ESSAI{record.ins.value[8:13]}",
        "birthDate": "19800115",
        "sex": "F",
        "givenNames": ["Alix"],
    }
    too_few = {"familyName": "X", "birthDate": "1980"}
    for traits, told, lines in ((enough, '"Patient"', 1), (too_few, "TRAITS_NOT_ENOUGH", 0)):
        because = "a look-up by traits compares folded names"
        by = {"traits": traits}
        assert told in await left_to_strawberry(serving, record.doctor, QUERY, because=because, lines=lines, by=by)
    for client in (record.patient, serving.officer()):
        because, by = "a refusal by the role is a line of its own", _by(record.ins.value)
        assert "ACCESS_REFUSED" in await left_to_strawberry(serving, client, QUERY, because=because, by=by)


async def test_past_the_hourly_count_nothing_is_told_and_nothing_written(serving: Serving, record: Record) -> None:
    context = serving.world.context(record.doctor_actor)
    limit = look_ups.look_up_parameters(context, record.ins)["look_up_limit"]
    async with transaction(context) as act:
        for _ in range(limit - 2):
            await look_ups.find_by_ins(act, builders.ins_of(19_103))
    assert b'"Patient"' in await alike(serving, record.doctor, QUERY, by=_by(record.ins.value))
    for value in (record.ins.value, builders.ins_of(19_104).value):
        told = await alike(serving, record.doctor, QUERY, lines=0, by=_by(value))
        assert b"PATIENT_LOOKUP_TOO_MANY" in told
        assert b'"retryAfter":3600' in told
