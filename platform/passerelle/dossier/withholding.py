"""One document kept from one professional whom the patient names.

What patients ask for and the national record lacks (L.1111-19, R.1111-49). It holds for the whole chain of versions,
those to come included. It is no version of the metadata: nobody else sees that anything changed.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    Row,
    Select,
    Text,
    and_,
    case,
    cast,
    func,
    insert,
    literal,
    select,
    update,
)

from passerelle.audit import outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import access, twins
from passerelle.dossier.events import DocumentWithholdingChanged
from passerelle.dossier.relations import known_professional, not_ended, professional
from passerelle.dossier.tables import document, document_withholding
from passerelle.kernel.errors import Conflict
from passerelle_policies.decision import decide
from passerelle_policies.vocabulary import Action, ActorKind, Kind, Relation


async def withhold(act: Act, document_id: UUID, rpps: str) -> Row[Any]:
    """Keep a document, in all its versions, from one professional; gives its row, unchanged.

    Refused: RPPS_INVALID; DOCUMENT_UNKNOWN; RPPS_UNKNOWN, so that no mistyped number is taken for a closed door;
    AUTHOR_ALWAYS_SEES for one of its authors.
    """
    subject = professional(rpps)
    row = await access.require_document(act, document_id, Action.MASK_FROM)
    await known_professional(act, rpps, even_retired=True)
    if rpps in row.author_ids:
        raise Conflict("AUTHOR_ALWAYS_SEES")
    kept = await act.connection.execute(
        select(document_withholding.c.document_id).where(_in_force(act, row.patient_id), _of(subject))
    )
    already = set(kept.scalars())
    chain = await act.connection.execute(_chain_of(row).with_only_columns(document.c.document_id))
    missing = [each for each in chain.scalars() if each not in already]
    for each in missing:
        await _keep(act, row.patient_id, each, subject, act.context.actor.subject)
    await _tell(act, row, Action.MASK_FROM, changed=bool(missing))
    return row


async def lift(act: Act, document_id: UUID, rpps: str) -> Row[Any]:
    """Show it to that professional again: the versions that the actor knows of, the others stay kept.

    Refused: RPPS_INVALID, DOCUMENT_UNKNOWN.
    """
    subject = professional(rpps)
    row = await access.require_document(act, document_id, Action.UNMASK_FROM)
    standing = await access.standing_of(act.context, act.connection, row.patient_id)
    known = [
        each.document_id
        for each in await act.connection.execute(_chain_of(row))
        if decide(
            standing.facts,
            Kind.DOCUMENT,
            Action.UNMASK_FROM,
            access.document_facts(act.context, each, standing.withheld),
            overrides=act.context.tenant.parameters,
        ).allowed
    ]
    ended = await act.connection.execute(
        update(document_withholding)
        .where(_in_force(act, row.patient_id), _of(subject), document_withholding.c.document_id.in_(known))
        .values(valid_until=act.now, lifted_by=act.context.actor.subject)
    )
    await _tell(act, row, Action.UNMASK_FROM, changed=ended.rowcount > 0)
    return row


async def carry_over(act: Act, parent: Row[Any], document_id: UUID) -> None:
    """Keep a new version from those whom any version of its chain is kept from."""
    chain = _chain_of(parent).with_only_columns(document.c.document_id)
    held = await act.connection.execute(
        select(document_withholding.c.subject, func.min(document_withholding.c.recorded_by))
        .where(_in_force(act, parent.patient_id), document_withholding.c.document_id.in_(chain))
        .group_by(document_withholding.c.subject)
    )
    for subject, recorded_by in held.all():
        await _keep(act, parent.patient_id, document_id, subject, recorded_by)


async def kept_from_some(act: Act, patient_id: UUID) -> dict[UUID, frozenset[str]]:
    """By document of a patient, the subjects whom it is kept from now. Not for a face to show."""
    held = await act.connection.execute(
        select(document_withholding.c.document_id, document_withholding.c.subject).where(_in_force(act, patient_id))
    )
    kept: dict[UUID, set[str]] = {}
    for document_id, subject in held:
        kept.setdefault(document_id, set()).add(subject)
    return {key: frozenset(each) for key, each in kept.items()}


def kept_from(said: CTE, document_id: ColumnElement[UUID]) -> ColumnElement[Any]:
    """SQL: the RPPS of those whom a document is kept from, for the patient and his representatives; null otherwise.

    `said` is a verdict on the document.
    """
    his = cast(literal(f"{{{Relation.PATIENT},{Relation.REPRESENTATIVE}}}"), ARRAY(Text()))
    rpps = func.substr(document_withholding.c.subject, len(_of_professionals) + 1)
    held = select(func.to_json(func.array_agg(func.distinct(rpps)))).where(
        document_withholding.c.patient_id == said.c.patient_id,
        document_withholding.c.document_id == document_id,
        access.in_force(document_withholding.c.valid_from, document_withholding.c.valid_until),
    )
    named = func.coalesce(held.scalar_subquery(), func.json_build_array())
    return case((and_(said.c.allowed, said.c.relations.op("&&")(his)), named))


_of_professionals = f"{ActorKind.PROFESSIONAL}:"


def _chain_of(row: Row[Any]) -> Select[Any]:
    return select(document).where(document.c.patient_id == row.patient_id, document.c.chain_id == row.chain_id)


def _of(subject: str) -> ColumnElement[bool]:
    return document_withholding.c.subject == subject


def _in_force(act: Act, patient_id: UUID) -> ColumnElement[bool]:
    return and_(document_withholding.c.patient_id == patient_id, not_ended(document_withholding, act.now))


async def _keep(act: Act, patient_id: UUID, document_id: UUID, subject: str, recorded_by: str) -> None:
    await act.connection.execute(
        insert(document_withholding).values(
            patient_id=patient_id,
            withholding_id=uuid4(),
            document_id=document_id,
            subject=subject,
            valid_from=act.now,
            recorded_by=recorded_by,
        )
    )


async def _tell(act: Act, row: Row[Any], action: Action, *, changed: bool) -> None:
    if changed:
        await outbox.publish(
            act,
            DocumentWithholdingChanged(
                patient_id=row.patient_id, document_id=row.document_id, act=action.value, origin=row.origin
            ),
        )
        await twins.tell(act, row.patient_id, row.document_id)
