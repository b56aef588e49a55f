"""What an export says besides the documents: the record's life, who could read it and when, as plain JSON.

A professional is named by his RPPS; another person never by the key under which the network knows him.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, Table, select

from passerelle.audit.transactions import Act
from passerelle.dossier import visits
from passerelle.dossier.portability_beside import camel
from passerelle.dossier.tables import (
    block,
    care_team,
    care_team_member,
    document_withholding,
    dossier,
    dossier_act,
    emergency_access,
    emergency_objection,
    erasure_request,
    heirs_objection,
    relation,
    team_consent,
)
from passerelle.identities.patients import Patient
from passerelle_policies.vocabulary import ActorKind

_PROFESSIONAL: Final = f"{ActorKind.PROFESSIONAL}:"
_CODED: Final = ("class", "type")
_AS_THEY_ARE: Final = (
    "confidentiality", "masked", "title", "language", "authors", "structure_id", "facility_type", "practice_setting",
    "event_codes", "format_code", "mime_type", "creation_time", "service_start", "service_stop", "act_at", "by_patient",
    "hidden_from_representatives", "filed_at", "size", "sha256", "unique_id", "entry_uuid", "metadata_version",
    "version_number", "submission_set_id",
)  # fmt: skip


def written(said: object) -> bytes:
    """JSON for people and machines alike: indented, UTF-8."""
    return json.dumps(said, ensure_ascii=False, indent=1, default=_plain).encode() + b"\n"


def document_entry(row: Row[Any], status: str) -> dict[str, Any]:
    """One document's metadata, under the names that the graph gives them (XDS DocumentEntry)."""
    said = row._mapping
    return {
        "logicalId": row.document_id,
        "chainId": row.chain_id,
        "status": status,
        **{name: {"code": said[f"{name}_code"], "label": said[f"{name}_label"]} for name in _CODED},
        **{camel(name): said[name] for name in _AS_THEY_ARE},
        **({"keptBy": row.origin} if row.origin else {}),
    }


def identity(known: Patient | None, *, with_ins: bool) -> dict[str, Any]:
    """Who the record is about."""
    if known is None:
        return {}
    said: dict[str, Any] = {
        "familyName": known.traits.family_name,
        "usedName": known.traits.used_name,
        "givenNames": list(known.traits.given_names),
        "birthDate": known.traits.birth_date,
        "sex": known.traits.sex,
    }
    if with_ins and known.ins is not None:
        said["ins"] = {"oid": known.ins.oid, "value": known.ins.value}
    return said


async def life(act: Act, patient_id: UUID) -> dict[str, Any]:
    """The state of the record, the acts that led there and the requests to erase it."""
    record = (await act.connection.execute(select(dossier).where(dossier.c.patient_id == patient_id))).one_or_none()
    state = {} if record is None else _named(record, ("state", "opened_at", "closed_at", "purge_after"))
    return {
        **state,
        "acts": [
            {**_named(row, ("act", "from_state", "to_state", "at", "basis", "proof")), "by": row.actor_kind}
            for row in await _rows(act, dossier_act, patient_id, "at")
        ],
        "erasureRequests": [
            _named(row, ("requested_at", "due_at", "withdrawn_at", "done_at"))
            for row in await _rows(act, erasure_request, patient_id, "requested_at")
        ],
    }


async def rights(act: Act, patient_id: UUID, seen: Iterable[UUID]) -> dict[str, list[dict[str, Any]]]:
    """Everything that ever opened or closed the record to someone; of documents kept from someone, those `seen`."""
    dated = ("valid_from", "valid_until")
    shown, unsaid = set(seen), await visits.emergencies_without_reason(act, patient_id)
    return {
        "relations": [
            {"relation": row.relation, **_subject(row.subject), **_named(row, (*dated, "basis", "proof"))}
            for row in await _rows(act, relation, patient_id, "valid_from")
        ],
        "teamConsents": await _team_consents(act, patient_id),
        "blocks": [
            {**_subject(row.subject), **_named(row, dated)} for row in await _rows(act, block, patient_id, "valid_from")
        ],
        "withheldDocuments": [
            {"document": row.document_id, **_subject(row.subject), **_named(row, dated)}
            for row in await _rows(act, document_withholding, patient_id, "valid_from")
            if row.document_id in shown
        ],
        "emergencyObjections": [
            _named(row, dated) for row in await _rows(act, emergency_objection, patient_id, "valid_from")
        ],
        "heirsObjections": [_named(row, dated) for row in await _rows(act, heirs_objection, patient_id, "valid_from")],
        "emergencyAccesses": [
            {
                **_subject(row.subject),
                **_named(row, ("name", "establishment", *dated, "reviewed_at", "finding")),
                "reason": None if row.access_id in unsaid else row.reason,
            }
            for row in await _rows(act, emergency_access, patient_id, "valid_from")
        ],
    }


async def _team_consents(act: Act, patient_id: UUID) -> list[dict[str, Any]]:
    given = await act.connection.execute(
        select(team_consent, care_team.c.name)
        .join(care_team, care_team.c.team_id == team_consent.c.team_id)
        .where(team_consent.c.patient_id == patient_id)
        .order_by(team_consent.c.valid_from)
    )
    consents = given.all()
    members = await act.connection.execute(
        select(care_team_member)
        .where(care_team_member.c.team_id.in_([each.team_id for each in consents]))
        .order_by(care_team_member.c.valid_from)
    )
    of_team: dict[UUID, list[dict[str, Any]]] = {}
    for row in members:
        said = {**_subject(row.subject), **_named(row, ("valid_from", "valid_until"))}
        of_team.setdefault(row.team_id, []).append(said)
    return [
        {
            "team": row.name,
            "askedBy": _subject(row.asked_by),
            **_named(row, ("valid_from", "valid_until", "informed_how", "proof")),
            "members": of_team.get(row.team_id, []),
        }
        for row in consents
    ]


async def _rows(act: Act, table: Table, patient_id: UUID, order: str) -> Sequence[Row[Any]]:
    wanted = select(table).where(table.c.patient_id == patient_id).order_by(table.c[order])
    return (await act.connection.execute(wanted)).all()


def _subject(subject: str) -> dict[str, str]:
    if subject.startswith(_PROFESSIONAL):
        return {"rpps": subject.removeprefix(_PROFESSIONAL)}
    return {"who": subject.partition(":")[0]}


def _named(row: Row[Any], names: Sequence[str]) -> dict[str, Any]:
    return {camel(name): row._mapping[name] for name in names}


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value)
