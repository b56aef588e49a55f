"""What of a record is attached to a case: offered to whoever prepares it, and read by its session.

A document is offered and attached by what its attacher may read of the record (`dossier`), and read through the case by
what the rules let the session read (`read-board`, decision 0124): the two decisions are each their own.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    Integer,
    Row,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.audit import journal
from passerelle.audit.transactions import Act
from passerelle.dossier import access as dossier_access
from passerelle.dossier import documents, judging, named, reach
from passerelle.dossier.judging import Judged
from passerelle.dossier.named import Named
from passerelle.kernel.context import Context
from passerelle.kernel.database import Statement
from passerelle.kernel.errors import Conflict, LimitExceeded, Refused
from passerelle.oncology import access, cases
from passerelle.oncology.cases import Case
from passerelle.oncology.tables import case_attachment
from passerelle_policies.decision import decide
from passerelle_policies.vocabulary import Action, DocumentStatus, Kind

_PATIENT_ID = bindparam("oncology_patient_id", type_=Uuid())
_CASE_ID = bindparam("oncology_case_id", type_=Uuid())


class AttachmentNature(StrEnum):
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
def natures() -> Mapping[str, AttachmentNature]:
    """The types of documents that may be attached, by their codes."""
    given = files(__package__).joinpath("attachment_types.csv").read_text("utf-8").splitlines()
    return {each["type_code"]: AttachmentNature(each["nature"]) for each in csv.DictReader(given)}


#: What is shown of a document that may be attached; `attached_at` is null until it is.
ATTACHABLE: Final = ("document_id", "type_code", "type_label", "title", "mime_type", "act_at", "size", "attached_at")


async def attachable(act: Act, patient_id: UUID, case_id: UUID) -> list[dict[str, Any]]:
    """What the actor may attach to a patient's case, newest first, a page at most: of the types that a board reads,
    what he may read himself. It is a reading of the record, and so it is journalled. Rows have the names of
    `ATTACHABLE`.

    Refused: as a reading of the record; CASE_UNKNOWN alike for one that is not there and one that he may not know of.
    """
    await dossier_access.require(act, patient_id, Kind.DOSSIER, Action.READ)
    facts = (await access.standing_on_case(act, patient_id, case_id)).facts
    if not decide(facts, Kind.BOARD_CASE, Action.READ, overrides=act.context.tenant.parameters).allowed:
        raise Conflict("CASE_UNKNOWN")
    standing = await dossier_access.standing_of(act.context, act.connection, patient_id)
    given = {"oncology_patient_id": patient_id, "oncology_case_id": case_id}
    attached = {row.document_id: row.attached_at for row in await act.connection.execute(_ATTACHED, given)}
    names = [name for name in ATTACHABLE if name != "attached_at"]
    offered = await named.of_types(act, patient_id, natures(), standing)
    return [
        {**{name: row._mapping[name] for name in names}, "attached_at": attached.get(row.document_id)}
        for row in offered[: dossier_access.number(act.context, "documents.page_size_max")]
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachableRead:
    """`attachable` as selectables: `rows` has the columns of `ATTACHABLE`."""

    judged: Judged
    is_known: ColumnElement[bool]
    rows: CTE


def attachable_read() -> AttachableRead:
    """Bind values in `attachable_parameters`. Whoever is let in and does not know of the case is answered nothing."""
    patient_id = bindparam("access_patient_id", type_=Uuid())
    of_case = access.case_facts_row(patient_id).cte("case_facts").prefix_with("materialized")
    known = select(reach.rule_of_each(of_case, "case").is_not(None)).select_from(of_case).scalar_subquery()
    judged = judging.judged(Kind.DOSSIER, provided=known)
    lines = reach.reach_lines(judged.facts)
    entry: Any = named.entries("attachable_entry")
    stands = and_(is_attached(case_attachment, patient_id), case_attachment.c.document_id == entry.c.document_id)
    own = (entry.c[name] for name in ATTACHABLE if name != "attached_at")
    rows = select(*own, select(case_attachment.c.attached_at).where(stands).scalar_subquery().label("attached_at"))
    found = rows.where(
        entry.c.patient_id == patient_id,
        judged.is_allowed(),
        known,
        entry.c.type_code == any_(bindparam("attachable_types", type_=ARRAY(Text()))),
        reach.visible(entry, judged.facts, lines),
        reach.shown_status(entry, judged.facts, lines) == DocumentStatus.CURRENT.value,
    )
    newest = found.order_by(entry.c.act_at.desc(), entry.c.document_id.desc())
    page = newest.limit(bindparam("attachable_max", type_=Integer()))
    return AttachableRead(judged=judged, is_known=known, rows=page.cte("attachable"))


def attachable_parameters(context: Context, patient_id: UUID, case_id: UUID) -> dict[str, Any]:
    """Every bind value of `attachable_read`."""
    return {
        **judging.parameters(context, Kind.DOSSIER, patient_id),
        **reach.reach_parameters(context, Kind.DOCUMENT, Action.READ),
        **_of_case(context, case_id),
        "attachable_types": list(natures()),
        "attachable_max": dossier_access.number(context, "documents.page_size_max"),
    }


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
    given = {"oncology_patient_id": case.patient_id, "oncology_case_id": case.case_id}
    return [*await act.connection.execute(_ATTACHED, given)]


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
    way = documents.Way(statement=READ_ATTACHED, parameters=_of_case(context, case_id))
    return await documents.open_content(context, document_id, continues=continues, way=way)


def _of_case(context: Context, case_id: UUID) -> dict[str, Any]:
    parameters = {**access.facts_parameters(context), "oncology_case_id": case_id}
    for is_open, prefix in ((True, "case"), (False, "case_otherwise")):
        parameters |= reach.reach_parameters(context, Kind.BOARD_CASE, Action.READ, prefix, is_open=is_open)
    return parameters


def _through_the_case(entry: Any, facts: CTE) -> ColumnElement[bool]:
    stands = is_attached(case_attachment, entry.c.patient_id, _CASE_ID)
    return and_(
        select(literal(1)).where(case_attachment.c.document_id == entry.c.document_id, stands).exists(),
        select(reach.rule_of_each(facts, "case").is_not(None)).select_from(facts).scalar_subquery(),
    )


READ_ATTACHED = Statement(documents.read_whole(documents.one_document(access.case_facts_row, _through_the_case)))


_ATTACHED: Final = select(case_attachment.c.document_id, case_attachment.c.attached_at).where(
    is_attached(case_attachment)
)


def _unknown(line: journal.Line, found: Named | None, document_id: UUID) -> Refused:
    said = replace(
        line,
        outcome=journal.Outcome.REFUSED,
        code="DOCUMENT_UNKNOWN",
        rule="absent" if found is None else found.decision.rule,
        document_id=None if found is None else document_id,
    )
    return Refused("DOCUMENT_UNKNOWN", line=said)
