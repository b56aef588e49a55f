"""Every line of the journal is an AuditEvent of the French profile, which says all of it and no INS."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.audit.journal import NOBODY, JournalLine
from passerelle.audit.oversight import Found, Search, count
from passerelle.audit.transactions import transaction
from passerelle.dossier import documents, oversight, reading, visibility
from passerelle.dossier.documents import CONTENT
from passerelle.fhir import audit_codes
from passerelle.fhir.audit_event import audit_event, ndjson
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import Refused
from passerelle.kernel.messages import catalogue
from passerelle_policies.vocabulary import Action, ActorKind, Kind, Mode, Purpose
from tests.builders import World, document, ins_of, professional
from tests.fhir.conformance import FOLDER, faults

with_profile = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the French profile (../shared/data/fhir/tracabilite) is not on this machine"
)
LINE = JournalLine(
    line_id=7,
    at=datetime(2026, 11, 16, 9, 0, 0, 123456, tzinfo=UTC),
    actor_kind="professional",
    actor_id="99900000001",
    actor_name="Alix ESSAI",
    actor_profession="10",
    actor_establishment="310783055",
    software="Logiciel d'essai",
    action="read",
    kind="document",
    document_id=UUID(int=9),
    outcome="refused",
    code="ACCESS_REFUSED",
    rule="nothing-allows",
    pack="2025-10-15-team-consent",
    mode="break_glass",
    purpose="care",
    facts={"relations": []},
)
PATIENT = UUID(int=8)
KINDS = [*(each.value for each in Kind), CONTENT]


def event_of(line: JournalLine = LINE, patient_id: UUID = PATIENT) -> dict[str, Any]:
    return audit_event("essai", Found(patient_id=patient_id, line=line))


def test_a_line_says_all_of_itself() -> None:
    event = event_of()

    assert event["id"] == "essai-7"
    assert event["recorded"] == event["period"]["start"] == "2026-11-16T09:00:00.123456Z"
    assert (event["action"], event["outcome"], event["outcomeDesc"]) == ("R", "4", "ACCESS_REFUSED")
    assert [each["coding"][0]["code"] for each in event["purposeOfEvent"]] == ["TREAT", "BTG"]
    user, structure = event["agent"]
    assert user["who"]["identifier"] == {"system": "https://rpps.esante.gouv.fr", "value": "99900000001"}
    assert user["role"][0]["coding"][0]["code"] == "10"
    assert (user["requestor"], structure["requestor"]) == (True, False)
    assert structure["who"]["identifier"] == {"system": "https://finess.esante.gouv.fr", "value": "310783055"}
    patient, entry = event["entity"]
    assert patient["what"]["identifier"]["value"] == str(UUID(int=8))
    assert entry["what"]["identifier"]["value"] == str(UUID(int=9))
    assert {each["type"]: each["valueString"] for each in entry["detail"]} == {
        "act": "document.read",
        "rule": "nothing-allows",
        "pack": "2025-10-15-team-consent",
        "mode": "break_glass",
        "software": "Logiciel d'essai",
    }


def test_every_word_of_the_journal_has_its_codes() -> None:
    assert set(audit_codes.ACTS) == set(Action)
    assert set(audit_codes.PURPOSES) == set(Purpose)
    assert set(audit_codes.EMERGENCIES) == set(Mode)
    with pytest.raises(ValueError, match="teleport"):
        event_of(replace(LINE, action="teleport"))


def test_no_act_that_the_patient_reads_of_is_left_out() -> None:
    told = [code.removeprefix("JOURNAL_").lower() for code in catalogue() if code.startswith("JOURNAL_")]
    acts = [(kind, code.removeprefix(f"{kind}_")) for code in told for kind in KINDS if code.startswith(f"{kind}_")]
    acts = [(kind, action) for kind, action in acts if action in set(Action)]
    assert len(acts) > 40
    for kind, action in acts:
        event = event_of(replace(LINE, kind=kind, action=action))
        assert event["entity"][-1]["detail"][0]["valueString"] == f"{kind}.{action}"
        assert (event["type"]["code"] == "110101") == (kind == Kind.JOURNAL)


LINES = st.builds(
    JournalLine,
    line_id=st.integers(1, 2**62),
    at=st.datetimes(timezones=st.just(UTC), min_value=datetime(2012, 1, 1), max_value=datetime(2100, 1, 1)),  # noqa: DTZ001
    actor_kind=st.sampled_from(ActorKind).map(str),
    actor_id=st.sampled_from(["99900000001", "310783055", "f" * 64, "task.name"]),
    actor_name=st.sampled_from(["Alix ESSAI", "Hôpital « d'essai »"]),
    actor_profession=st.sampled_from([None, "10", "60", "code inconnu"]),
    actor_establishment=st.sampled_from([None, "310783055"]),
    software=st.sampled_from([None, "Logiciel"]),
    action=st.sampled_from(Action).map(str),
    kind=st.sampled_from(KINDS),
    document_id=st.none() | st.uuids(),
    outcome=st.sampled_from(["allowed", "refused"]),
    code=st.sampled_from([None, "ACCESS_REFUSED"]),
    rule=st.just("r"),
    pack=st.just("2025-10-15-team-consent"),
    mode=st.sampled_from(Mode).map(str),
    purpose=st.sampled_from(Purpose).map(str),
    facts=st.sampled_from([{}, {"relations": ["patient"]}, {"relations": ["representative"]}]),
)


@with_profile
@given(line=LINES, patient_id=st.uuids() | st.just(NOBODY))
def test_any_line_meets_the_profile(line: JournalLine, patient_id: UUID) -> None:
    event = json.loads(json.dumps(event_of(line, patient_id)))

    assert faults(event) == []
    if line.actor_kind == ActorKind.PERSON:
        assert line.actor_name not in json.dumps(event, ensure_ascii=False)


@with_profile
def test_the_profile_accepts_the_official_example() -> None:
    example = json.loads((FOLDER / "examples" / "AuditEvent-TDEAuditEventExample.json").read_text("utf-8-sig"))
    assert faults(example) == []


def _without(event: dict[str, Any], *path: str | int) -> dict[str, Any]:
    held: Any = event
    for each in path[:-1]:
        held = held[each]
    del held[path[-1]]
    return event


@with_profile
@pytest.mark.parametrize(
    ("named", "spoil"),
    [
        ("AuditEvent.subtype", lambda event: event["subtype"].append(event["subtype"][0])),
        ("AuditEvent.agent", lambda event: event["agent"].append(event["agent"][0])),
        ("AuditEvent.agent", lambda event: event["agent"].clear()),
        ("AuditEvent.agent.who", lambda event: _without(event, "agent", 0, "who")),
        ("AuditEvent.agent.requestor", lambda event: event["agent"][0].update(requestor="yes")),
        ("AuditEvent.period.start", lambda event: _without(event, "period", "start")),
        ("AuditEvent.recorded", lambda event: event.update(recorded="2026-11-16")),
        ("AuditEvent.action", lambda event: event.update(action="X")),
        ("AuditEvent.outcome", lambda event: event.update(outcome="1")),
        ("AuditEvent.type", lambda event: event["type"].pop("system")),
        ("AuditEvent.source.observer", lambda event: event["source"]["observer"].update(type="Medication")),
        ("AuditEvent.entity.detail.value[x]", lambda event: event["entity"][1]["detail"][0].pop("valueString")),
        ("AuditEvent", lambda event: event.update(title="Compte rendu")),
    ],
)
def test_the_check_bites(named: str, spoil: Any) -> None:
    event = copy.deepcopy(event_of())
    spoil(event)
    assert [each for each in faults(event) if each.startswith(f"{named}:")]


@with_profile
async def test_the_journal_of_a_story_comes_whole_and_says_no_identity(world: World) -> None:
    ins, doctor = ins_of(4_242), professional(name="Camille LECTRICE", establishment="310783055")
    patient_id, person = await world.patient(ins)
    await world.authorize(patient_id, person, doctor)
    document_id = await world.publish(patient_id, document(author=doctor, title="Titre à ne pas dire"))
    async with transaction(world.context(doctor)) as act:
        await visibility.mask(act, document_id)
    stranger, officer = professional(), Actor(kind=ActorKind.OFFICER, id="dpo", name="Dominique PROTECTION")
    for who in (doctor, stranger):
        opened = world.context(who)
        try:
            await reading.open_dossier(opened, patient_id)
            await documents.read_document(opened, document_id)
        except Refused:
            assert who is stranger
    async with transaction(world.context(officer)) as act:
        await oversight.search(act, Search(patient_id=patient_id), reason=f"plainte de {ins.value}")

    written, counted = b"", 0
    async with world.tenant.database.transaction() as connection:
        whole = await count(connection, Search())
        async for lines, octets in ndjson(connection, "essai", Search()):
            counted, written = counted + lines, written + octets

    events = [json.loads(line) for line in written.splitlines()]
    assert len(events) == counted == len({each["id"] for each in events}) == whole
    assert [fault for each in events for fault in faults(each)] == []
    assert [each["recorded"] for each in events] == sorted(each["recorded"] for each in events)
    acts = {each["entity"][-1]["detail"][0]["valueString"] for each in events}
    assert {"patient.register", "dossier.open", "authorizations.grant", "document.publish", "journal.search"} <= acts
    told = written.decode()
    for secret in (ins.value, ins.matricule, f"ESSAI{ins.value[8:13]}", person.name, "Titre à ne pas dire", "11488-4"):
        assert secret not in told
