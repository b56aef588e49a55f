"""What of a record is attached to a case: offered to whoever prepares it, and read by its session.

A document is offered and attached by what its attacher may read of the record (`dossier`), and read through the case by
what the rules let the session read (`read-board`, decision 0124): the two decisions are each their own.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Row, Uuid, and_, bindparam, literal, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.audit import journal
from passerelle.audit.transactions import Act
from passerelle.dossier import access as dossier_access
from passerelle.dossier import documents, named, reach
from passerelle.dossier.named import Named
from passerelle.kernel.context import Context
from passerelle.kernel.database import Statement
from passerelle.kernel.errors import Conflict, LimitExceeded, Refused
from passerelle.oncology import access, cases
from passerelle.oncology.cases import Case
from passerelle.oncology.tables import case_attachment
from passerelle_policies.vocabulary import Action, Kind

_PATIENT_ID = bindparam("oncology_patient_id", type_=Uuid())
_CASE_ID = bindparam("oncology_case_id", type_=Uuid())


class Nature(StrEnum):
    """What a document is to a case."""

    PATHOLOGY = "pathology"
    GENETICS = "genetics"
    IMAGING = "imaging"
    INVESTIGATION = "investigation"
    OPERATION = "operation"
    TREATMENT = "treatment"
    LABORATORY = "laboratory"
    BOARD_SHEET = "board_sheet"
    CARE_PLAN = "care_plan"
    SUMMARY = "summary"
    CONSULTATION = "consultation"
    DISCHARGE = "discharge"


@cache
def natures() -> Mapping[str, Nature]:
    """The types of documents that may be attached, by their codes."""
    given = files(__package__).joinpath("attachment_types.csv").read_text("utf-8").splitlines()
    return {each["type_code"]: Nature(each["nature"]) for each in csv.DictReader(given)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachable:
    """A document that the actor may attach. `attached_at` is null until it is."""

    document_id: UUID
    nature: Nature
    type_code: str
    type_label: str
    title: str
    act_at: datetime
    attached_at: datetime | None


async def attachable(act: Act, case_id: UUID) -> list[Attachable]:
    """What the actor may attach to a case, newest first: of the types that a board reads, what he may read himself.

    Refused: CASE_UNKNOWN and CASE_ACTION_REFUSED as `cases.decided`; ACCESS_REFUSED of the record.
    """
    case = await cases.held(act, case_id, Kind.BOARD_CASE, Action.READ)
    await dossier_access.require(act, case.patient_id, Kind.DOSSIER, Action.READ)
    standing = await dossier_access.standing_of(act.context, act.connection, case.patient_id)
    attached = {row.document_id: row.attached_at for row in await attached_to(act, case)}
    return [
        Attachable(
            document_id=row.document_id,
            nature=natures()[row.type_code],
            type_code=row.type_code,
            type_label=row.type_label,
            title=row.title,
            act_at=row.act_at,
            attached_at=attached.get(row.document_id),
        )
        for row in await named.of_types(act, case.patient_id, natures(), standing)
    ]


async def attach(act: Act, case_id: UUID, document_id: UUID) -> None:
    """Attach a document to a case; attached already, nothing changes.

    Refused: as `attachable`; DOCUMENT_UNKNOWN alike for one that is not there, of another patient, or that the actor
    may not read; ATTACHMENT_TYPE_UNFIT; ATTACHMENTS_TOO_MANY, which counts what he may read alone.
    """
    case, line = await cases.decided(act, case_id, Kind.BOARD_CASE, Action.ATTACH)
    standing = await dossier_access.standing_of(act.context, act.connection, case.patient_id)
    found = (await named.decided(act, case.patient_id, [document_id], standing)).get(document_id)
    if found is None or not found.decision.allowed:
        raise _unknown(line, found, document_id)
    if found.row.type_code not in natures():
        raise Conflict("ATTACHMENT_TYPE_UNFIT")
    seen = await readable(act, case)
    limit = dossier_access.number(act.context, "oncology.attachments_max")
    if document_id not in seen and len(seen) >= limit:
        raise LimitExceeded("ATTACHMENTS_TOO_MANY", limit=limit)
    said = {"attached_by": act.context.actor.subject, "attached_at": act.now, "detached_at": None}
    new = upsert(case_attachment).values(
        patient_id=case.patient_id, case_id=case.case_id, document_id=document_id, **said
    )
    await act.connection.execute(
        new.on_conflict_do_update(
            index_elements=["patient_id", "case_id", "document_id"],
            set_=said,
            where=case_attachment.c.detached_at.is_not(None),
        )
    )
    await journal.append(act.connection, act.context, replace(line, document_id=document_id))


async def detach(act: Act, case_id: UUID, document_id: UUID) -> None:
    """Take a document away from a case.

    Refused: as `attachable`; DOCUMENT_UNKNOWN alike for one that is not attached and one that the actor may not read.
    """
    case, line = await cases.decided(act, case_id, Kind.BOARD_CASE, Action.ATTACH)
    seen = await readable(act, case)
    if document_id not in seen:
        raise _unknown(line, None, document_id)
    await act.connection.execute(
        update(case_attachment)
        .where(
            case_attachment.c.patient_id == case.patient_id,
            case_attachment.c.case_id == case.case_id,
            case_attachment.c.document_id == document_id,
        )
        .values(detached_at=act.now)
    )
    await journal.append(act.connection, act.context, replace(line, document_id=document_id))


async def readable(act: Act, case: Case) -> dict[UUID, Named]:
    """What is attached to a case and the actor may read through it, by document. Nothing is journalled."""
    standing = await access.standing_on_case(act, case.patient_id, case.case_id)
    ids = [row.document_id for row in await attached_to(act, case)]
    found = await named.decided(act, case.patient_id, ids, standing)
    return {key: each for key, each in found.items() if each.decision.allowed}


async def attached_to(act: Act, case: Case) -> list[Row[Any]]:
    """What is attached to a case, whoever may read it: never to be told."""
    asked = select(case_attachment.c.document_id, case_attachment.c.attached_at).where(is_attached(case_attachment))
    given = {"oncology_patient_id": case.patient_id, "oncology_case_id": case.case_id}
    return [*await act.connection.execute(asked, given)]


def is_attached(
    attached: Any,
    patient_id: ColumnElement[UUID] = _PATIENT_ID,
    case_id: ColumnElement[UUID] = _CASE_ID,
) -> ColumnElement[bool]:
    """SQL condition: a row of `case_attachment` stands for this case."""
    return and_(attached.c.patient_id == patient_id, attached.c.case_id == case_id, attached.c.detached_at.is_(None))


async def open_attached(
    context: Context, case_id: UUID, document_id: UUID, *, continues: bool = False
) -> documents.OpenedContent:
    """Decide, journal and open the octets of a document through a case, as `documents.open_content` does.

    Refused: DOCUMENT_UNKNOWN alike for a case or a document that is not there, that the actor may not know of, or that
    is not attached.
    """
    parameters = access.facts_parameters(context)
    for is_open, prefix in ((True, "case"), (False, "case_otherwise")):
        parameters |= reach.reach_parameters(context, Kind.BOARD_CASE, Action.READ, prefix, is_open=is_open)
    way = documents.Way(statement=_READ_ATTACHED, parameters={**parameters, "oncology_case_id": case_id})
    return await documents.open_content(context, document_id, continues=continues, way=way)


def _through_the_case(entry: Any, facts: CTE) -> ColumnElement[bool]:
    stands = is_attached(case_attachment, entry.c.patient_id, _CASE_ID)
    return and_(
        select(literal(1)).where(case_attachment.c.document_id == entry.c.document_id, stands).exists(),
        select(reach.rule_of_each(facts, "case").is_not(None)).select_from(facts).scalar_subquery(),
    )


_READ_ATTACHED = Statement(documents.read_whole(documents.one_document(access.case_facts_row, _through_the_case)))


def _unknown(line: journal.Line, found: Named | None, document_id: UUID) -> Refused:
    said = replace(
        line,
        outcome=journal.Outcome.REFUSED,
        code="DOCUMENT_UNKNOWN",
        rule="absent" if found is None else found.decision.rule,
        document_id=None if found is None else document_id,
    )
    return Refused("DOCUMENT_UNKNOWN", line=said)
