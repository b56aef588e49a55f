"""The versions of one document: which of them are superseded for whom, and what joins them.

Sources: IHE ITI-41 (RPLC), DMP function TD2.1b. Replacing changes nothing of the version before: it is superseded
for whoever may read the new one, and stays as it is for whoever may not (docs/decisions/0087).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, update

from passerelle.audit import journal
from passerelle.audit.transactions import Act
from passerelle.dossier import access
from passerelle.dossier.tables import document, document_key
from passerelle.kernel.errors import Conflict, Refused
from passerelle_policies.decision import decide
from passerelle_policies.vocabulary import Action, DocumentStatus, Kind, Relation


@dataclass(frozen=True, slots=True)
class Link:
    """Where a new version joins a chain: after which version, at which position, and the line that allows it."""

    parent: Row[Any]
    position: int
    line: journal.Line


async def status_shown(act: Act, row: Row[Any]) -> DocumentStatus:
    """What a document that the actor may read says it is to him (`reach.shown_status`)."""
    if row.superseded_by is None:
        return DocumentStatus(row.status)
    standing = await access.standing_of(act.context, act.connection, row.patient_id)
    later = _seen(act, standing, await _versions(act, row.patient_id, row.chain_id), after=row.chain_position)
    return DocumentStatus.SUPERSEDED if later else DocumentStatus(row.status)


async def has_others(act: Act, row: Row[Any]) -> bool:
    """Whether the actor may read another version of the chain."""
    if row.superseded_by is None and row.replaces is None:
        return False
    standing = await access.standing_of(act.context, act.connection, row.patient_id)
    seen = _seen(act, standing, await _versions(act, row.patient_id, row.chain_id))
    return any(each.document_id != row.document_id for each in seen)


async def left_behind(act: Act, row: Row[Any]) -> list[Row[Any]]:
    """What stands of the versions that replaced this one, whether the actor knows of them or not: never to be told to
    him. Who filed them knew of this one; who filed the others of the chain may not."""
    if row.superseded_by is None:
        return []
    versions = await _versions(act, row.patient_id, row.chain_id)
    return [each for each in versions if each.replaces == row.document_id and each.status != DocumentStatus.DELETED]


async def joined(act: Act, patient_id: UUID, unique_id: str, *, succeeds: bool = False) -> Link:
    """Where the version that replaces `unique_id` joins its chain, which is locked: two at once take turns. The actor
    `succeeds` its author where a record above this one says so.

    Refused: as conflicts PARENT_UNKNOWN, alike for who may not know of it; PARENT_OF_ANOTHER_PATIENT;
    PARENT_NOT_CURRENT when it is deleted or the actor may read a later version; DOCUMENT_KEPT_ELSEWHERE;
    ACTION_REFUSED.
    """
    found = await act.connection.execute(
        select(document_key.c.patient_id, document_key.c.document_id, document.c.chain_id)
        .join(
            document,
            (document.c.patient_id == document_key.c.patient_id)
            & (document.c.document_id == document_key.c.document_id),
        )
        .where(document_key.c.unique_id == unique_id)
    )
    key = found.one_or_none()
    if key is None:
        raise Conflict("PARENT_UNKNOWN")
    versions = await _locked(act, key.patient_id, key.chain_id)
    parent = next(each for each in versions if each.document_id == key.document_id)
    standing = await access.standing_of(act.context, act.connection, parent.patient_id)
    if succeeds:
        relations = standing.facts.relations | {Relation.SUCCESSOR}
        standing = replace(standing, facts=replace(standing.facts, relations=relations))
    line = _may_replace(act, parent, standing)
    if parent.patient_id != patient_id:
        raise Conflict("PARENT_OF_ANOTHER_PATIENT")
    if parent.status == DocumentStatus.DELETED:
        raise Conflict("PARENT_NOT_CURRENT", status=parent.status)
    if parent.origin is not None:
        raise Conflict("DOCUMENT_KEPT_ELSEWHERE", network=parent.origin)
    if _seen(act, standing, versions, after=parent.chain_position):
        raise Conflict("PARENT_NOT_CURRENT", status=DocumentStatus.SUPERSEDED.value)
    return Link(parent, versions[-1].chain_position + 1, line)


async def close_behind(act: Act, link: Link, document_id: UUID) -> None:
    """Let the versions before know that a later one exists: nothing that anybody is shown of them changes."""
    await act.connection.execute(
        update(document)
        .where(
            document.c.patient_id == link.parent.patient_id,
            document.c.chain_id == link.parent.chain_id,
            document.c.chain_position < link.position,
            document.c.superseded_by.is_(None),
        )
        .values(superseded_by=document_id)
    )


def _may_replace(act: Act, parent: Row[Any], standing: access.Standing) -> journal.Line:
    """Decide the replacement, on what the version before is: naming oneself author opens nothing.

    The conflict PARENT_UNKNOWN for someone who may not know of the parent, whatever its state and its patient.
    """
    context, overrides, facts = act.context, act.context.tenant.parameters, standing.facts
    about = replace(access.document_facts(context, parent, standing.withheld), status=DocumentStatus.CURRENT)
    decision = decide(facts, Kind.DOCUMENT, Action.REPLACE, about, overrides=overrides)
    said = access.line(decision, Kind.DOCUMENT, Action.REPLACE, parent.patient_id, facts, parent.document_id, about)
    if decision.allowed:
        return said
    is_seen = decide(facts, Kind.DOCUMENT, Action.READ, about, overrides=overrides).allowed
    if parent.status == DocumentStatus.DELETED or not is_seen:
        raise Conflict("PARENT_UNKNOWN", line=said)
    raise Refused("ACTION_REFUSED", line=said)


def _seen(act: Act, standing: access.Standing, versions: Iterable[Row[Any]], after: int = 0) -> list[Row[Any]]:
    """Of the versions past a position, those that the actor may read, or replace: an establishment knows what it filed
    without reading it, and one who is blocked knows his own."""
    overrides = act.context.tenant.parameters

    def knows(row: Row[Any]) -> bool:
        about = access.document_facts(act.context, row, standing.withheld)
        return any(
            decide(standing.facts, Kind.DOCUMENT, each, about, overrides=overrides).allowed
            for each in (Action.READ, Action.REPLACE)
        )

    return [each for each in versions if each.chain_position > after and knows(each)]


async def _locked(act: Act, patient_id: UUID, chain_id: UUID) -> list[Row[Any]]:
    first = select(document.c.document_id).where(
        document.c.patient_id == patient_id, document.c.document_id == chain_id
    )
    await act.connection.execute(first.with_for_update())
    # A statement of its own: what another added while this one waited is not in the snapshot of the one above.
    return await _versions(act, patient_id, chain_id, locked=True)


async def _versions(act: Act, patient_id: UUID, chain_id: UUID, *, locked: bool = False) -> list[Row[Any]]:
    versions = (
        select(document)
        .where(document.c.patient_id == patient_id, document.c.chain_id == chain_id)
        .order_by(document.c.chain_position)
    )
    return [*await act.connection.execute(versions.with_for_update() if locked else versions)]
