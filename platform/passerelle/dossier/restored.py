"""What narrowed after a backup was made, put back into the database that was restored from it: never widening.

Comes in: rows as the ledger outside the database last had them. A row that shuts somebody out by being there is there
again; one that lets somebody in ends no later than it did; a mark is put on and none taken off; a record goes towards
suspended, closed, purged and never back. What was lifted since the backup stays as the backup has it, to be lifted
again. Each change has its line in the journal, under the rule `restored`, but for what two networks decided of a
document (`document_mark`) and the end of a membership of a team. Sources: CSP L.1111-19, R.1111-36, R.1111-46; RGPD,
art. 17 and 32.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Table, insert, select, text, update

from passerelle.audit import journal, outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import house_rules, lifecycle
from passerelle.dossier.events import DocumentMetadataChanged, DossierChanged, RelationChanged
from passerelle.dossier.ledger_words import RULE, Said, instant, journalled
from passerelle.dossier.tables import (
    block,
    care_team_member,
    document,
    document_mark,
    document_version,
    document_withholding,
    dossier,
    emergency_access,
    emergency_objection,
    erasure_request,
    heirs_objection,
    relation,
    team_consent,
    team_exclusion,
)
from passerelle.identities import civil_status, patients
from passerelle_policies.vocabulary import Action, DocumentStatus, DossierState, Kind


@dataclass(frozen=True, slots=True)
class _Dated:
    """A table of dated rows: by what a row is found here, and how the journal calls the change."""

    table: Table
    action: Action
    kind: Kind = Kind.AUTHORIZATIONS
    ended_by: str | None = None
    #: SQL condition on `s`, what is said: there is something here that it is about.
    about: str = "exists (select from patient p where p.patient_id = s.patient_id)"


_OF_DOCUMENT: Final = (
    "exists (select from document d where d.patient_id = s.patient_id and d.document_id = s.document_id)"
)
_OF_TEAM: Final = "exists (select from care_team t where t.team_id = s.team_id)"
#: Shut somebody out by being there.
_SHUTTING: Final = {
    each.table.name: each
    for each in (
        _Dated(block, Action.BLOCK),
        _Dated(document_withholding, Action.MASK_FROM, Kind.DOCUMENT, about=_OF_DOCUMENT),
        _Dated(team_exclusion, Action.BLOCK, about=_OF_TEAM),
        _Dated(emergency_objection, Action.OBJECT),
        _Dated(heirs_objection, Action.OBJECT_TO_HEIRS),
    )
}
#: Let somebody in until they end.
_LETTING_IN: Final = {
    each.table.name: each
    for each in (
        _Dated(relation, Action.WITHDRAW, ended_by="withdrawn_by"),
        _Dated(team_consent, Action.WITHDRAW, ended_by="withdrawn_by"),
        _Dated(care_team_member, Action.WITHDRAW, ended_by="removed_by"),
        _Dated(emergency_access, Action.WITHDRAW),
    )
}
_STATES: Final = (
    DossierState.INFORMED.value,
    DossierState.OPEN.value,
    DossierState.SUSPENDED.value,
    DossierState.CLOSED.value,
    DossierState.PURGED.value,
)
_ACTS: Final = {
    DossierState.SUSPENDED.value: Action.SUSPEND,
    DossierState.CLOSED.value: Action.CLOSE,
    DossierState.PURGED.value: Action.PURGE,
}
_STATUSES: Final = (DocumentStatus.CURRENT.value, DocumentStatus.ARCHIVED.value, DocumentStatus.DELETED.value)
_FLAGS: Final = {
    "masked": Action.MASK,
    "hidden_from_patient": Action.HIDE_FROM_PATIENT,
    "hidden_from_representatives": Action.HIDE_FROM_REPRESENTATIVES,
}
_REQUESTED: Final = text(
    "insert into erasure_request (patient_id, request_id, requested_at, requested_by, due_at, proof)"
    " select s.patient_id, s.request_id, s.requested_at, s.requested_by, s.due_at, ''"
    " from jsonb_populate_recordset(null::erasure_request, cast(:said as jsonb)) s"
    " where s.withdrawn_at is null and s.done_at is null"
    " and exists (select from dossier d where d.patient_id = s.patient_id and d.state <> 'purged')"
    " on conflict do nothing returning patient_id"
)
_REGISTERED: Final = text(
    "insert into document_mark as m select * from jsonb_populate_recordset(null::document_mark, cast(:said as jsonb))"
    " on conflict (patient_id, document_id, side) do update set version = excluded.version, seen = excluded.seen,"
    " at = excluded.at,"
    " masked = coalesce(m.masked or excluded.masked, excluded.masked, m.masked),"
    " hidden_from_patient = coalesce(m.hidden_from_patient or excluded.hidden_from_patient,"
    " excluded.hidden_from_patient, m.hidden_from_patient),"
    " hidden_since = coalesce(excluded.hidden_since, m.hidden_since),"
    " hidden_until = case when excluded.hidden_from_patient then excluded.hidden_until else m.hidden_until end,"
    " hidden_from_representatives = coalesce(m.hidden_from_representatives or excluded.hidden_from_representatives,"
    " excluded.hidden_from_representatives, m.hidden_from_representatives),"
    " status = case when 'deleted' in (m.status, excluded.status) then 'deleted'"
    " when 'archived' in (m.status, excluded.status) then 'archived' else coalesce(excluded.status, m.status) end"
    " where m.version < excluded.version returning patient_id"
)
_PATIENT: Final = "patient"
TABLES: Final = (
    _PATIENT,
    *_SHUTTING,
    *_LETTING_IN,
    document_mark.name,
    document.name,
    dossier.name,
    erasure_request.name,
)
"""What is put back here, in this order: records end after what is in them, and requests are about what is left."""


async def put_back(act: Act, what: str, said: Sequence[Said]) -> int:
    """Put back what the ledger says of rows of one table; says how many changed by it.

    What it is about may be gone with the database's last minutes: that changes nothing (`losses` lists documents).
    """
    if what in _SHUTTING:
        return await _shut(act, _SHUTTING[what], said)
    if what in _LETTING_IN:
        return await _ended(act, _LETTING_IN[what], said)
    if what == document_mark.name:
        return len((await act.connection.execute(_REGISTERED, {"said": json.dumps([*said])})).all())
    if what == erasure_request.name:
        asked = (await act.connection.execute(_REQUESTED, {"said": json.dumps([*said])})).scalars().all()
        return await journalled(act, Kind.DOSSIER, Action.PURGE, asked)
    one_by_one = {_PATIENT: _dead, document.name: _marked, dossier.name: _gone_on}[what]
    return sum([await one_by_one(act, each) for each in said])


async def _shut(act: Act, of: _Dated, said: Sequence[Said]) -> int:
    table = of.table
    names = ", ".join(each.name for each in table.c if each.name in said[0])
    key = ", ".join(each.name for each in table.primary_key)
    later = f"{table.name}.valid_until < coalesce(excluded.valid_until, 'infinity')"
    sql = text(
        f"insert into {table.name} ({names}) select {names}"  # noqa: S608 - names of our own tables
        f" from jsonb_populate_recordset(null::{table.name}, cast(:said as jsonb)) s where {of.about}"
        f" on conflict ({key}) do update set valid_until = excluded.valid_until where {later} returning patient_id"
    )
    changed = (await act.connection.execute(sql, {"said": json.dumps([*said])})).scalars().all()
    return await _told(act, of, changed)


async def _ended(act: Act, of: _Dated, said: Sequence[Said]) -> int:
    table = of.table
    mine = " and ".join(f"t.{each.name} = s.{each.name}" for each in table.primary_key)
    by = f", {of.ended_by} = coalesce(t.{of.ended_by}, s.{of.ended_by})" if of.ended_by else ""
    whose = "t.patient_id" if "patient_id" in table.c else "null::uuid"
    sql = text(
        f"update {table.name} t set valid_until = s.valid_until{by}"  # noqa: S608 - as above
        f" from jsonb_populate_recordset(null::{table.name}, cast(:said as jsonb)) s"
        f" where {mine} and s.valid_until < coalesce(t.valid_until, 'infinity') returning {whose}"
    )
    changed = (await act.connection.execute(sql, {"said": json.dumps([*said])})).scalars().all()
    return await _told(act, of, changed)


async def _told(act: Act, of: _Dated, changed: Sequence[UUID | None]) -> int:
    whose = [each for each in changed if each is not None]
    events = [RelationChanged(patient_id=each, act="restore", relation="every") for each in sorted(set(whose))]
    await outbox.publish_all(act, events)
    await journalled(act, of.kind, of.action, whose)
    return len(changed)


async def _dead(act: Act, said: Said) -> int:
    """Record a death that was declared: every tie to the person ends with it."""
    patient_id, on = UUID(said["patient_id"]), said["deceased_on"]
    known = await patients.by_id(act, patient_id)
    if on is None or known is None or await civil_status.deceased_on(act, patient_id) is not None:
        return 0
    await civil_status.record_death(act, patient_id, date.fromisoformat(on))
    return await journalled(act, Kind.DOSSIER, Action.DECLARE_DEATH, [patient_id])


async def _marked(act: Act, said: Said) -> int:
    """Put the marks that a document had on again; those that it has stay."""
    whose = (document.c.patient_id == UUID(said["patient_id"]), document.c.document_id == UUID(said["document_id"]))
    row = (await act.connection.execute(select(document).where(*whose).with_for_update())).one_or_none()
    if row is None:
        return 0
    changes: dict[str, Any] = {name: True for name in _FLAGS if said[name] and not getattr(row, name)}
    action = next((_FLAGS[name] for name in changes), Action.DELETE)
    until = instant(said["hidden_until"])
    if said["hidden_from_patient"]:
        lasts = row.hidden_until is not None and (until is None or until > row.hidden_until)
        if not row.hidden_from_patient or lasts:
            changes |= {"hidden_since": row.hidden_since or instant(said["hidden_since"]), "hidden_until": until}
            action = action if action is not Action.DELETE else Action.HIDE_FROM_PATIENT
    if _STATUSES.index(said["status"]) > _STATUSES.index(row.status):
        changes["status"] = said["status"]
        if said["status"] == DocumentStatus.ARCHIVED.value and action is Action.DELETE:
            action = Action.ARCHIVE
    if not changes:
        return 0
    version, entry_uuid = row.metadata_version + 1, uuid4()
    await act.connection.execute(
        update(document).where(*whose).values(metadata_version=version, entry_uuid=entry_uuid, **changes)
    )
    await act.connection.execute(
        insert(document_version).values(
            patient_id=row.patient_id,
            document_id=row.document_id,
            metadata_version=version,
            entry_uuid=entry_uuid,
            act=action.value,
            at=act.now,
            actor_kind=act.context.actor.kind.value,
            actor_id=act.context.actor.id,
            changed={name: None if value is None else str(value) for name, value in changes.items()},
        )
    )
    changed = DocumentMetadataChanged(
        patient_id=row.patient_id,
        document_id=row.document_id,
        act=action.value,
        metadata_version=version,
        origin=row.origin,
    )
    await outbox.publish(act, changed)
    line = house_rules.line(act, Kind.DOCUMENT, action, RULE, patient_id=row.patient_id)
    await journal.append(act.connection, act.context, replace(line, document_id=row.document_id))
    return 1


async def _gone_on(act: Act, said: Said) -> int:
    """Suspend, close or purge a record as it was; purged, it loses its key and all that is said of it here and now."""
    patient_id, state = UUID(said["patient_id"]), said["state"]
    own = dossier.c.patient_id == patient_id
    row = (await act.connection.execute(select(dossier).where(own).with_for_update())).one_or_none()
    before = None if row is None else row.state
    if state not in _ACTS or (before is not None and _STATES.index(state) <= _STATES.index(before)):
        return 0
    if row is None and await patients.by_id(act, patient_id) is None:
        return 0
    changes: dict[str, Any] = {"closed_at": instant(said["closed_at"]), "purge_after": instant(said["purge_after"])}
    action = _ACTS[state]
    await lifecycle.write(act, patient_id, action, before, state, **changes)
    await outbox.publish(act, DossierChanged(patient_id=patient_id, act=action.value, to_state=state))
    return await journalled(act, Kind.DOSSIER, action, [patient_id])
