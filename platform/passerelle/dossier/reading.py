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
from datetime import UTC, datetime, timedelta
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
    cast,
    func,
    literal,
    not_,
    or_,
    select,
    tuple_,
)

from passerelle.audit.transactions import Act
from passerelle.dossier import access, judging, reach
from passerelle.dossier.judging import Judged
from passerelle.dossier.tables import document, dossier
from passerelle.identities import patients
from passerelle.kernel.clock import months_before
from passerelle.kernel.context import Context
from passerelle.kernel.database import Statement
from passerelle.kernel.errors import InvalidInput, LimitExceeded
from passerelle_policies.vocabulary import Action, DocumentStatus, Kind, Relation

#: Of each filter; there are fewer types of documents than that.
MAX_FILTER_VALUES = 200

#: What a document shows of itself, in the order of the read model.
SHOWN = (
    "document_id", "entry_uuid", "metadata_version", "unique_id", "version_number", "status", "class_code",
    "class_label", "type_code", "type_label", "format_code", "mime_type", "confidentiality", "masked",
    "hidden_from_patient", "hidden_until", "hidden_from_representatives", "title", "language", "authors",
    "structure_id", "facility_type", "practice_setting", "event_codes", "creation_time", "service_start",
    "service_stop", "act_at", "by_patient", "submission_set_id", "filed_at", "size", "sha256", "origin",
)  # fmt: skip


#: The column in which the database keeps the most asked of them, as a face writes them.
SUMMARY = "summary"


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


#: What is kept where nobody says.
UNFILTERED = DocumentFilter()


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


_EPOCH, _TICK = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


def cursor_of(row: dict[str, Any]) -> str:
    """The opaque cursor after this row: the instant of the act and the document, nothing else."""
    at = (datetime.fromisoformat(row["act_at"]) - _EPOCH) // _TICK
    return base64.urlsafe_b64encode(at.to_bytes(8, signed=True) + UUID(row["document_id"]).bytes).decode()


def read_cursor(cursor: str) -> tuple[datetime, UUID]:
    """Read a cursor back; CURSOR_INVALID when it is not one of ours."""
    try:
        raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
        at = _EPOCH + int.from_bytes(raw[:8], signed=True) * _TICK
        return at, UUID(bytes=raw[8:])
    except (ValueError, OverflowError, binascii.Error) as wrong:
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


@dataclass(frozen=True, slots=True)
class Opening:
    """A record being opened, as selectables: what a face shows of it is made of these."""

    judged: Judged
    lines: CTE

    def readable(self) -> ColumnElement[bool]:
        """SQL condition: a row of `document` is of this record, may be seen, and is one of those that are wanted."""
        return and_(
            document.c.patient_id == self.judged.patient_id,
            select(self.judged.verdict.c.allowed).scalar_subquery(),
            reach.visible(document, self.judged.facts, self.lines),
            _filtered(document, reach.shown_status(document, self.judged.facts, self.lines)),
        )

    def page(self, *more: str) -> Select[Any]:
        """The rows of a page and one more, newest first; columns as `SHOWN`, and those named besides."""
        after_at = bindparam("after_at", type_=DateTime(timezone=True))
        after_id = bindparam("after_id", type_=Uuid())
        return (
            select(
                *shown_of(document, self.judged.facts, self.lines),
                *(document.c[name] for name in more),
            )
            .where(
                self.readable(),
                or_(after_at.is_(None), tuple_(document.c.act_at, document.c.document_id) < tuple_(after_at, after_id)),
            )
            .order_by(document.c.act_at.desc(), document.c.document_id.desc())
            .limit(bindparam("page_limit", type_=Integer()))
        )

    def total(self) -> ColumnElement[int]:
        """How many documents are readable."""
        return select(func.count()).select_from(document).where(self.readable()).scalar_subquery()

    def opened_at(self) -> ColumnElement[Any]:
        """When the record was opened."""
        return select(dossier.c.opened_at).where(dossier.c.patient_id == self.judged.patient_id).scalar_subquery()


def opening() -> Opening:
    """Facts, verdict and journal line of an opening, and the lines of the matrix that its documents must meet."""
    judged = judging.judged(Kind.DOSSIER)
    return Opening(judged, reach.reach_lines(judged.facts))


def _opened() -> Select[Any]:
    """The statement of `open_dossier`: facts, verdict, journal line, identity and one page, in one go."""
    it = opening()
    verdict, page = it.judged.verdict, it.page().subquery("page")
    # Arrays in the order of SHOWN: names on every row would be a third of the octets, and of the time.
    listed = select(func.json_agg(func.json_build_array(*page.c))).scalar_subquery()
    identity = patients.identity()
    return select(
        verdict,
        it.opened_at().label("opened_at"),
        func.to_jsonb(identity.table_valued()).label("identity"),
        listed.label("documents"),
        case((bindparam("with_total", type_=Boolean()), it.total())).label("total"),
        select(it.judged.journal_line.c.line_id).scalar_subquery().label("line_id"),
    ).select_from(verdict.outerjoin(identity, and_(identity.c.patient_id == verdict.c.patient_id, verdict.c.allowed)))


OPEN_DOSSIER = Statement(_opened())


def _filter_parameters(context: Context, wanted: DocumentFilter) -> dict[str, Any]:
    lists = (wanted.type_codes, wanted.class_codes, wanted.author_ids, wanted.structure_ids, wanted.facility_types)
    if max(map(len, lists)) > MAX_FILTER_VALUES:
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
        **judging.parameters(context, Kind.DOSSIER, patient_id),
        **reach.reach_parameters(context, Kind.DOCUMENT, Action.READ),
        **_filter_parameters(context, wanted),
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
    wanted = wanted or UNFILTERED
    parameters = open_dossier_parameters(context, patient_id, wanted, first=first, after=after, with_total=with_total)
    row = (await context.tenant.database.fetch(OPEN_DOSSIER, parameters))[0]
    said = dict(zip(OPEN_DOSSIER.columns, row, strict=True))
    if not said["allowed"]:
        raise judging.refusal(context, Kind.DOSSIER, said)
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
    held = standing.facts.relations
    hides = _hides_from(
        literal(Relation.PATIENT in held),
        literal(Relation.REPRESENTATIVE in held),
        access.is_hidden_from_patient(document, literal(act.now)),
        document.c.document_id.in_(standing.withheld),
        literal(act.context.actor.id),
    )
    return select(document.c.document_id).where(document.c.patient_id == patient_id, hides)


def out_of_sight_in_sql(facts: CTE) -> Select[Any]:
    """`out_of_sight`, out of the facts that a statement gathers."""
    withheld = cast(select(facts.c.withheld).scalar_subquery(), ARRAY(Uuid()))
    hides = _hides_from(
        access.holds(facts, Relation.PATIENT),
        access.holds(facts, Relation.REPRESENTATIVE),
        access.is_hidden_from_patient(document),
        document.c.document_id == any_(withheld),
        access.ACTOR_ID,
    )
    its_patient = select(facts.c.patient_id).scalar_subquery()
    return select(document.c.document_id).where(document.c.patient_id == its_patient, hides)


def _hides_from(
    is_patient: ColumnElement[bool],
    is_representative: ColumnElement[bool],
    awaits: ColumnElement[bool],
    is_withheld: ColumnElement[bool],
    actor_id: ColumnElement[str],
) -> ColumnElement[bool]:
    by_him = actor_id == any_(document.c.author_ids)
    return case(
        (is_patient, awaits),
        (is_representative, or_(awaits, document.c.hidden_from_representatives)),
        else_=and_(or_(document.c.masked, is_withheld), not_(by_him)),
    )
