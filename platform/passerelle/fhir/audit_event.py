"""A line of the journal as an AuditEvent of the French traceability profile (ANS, Traçabilité d'événements 2.0.0).

The profile allows two agents: who acted, and the structure he acted from. What FHIR has no code for (the exact act,
the rule, its pack, the software) is a detail of the last entity. No INS, no title, no type of document and no name
of a citizen is in it: patients, persons and documents go by the identifiers of the network.
IHE BALP asks for more agents than the profile allows: not claimed (docs/decisions/0091).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit import oversight, shown_lines
from passerelle.audit.journal import NOBODY, JournalLine, Outcome
from passerelle.audit.oversight import Found, Search
from passerelle.fhir.audit_codes import EMERGENCIES, PURPOSES, Coding, act_of, coding
from passerelle_policies import nomenclatures
from passerelle_policies.vocabulary import ActorKind, Kind, Mode, Purpose, Relation

PROFILE = "https://interop.esante.gouv.fr/ig/fhir/tde/StructureDefinition/tde-auditevent"
_RPPS = "https://rpps.esante.gouv.fr"
_FINESS = "https://finess.esante.gouv.fr"
_PROFESSIONS = {
    "1.2.250.1.71.1.2.7": "https://mos.esante.gouv.fr/NOS/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante"
}
_ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ENTITY_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
_PERSON, _SYSTEM_OBJECT = coding(_ENTITY_TYPE, "1", "Person"), coding(_ENTITY_TYPE, "2", "System Object")
_PATIENT, _REPORT = coding(_ENTITY_ROLE, "1", "Patient"), coding(_ENTITY_ROLE, "3", "Report")
_SECURITY_RESOURCE = coding(_ENTITY_ROLE, "13", "Security Resource")
_SERVER = coding("http://terminology.hl7.org/CodeSystem/security-source-type", "4", "Application Server")
_DONE, _FAILED = "0", "4"


def audit_event(network: str, found: Found) -> dict[str, Any]:
    """The resource; `network` is the tenant's id. A word of the line that no table knows: KeyError, ValueError."""
    line, names = found.line, Names(network)
    act = act_of(line.kind, line.action)
    emergency = EMERGENCIES[Mode(line.mode)]
    reasons = [PURPOSES[Purpose(line.purpose)], *([emergency] if emergency else [])]
    instant = _instant(line.at)
    event = {
        "resourceType": "AuditEvent",
        "id": f"{network}-{line.line_id}",
        "meta": {"profile": [PROFILE]},
        "type": act.type,
        "subtype": [act.subtype],
        "action": act.action,
        "period": {"start": instant, "end": instant},
        "recorded": instant,
        "outcome": _DONE if line.outcome == Outcome.ALLOWED else _FAILED,
        "purposeOfEvent": [{"coding": [each]} for each in reasons],
        "agent": list(_agents(names, found)),
        "source": {
            "site": _site(network, line),
            "observer": names.reference("Device", "gateway", network),
            "type": [_SERVER],
        },
        "entity": _entities(names, found),
    }
    return event | ({"outcomeDesc": line.code} if line.code else {})


def _site(network: str, line: JournalLine) -> str:
    return str(line.facts[shown_lines.NETWORK]) if shown_lines.LINE in line.facts else network


async def ndjson(connection: AsyncConnection, network: str, search: Search) -> AsyncIterator[tuple[int, bytes]]:
    """The lines that answer a search, oldest first: how many, and their resources, one to a line, a batch at a time."""
    async for batch in oversight.everything(connection, search):
        events = (audit_event(network, each) for each in batch)
        yield len(batch), b"".join(json.dumps(each, ensure_ascii=False).encode() + b"\n" for each in events)


class Names:
    """References by identifier to what one network knows."""

    def __init__(self, network: str) -> None:
        self._network = network

    def reference(self, type_: str, what: str, value: str) -> dict[str, Any]:
        return _reference(type_, f"urn:passerelle:{self._network}:{what}", value)


def _reference(type_: str, system: str, value: str) -> dict[str, Any]:
    return {"type": type_, "identifier": {"system": system, "value": value}}


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _agents(names: Names, found: Found) -> Iterator[dict[str, Any]]:
    line, kind = found.line, ActorKind(found.line.actor_kind)
    who: dict[str, Any] = {"who": _who(names, found, kind), "requestor": True}
    if kind is not ActorKind.PERSON:
        who["name"] = line.actor_name
    if role := _profession(line.actor_profession):
        who["role"] = [{"coding": [role]}]
    yield who
    if line.actor_establishment and kind is not ActorKind.ESTABLISHMENT:
        yield {"who": _reference("Organization", _FINESS, line.actor_establishment), "requestor": False}


def _who(names: Names, found: Found, kind: ActorKind) -> dict[str, Any]:
    line = found.line
    match kind:
        case ActorKind.PROFESSIONAL:
            return _reference("Practitioner", _RPPS, line.actor_id)
        case ActorKind.ESTABLISHMENT:
            return _reference("Organization", _FINESS, line.actor_id)
        case ActorKind.PERSON if Relation.PATIENT in line.facts.get("relations", ()):
            return names.reference("Patient", "patient", str(found.patient_id))
        case ActorKind.PERSON:
            return names.reference("RelatedPerson", "person", line.actor_id)
        case ActorKind.OFFICER:
            return names.reference("PractitionerRole", "officer", line.actor_id)
        case ActorKind.AUTHORITY:
            return names.reference("Organization", "authority", line.actor_id)
        case ActorKind.NETWORK:
            return names.reference("Organization", "network", line.actor_id)
        case ActorKind.SYSTEM:
            return names.reference("Device", "task", line.actor_id)


def _profession(code: str | None) -> Coding | None:
    known = nomenclatures.profession(code) if code else None
    if known is None:
        return None
    return coding(_PROFESSIONS.get(known.system, f"urn:oid:{known.system}"), known.code, known.label)


def _entities(names: Names, found: Found) -> list[dict[str, Any]]:
    line = found.line
    entities: list[dict[str, Any]] = []
    if found.patient_id != NOBODY:
        patient = names.reference("Patient", "patient", str(found.patient_id))
        entities.append({"what": patient, "type": _PERSON, "role": _PATIENT})
    if line.document_id is not None:
        document = names.reference("DocumentReference", "document", str(line.document_id))
        entities.append({"what": document, "type": _SYSTEM_OBJECT, "role": _REPORT})
    if line.kind in (Kind.JOURNAL, Kind.AUTHORIZATIONS) or not entities:
        entities.append({"type": _SYSTEM_OBJECT, "role": _SECURITY_RESOURCE})
    entities[-1]["detail"] = [{"type": name, "valueString": said} for name, said in _details(line).items() if said]
    return entities


def _details(line: JournalLine) -> dict[str, str | None]:
    return {
        "act": f"{line.kind}.{line.action}",
        "rule": line.rule,
        "pack": line.pack,
        "mode": line.mode,
        "software": line.software,
    }
