"""One document: its metadata with the versions of its chain, and its octets.

Sources: DMP functions TD3.1 and TD3.2 (ITI-18, ITI-43; ITI-67, ITI-68). An absent document and one that the
actor may not know of are refused alike.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    DateTime,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
)

from passerelle.audit import journal
from passerelle.dossier import access, copies, reach, reading, withholding
from passerelle.dossier.contents import content_binding
from passerelle.dossier.tables import document, dossier
from passerelle.kernel.context import Context
from passerelle.kernel.database import Statement
from passerelle.kernel.errors import Refused
from passerelle.kernel.keys import DossierKey
from passerelle_policies.vocabulary import Action, Kind

#: The kind of a journal line about a document's octets rather than its metadata.
CONTENT = "content"


#: Of a row of documents and of the facts of a reader, the SQL condition that it is one of those meant.
Among: TypeAlias = Callable[[Any, CTE], ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Reading:
    """One document being read, as selectables: what a face shows of it is made of these.

    `verdict` has one row; `found` has the document (SHOWN, `content_name`, `chain_id`, `rule`) when it may be read.
    """

    document_id: ColumnElement[UUID]
    facts: CTE
    lines: CTE
    found: CTE
    verdict: CTE
    journal_line: CTE

    def versions(self) -> Select[Any]:
        """The versions of its chain that may be seen, newest first; columns as SHOWN."""
        version = document.alias("version")
        return (
            select(*reading.shown_of(version, self.facts, self.lines))
            .where(
                version.c.patient_id == select(self.facts.c.patient_id).scalar_subquery(),
                version.c.chain_id == select(self.found.c.chain_id).scalar_subquery(),
                reach.visible(version, self.facts, self.lines),
            )
            .order_by(version.c.chain_position.desc())
        )

    def withheld_from(self) -> ColumnElement[Any]:
        """Whom the patient keeps it from, in JSON, for those who may know."""
        return withholding.kept_from(self.verdict, self.document_id)


def one_document(
    facts_row: Callable[[ColumnElement[UUID]], Select[Any]] = access.facts_row, among: Among | None = None
) -> Reading:
    """Facts, verdict on one document, journal line, its row and the visible versions of its chain.

    For a domain above that opens some documents in another way: `facts_row` gathers its facts, and `among` says, of a
    row of documents and of those facts, that it is one of them.
    """
    document_id = bindparam("document_id", type_=Uuid())
    # An absent document must take as long as a refused one: the work is done about the next one, and thrown away.
    next_one = _materialized(
        select(document.c.document_id, document.c.patient_id, (document.c.document_id == document_id).label("is_it"))
        .where(document.c.document_id >= document_id)
        .order_by(document.c.document_id)
        .limit(1),
        "next_one",
    )
    is_it = func.coalesce(select(next_one.c.is_it).scalar_subquery(), literal_column("false"))
    nobody = literal(journal.NOBODY, Uuid())
    its_patient = func.coalesce(select(next_one.c.patient_id).scalar_subquery(), nobody)
    facts = _materialized(facts_row(its_patient), "facts")
    lines = reach.reach_lines(facts)
    entry = document.alias("entry")
    rule = reach.rule_showing(entry, lines).label("rule")
    among_them = [] if among is None else [among(entry, facts)]
    found = (
        select(
            *reading.shown_of(entry, facts, lines),
            copies.name_now(entry, access.NOW).label("content_name"),
            entry.c.chain_id,
            rule,
        )
        .where(
            entry.c.patient_id == select(facts.c.patient_id).scalar_subquery(),
            entry.c.document_id == select(next_one.c.document_id).scalar_subquery(),
            # In this order: whether it is there must not spare the look at who may see it.
            case((and_(reach.visible(entry, facts, lines), *among_them), is_it), else_=literal_column("false")),
        )
        .cte("found")
    )
    # What is asked for, seen or not: the journal says what the decision was taken on. No row when it is not there.
    it = document.alias("it")
    judged = _materialized(
        select(*reach.document_facts(it, facts)).where(
            it.c.document_id == select(next_one.c.document_id).scalar_subquery()
        ),
        "judged_document",
    )
    asked = select(judged).where(is_it).cte("asked")
    verdict = reach.document_verdict(_of_nobody_unless(is_it, facts), asked, select(found.c.rule).scalar_subquery())
    # One reading of a content may come in many ranges: those that follow the first write no line.
    since = bindparam("same_reading_since", type_=DateTime(timezone=True))
    kind = bindparam("journal_kind", type_=Text())
    journal_line = journal.written_by(
        verdict,
        returning=(),
        unless=and_(
            since.is_not(None),
            verdict.c.allowed,
            journal.has_line_since(verdict.c.patient_id, document_id, kind, since),
        ),
        patient_id=verdict.c.patient_id,
        kind=kind,
        action=literal(Action.READ.value),
        document_id=cast(document_id, Uuid()),
        **reach.verdict_columns(verdict, reach.in_journal(asked)),
    )
    return Reading(
        document_id=document_id, facts=facts, lines=lines, found=found, verdict=verdict, journal_line=journal_line
    )


def read_whole(it: Reading) -> Select[Any]:
    """The statement of a reading: the document, the versions of its chain, and the key of its octets."""
    shown = select(*(each for each in it.found.c if each.name not in {"chain_id", "rule"})).subquery("shown")
    versions = it.versions().subquery("versions")
    return select(
        it.verdict,
        select(func.row_to_json(shown.table_valued())).scalar_subquery().label("document"),
        select(func.json_agg(func.row_to_json(versions.table_valued()))).scalar_subquery().label("versions"),
        select(dossier.c.wrapped_key)
        .where(dossier.c.patient_id == it.verdict.c.patient_id, it.verdict.c.allowed)
        .scalar_subquery()
        .label("wrapped_key"),
        it.withheld_from().label("withheld_from"),
        select(it.journal_line.c.line_id).scalar_subquery().label("line_id"),
    ).select_from(it.verdict)


def _materialized(chosen: Select[Any], name: str) -> CTE:
    """A part of the statement that is worked out once, whoever uses it."""
    return chosen.cte(name).prefix_with("materialized", dialect="postgresql")


def _of_nobody_unless(is_it: ColumnElement[bool], facts: CTE) -> CTE:
    """The facts, or what holds between the actor and nobody."""
    nothing = literal("{}")
    return select(
        case((is_it, facts.c.patient_id), else_=literal(journal.NOBODY, Uuid())).label("patient_id"),
        case((is_it, facts.c.state)).label("state"),
        and_(is_it, facts.c.blocked).label("blocked"),
        and_(is_it, facts.c.objection).label("objection"),
        case((is_it, facts.c.relations), else_=cast(nothing, ARRAY(Text()))).label("relations"),
    ).cte("facts_told")


READ_DOCUMENT = Statement(read_whole(one_document()))


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedDocument:
    """One document with the versions of its chain that the actor may see, newest first.

    `withheld_from`: the RPPS of those whom the patient keeps it from, for the patient and his representatives alone.
    """

    patient_id: UUID
    document: dict[str, Any]
    versions: list[dict[str, Any]]
    wrapped_key: bytes
    rule: str
    withheld_from: list[str] | None


async def read_document(context: Context, document_id: UUID) -> OpenedDocument:
    """Open one document's metadata and versions, journalled; `Refused` with DOCUMENT_UNKNOWN alike for an
    absent document and for one that the actor may not know of."""
    return await _read(context, document_id, Kind.DOCUMENT.value, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedContent:
    """A content that the actor may read; `read` gives any part of it."""

    context: Context
    patient_id: UUID
    document: dict[str, Any]
    _key: DossierKey
    _name: str

    @property
    def size(self) -> int:
        return int(self.document["size"])

    def read(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """`content[start:stop]`, each piece authenticated; `BrokenIntegrity` when it was altered.

        What another network keeps is fetched from there, and a copy of it kept for a while: `TryLater` NETWORK_AWAY.
        """
        tenant, document_id = self.context.tenant, UUID(self.document["document_id"])
        if self.document["origin"] is not None and not self._name:
            return copies.fetched(self.context, self.patient_id, self.document, self._key, start, stop)
        return tenant.contents.read(self._name, self._key, content_binding(tenant.id, document_id), start, stop)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Another way to documents than the record's own: a statement of `read_whole`, and its bind values besides."""

    statement: Statement
    parameters: Mapping[str, Any]


async def open_content(
    context: Context, document_id: UUID, *, continues: bool = False, way: Way | None = None
) -> OpenedContent:
    """Decide, journal (as kind `content`) and open a document's octets.

    When the request `continues` a reading, a line that this actor wrote for this content within
    `journal.same_reading_minutes` stands for it too. Refused as `read_document`.
    """
    same_reading = timedelta(minutes=access.number(context, "journal.same_reading_minutes"))
    since = context.clock.now() - same_reading if continues else None
    opened = await _read(context, document_id, CONTENT, since, way)
    tenant = context.tenant
    return OpenedContent(
        context=context,
        patient_id=opened.patient_id,
        document=opened.document,
        _key=tenant.keys.dossier_key(tenant.id, opened.patient_id, opened.wrapped_key),
        _name=opened.document["content_name"],
    )


def read_parameters(
    context: Context, document_id: UUID, kind: str = Kind.DOCUMENT.value, since: datetime | None = None
) -> dict[str, Any]:
    """Every bind value of a reading: `since` when a line of then stands for this one too."""
    return {
        **access.facts_parameters(context),
        **reach.reach_parameters(context, Kind.DOCUMENT, Action.READ),
        **reach.verdict_parameters(context),
        **journal.parameters(context),
        "document_id": document_id,
        "journal_kind": kind,
        "same_reading_since": since,
    }


async def _read(
    context: Context, document_id: UUID, kind: str, since: datetime | None, way: Way | None = None
) -> OpenedDocument:
    parameters = read_parameters(context, document_id, kind, since)
    statement = READ_DOCUMENT if way is None else way.statement
    if way is not None:
        parameters |= way.parameters
    row = (await context.tenant.database.fetch(statement, parameters))[0]
    said = dict(zip(statement.columns, row, strict=True))
    if not said["allowed"]:
        raise Refused("DOCUMENT_UNKNOWN")
    return OpenedDocument(
        patient_id=said["patient_id"],
        document=said["document"],
        versions=said["versions"] or [],
        wrapped_key=bytes(said["wrapped_key"]),
        rule=said["rule"],
        withheld_from=said["withheld_from"],
    )
