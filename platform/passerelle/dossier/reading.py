"""Reading a record: the page of documents that one SQL statement gathers, filters and journals.

DESIGN §1, "a read": the statement collects the facts of (actor, patient), keeps only what the matrix lets
him see, writes the journal line and returns everything at once. Sources: CSP L.1111-17, L.1111-19; window
of 24 months and current documents by default (PDSm4DMP, first automatic search).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    Boolean,
    ColumnElement,
    DateTime,
    Integer,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    func,
    literal,
    not_,
    or_,
    select,
    tuple_,
)

from passerelle.audit import journal
from passerelle.audit.transactions import Act
from passerelle.dossier import access, reach
from passerelle.dossier.tables import document, dossier
from passerelle.identities import patients
from passerelle.kernel.clock import months_before
from passerelle.kernel.context import Context
from passerelle.kernel.database import Statement
from passerelle.kernel.errors import InvalidInput, LimitExceeded, Refused
from passerelle_policies.decision import decide
from passerelle_policies.vocabulary import Action, DocumentStatus, Kind, Relation

#: Of each filter; there are fewer types of documents than that.
MAX_FILTER_VALUES = 200

#: What a document shows of itself, in the order of the read model.
SHOWN = (
    "document_id", "entry_uuid", "metadata_version", "unique_id", "version_number", "status", "class_code",
    "class_label", "type_code", "type_label", "format_code", "mime_type", "confidentiality", "masked",
    "hidden_from_patient", "hidden_until", "hidden_from_representatives", "title", "language", "authors",
    "structure_id", "facility_type", "practice_setting", "event_codes", "creation_time", "service_start",
    "service_stop", "act_at", "by_patient", "submission_set_id", "filed_at", "size", "sha256",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFilter:
    """What to keep of the documents. Empty means no condition; `since` left out means the default window.

    `statuses` holds DocumentStatus values; `since` and `until` bound the act (`until` exclusive).
    """

    type_codes: Sequence[str] = ()
    class_codes: Sequence[str] = ()
    statuses: Sequence[str] = (DocumentStatus.CURRENT.value,)
    author_ids: Sequence[str] = ()
    structure_ids: Sequence[str] = ()
    facility_types: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    whole_history: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentPage:
    """One page of documents, newest first. Rows are mappings with the names in `SHOWN`."""

    documents: list[dict[str, Any]]
    has_next: bool
    total: int | None
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedDossier:
    """What an opened record shows at once."""

    patient_id: UUID
    state: str | None
    opened_at: datetime | None
    relations: tuple[str, ...]
    identity: dict[str, Any]
    page: DocumentPage
    rule: str = field(default="")


def cursor_of(row: dict[str, Any]) -> str:
    """The opaque cursor after this row: the instant of the act and the document, nothing else."""
    return base64.urlsafe_b64encode(f"{row['act_at']}|{row['document_id']}".encode()).decode()


def read_cursor(cursor: str) -> tuple[datetime, UUID]:
    """Read a cursor back; CURSOR_INVALID when it is not one of ours."""
    try:
        at, document_id = base64.urlsafe_b64decode(cursor.encode()).decode().split("|")
        return datetime.fromisoformat(at), UUID(document_id)
    except (ValueError, binascii.Error, UnicodeError) as wrong:
        raise InvalidInput("CURSOR_INVALID") from wrong


def shown_of(entry: Any, facts: CTE, lines: CTE) -> list[ColumnElement[Any]]:
    """The columns of `SHOWN`, as this reader sees them at the instant of the request."""
    for_him: dict[str, ColumnElement[Any]] = {
        "hidden_from_patient": access.is_hidden_from_patient(entry),
        "status": reach.shown_status(entry, facts, lines),
    }
    return [for_him[name].label(name) if name in for_him else entry.c[name] for name in SHOWN]


def _filtered(entry: Any, status: ColumnElement[str]) -> ColumnElement[bool]:
    def among(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
        given = bindparam(name, type_=ARRAY(Text()))
        return or_(given.is_(None), column == any_(given))

    since = bindparam("filter_since", type_=DateTime(timezone=True))
    until = bindparam("filter_until", type_=DateTime(timezone=True))
    authors = bindparam("filter_author_ids", type_=ARRAY(Text()))
    return and_(
        among(entry.c.type_code, "filter_type_codes"),
        among(entry.c.class_code, "filter_class_codes"),
        among(status, "filter_statuses"),
        among(entry.c.structure_id, "filter_structure_ids"),
        among(entry.c.facility_type, "filter_facility_types"),
        or_(authors.is_(None), entry.c.author_ids.op("&&")(authors)),
        or_(since.is_(None), entry.c.act_at >= since),
        or_(until.is_(None), entry.c.act_at < until),
    )


def _opened() -> Select[Any]:
    """The statement of `open_dossier`: facts, verdict, journal line, identity and one page, in one go."""
    patient_id = bindparam("access_patient_id", type_=Uuid())
    facts = access.facts_row(patient_id).cte("facts")
    verdict = reach.verdict(facts)
    lines = reach.reach_lines(facts)
    journal_line = journal.written_by(
        verdict,
        patient_id=verdict.c.patient_id,
        kind=literal(Kind.DOSSIER.value),
        action=literal(Action.READ.value),
        **reach.verdict_columns(verdict),
    )
    readable = and_(
        document.c.patient_id == patient_id,
        select(verdict.c.allowed).scalar_subquery(),
        reach.visible(document, facts, lines),
        _filtered(document, reach.shown_status(document, facts, lines)),
    )
    after_at = bindparam("after_at", type_=DateTime(timezone=True))
    after_id = bindparam("after_id", type_=Uuid())
    page = (
        select(*shown_of(document, facts, lines))
        .where(
            readable,
            or_(after_at.is_(None), tuple_(document.c.act_at, document.c.document_id) < tuple_(after_at, after_id)),
        )
        .order_by(document.c.act_at.desc(), document.c.document_id.desc())
        .limit(bindparam("page_limit", type_=Integer()))
        .subquery("page")
    )
    # Arrays in the order of SHOWN: names on every row would be a third of the octets, and of the time.
    listed = select(func.json_agg(func.json_build_array(*page.c))).scalar_subquery()
    total = select(func.count()).select_from(document).where(readable).scalar_subquery()
    identity = patients.identity()
    return select(
        verdict,
        select(dossier.c.opened_at).where(dossier.c.patient_id == patient_id).scalar_subquery().label("opened_at"),
        func.to_jsonb(identity.table_valued()).label("identity"),
        listed.label("documents"),
        case((bindparam("with_total", type_=Boolean()), total)).label("total"),
        select(journal_line.c.line_id).scalar_subquery().label("line_id"),
    ).select_from(verdict.outerjoin(identity, and_(identity.c.patient_id == verdict.c.patient_id, verdict.c.allowed)))


OPEN_DOSSIER = Statement(_opened())


def _filter_parameters(context: Context, wanted: DocumentFilter) -> dict[str, Any]:
    for given in (
        wanted.type_codes,
        wanted.class_codes,
        wanted.author_ids,
        wanted.structure_ids,
        wanted.facility_types,
    ):
        if len(given) > MAX_FILTER_VALUES:
            raise LimitExceeded("FILTER_TOO_LONG", limit=MAX_FILTER_VALUES)
    since = wanted.since
    if since is None and not wanted.whole_history:
        months = access.number(context, "documents.default_window_months")
        since = months_before(context.clock.now(), months)
    return {
        "filter_type_codes": list(wanted.type_codes) or None,
        "filter_class_codes": list(wanted.class_codes) or None,
        "filter_statuses": list(wanted.statuses) or None,
        "filter_author_ids": list(wanted.author_ids) or None,
        "filter_structure_ids": list(wanted.structure_ids) or None,
        "filter_facility_types": list(wanted.facility_types) or None,
        "filter_since": since,
        "filter_until": wanted.until,
    }


def page_size(context: Context, first: int | None) -> int:
    """The size of a page; PAGE_SIZE_INVALID past the rule's bounds."""
    largest = access.number(context, "documents.page_size_max")
    size = first if first is not None else access.number(context, "documents.page_size_default")
    if not 1 <= size <= largest:
        raise LimitExceeded("PAGE_SIZE_INVALID", limit=largest)
    return size


def open_dossier_parameters(
    context: Context,
    patient_id: UUID,
    wanted: DocumentFilter,
    *,
    first: int | None = None,
    after: str | None = None,
    with_total: bool = False,
) -> dict[str, Any]:
    """Every bind value of OPEN_DOSSIER."""
    after_at, after_id = read_cursor(after) if after else (None, None)
    return {
        **access.facts_parameters(context),
        **reach.reach_parameters(context, Kind.DOCUMENT, Action.READ),
        **reach.verdict_parameters(context),
        **journal.parameters(context),
        **_filter_parameters(context, wanted),
        "access_patient_id": patient_id,
        "after_at": after_at,
        "after_id": after_id,
        "page_limit": page_size(context, first) + 1,
        "with_total": with_total,
    }


async def open_dossier(
    context: Context,
    patient_id: UUID,
    wanted: DocumentFilter | None = None,
    *,
    first: int | None = None,
    after: str | None = None,
    with_total: bool = False,
) -> OpenedDossier:
    """Open a patient's record: identity and one page of the documents that the actor may see.

    `Refused` (journalled) alike for an unknown patient and for one whose record is closed to the actor.
    """
    wanted = wanted or DocumentFilter()
    parameters = open_dossier_parameters(context, patient_id, wanted, first=first, after=after, with_total=with_total)
    row = (await context.tenant.database.fetch(OPEN_DOSSIER, parameters))[0]
    said = dict(zip(OPEN_DOSSIER.columns, row, strict=True))
    if not said["allowed"]:
        facts = access.facts_from(context, said)
        decision = decide(facts, Kind.DOSSIER, Action.READ, overrides=context.tenant.parameters)
        raise Refused(access.code_told(decision, facts, Kind.DOSSIER, Action.READ), rule=decision.rule)
    documents = [dict(zip(SHOWN, each, strict=True)) for each in said["documents"] or ()]
    size = parameters["page_limit"] - 1
    return OpenedDossier(
        patient_id=patient_id,
        state=said["state"],
        opened_at=said["opened_at"],
        relations=tuple(said["relations"]),
        identity=said["identity"],
        page=DocumentPage(
            documents=documents[:size],
            has_next=len(documents) > size,
            total=said["total"],
            since=parameters["filter_since"],
        ),
        rule=said["rule"],
    )


def out_of_sight(act: Act, patient_id: UUID, standing: access.Standing) -> Select[Any]:
    """The documents of a record that a reader of its journal must not learn of today, deleted ones included."""
    awaiting = access.is_hidden_from_patient(document, literal(act.now))
    relations = standing.facts.relations
    if Relation.PATIENT in relations:
        hides = awaiting
    elif Relation.REPRESENTATIVE in relations:
        hides = or_(awaiting, document.c.hidden_from_representatives)
    else:
        by_him = literal(act.context.actor.id) == any_(document.c.author_ids)
        hides = and_(or_(document.c.masked, document.c.document_id.in_(standing.withheld)), not_(by_him))
    return select(document.c.document_id).where(document.c.patient_id == patient_id, hides)
