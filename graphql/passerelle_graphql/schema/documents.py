"""A document of the record as the graph shows it: the XDS metadata, and where its content is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import strawberry
from sqlalchemy import case, func, select, true

from passerelle.dossier import documents, emergencies, reading
from passerelle.dossier.formats.submission import RPPS_DOMAIN
from passerelle.kernel.errors import Refused
from passerelle_graphql.compiler import shapes
from passerelle_graphql.compiler.building import (
    Kept,
    Row,
    Shape,
    WithKept,
    entity,
    leaf,
    listed,
    needing,
    row_of,
)
from passerelle_graphql.compiler.roots import TENANT_PATH, Frame, Given, ReadRoot, given
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import Asked, ResolverInfo, asked_of, context_of
from passerelle_graphql.declared import fields_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of, node_id
from passerelle_graphql.problems import InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import as_uuid, in_sql, shape, shown
from passerelle_graphql.schema import opened_under
from passerelle_graphql.schema.enums import DocumentStatus, Mode
from passerelle_graphql.schema.reasons import AccessReason, reason_in_sql, reason_of
from passerelle_graphql.schema.values import CodedValue, PageInfo, coded, coded_in_sql, coding, instant
from passerelle_policies import nomenclatures

CDA = "text/xml"


@strawberry.type(description="Qui a écrit ou signé, tel que signé.")
class Author:
    kind: str = strawberry.field(description="professional, patient ou device.")
    rpps: str | None
    family_name: str | None
    given_name: str | None
    profession: CodedValue | None
    specialty: CodedValue | None
    role: str | None
    structure_id: str | None
    structure_name: str | None


@strawberry.type(description="Un acte ou une pathologie dont parle le document.")
class EventCode:
    code: str
    system: str | None
    label: str | None


@in_sql(lambda key: leaf(shapes.quoted_id(Node.DOCUMENT)(key)))
def document_id(value: UUID | str) -> strawberry.ID:
    return node_id(Node.DOCUMENT, as_uuid(value))


def author_fields() -> dict[str, Shape]:
    """The fields of an author over `author.value`, as a document keeps him."""

    def of(name: str) -> Sql:
        return Sql(f"author.value ->> '{name}'")

    professions = {code: each.label for code, each in nomenclatures.professions().items()}
    specialties = {code: each.label for code, each in nomenclatures.specialties().items()}
    profession, specialty = Sql(f"({of('profession')})"), Sql(f"({of('specialty')})")
    label = Sql(f"coalesce(nullif({of('profession_label')}, ''), {shapes.label_in(professions, profession)})")
    return {
        "kind": leaf(shapes.free_text(of("kind"))),
        "rpps": leaf(
            shapes.free_text(Sql(f"case when {of('id_oid')} = {shapes.constant(RPPS_DOMAIN)} then {of('id')} end"))
        ),
        "familyName": leaf(shapes.free_text(of("family_name"))),
        "givenName": leaf(shapes.free_text(of("given_name"))),
        "profession": coded_in_sql(profession, label),
        "specialty": coded_in_sql(specialty, shapes.label_in(specialties, specialty)),
        "role": leaf(shapes.free_text(of("role"))),
        "structureId": leaf(shapes.free_text(of("structure_id"))),
        "structureName": leaf(shapes.free_text(of("structure_name"))),
    }


def _authors_in_sql(column: Sql) -> Shape:
    rows = Sql(f"jsonb_array_elements({column}) with ordinality as author(value, number)")
    return listed("Author", author_fields(), rows, Sql("author.number"))


def _event_codes_in_sql(column: Sql) -> Shape:
    fields = {name: leaf(shapes.free_text(Sql(f"event.value ->> '{name}'"))) for name in ("code", "system", "label")}
    rows = Sql(f"jsonb_array_elements({column}) with ordinality as event(value, number)")
    return listed("EventCode", fields, rows, Sql("event.number"))


@in_sql(_authors_in_sql)
def authors(value: Sequence[Mapping[str, Any]]) -> list[Author]:
    return [_author(each) for each in value]


@in_sql(_event_codes_in_sql)
def event_codes(value: Sequence[Mapping[str, Any]]) -> list[EventCode]:
    return [EventCode(code=each["code"], system=each.get("system"), label=each.get("label")) for each in value]


@strawberry.type(description="Un document du dossier (DocumentEntry XDS).")
class Document:
    id: strawberry.ID = shown("document_id", by=document_id, needed_by=("contentUrl", "viewUrl"))
    logical_id: UUID = shown("document_id", by=as_uuid, description="logicalId XDS : stable.")
    entry_uuid: UUID = shown(by=as_uuid, description="entryUUID XDS : neuf à chaque version des métadonnées.")
    metadata_version: int = shown()
    unique_id: str = shown(description="uniqueId du producteur.")
    version_number: int | None = shown()
    status: DocumentStatus = shown(
        by=DocumentStatus, description="SUPERSEDED quand le lecteur peut voir une version plus récente."
    )
    class_: CodedValue = shown("class_code", "class_label", by=coding, name="class")
    type: CodedValue = shown("type_code", "type_label", by=coding)
    format_code: str | None = shown()
    mime_type: str = shown()
    confidentiality: str = shown()
    masked: bool = shown(description="Masqué aux professionnels.")
    hidden_from_patient: bool = shown(
        description="Non visible par le patient avant l'annonce ; faux dès le terme, hiddenUntil, passé."
    )
    hidden_until: datetime | None = shown(by=instant)
    hidden_from_representatives: bool = shown()
    title: str = shown()
    language: str | None = shown()
    authors: list[Author] = shown(by=authors, assumed_size=3)
    structure_id: str | None = shown()
    facility_type: str | None = shown()
    practice_setting: str | None = shown()
    event_codes: list[EventCode] = shown(by=event_codes, assumed_size=3)
    creation_time: str | None = shown(description="Tel que donné (HL7), de toute précision.")
    service_start: str | None = shown(description="Tel que donné (HL7).")
    service_stop: str | None = shown(description="Tel que donné (HL7).")
    act_at: datetime = shown(by=instant, description="L'instant qui ordonne les listes.")
    by_patient: bool = shown(description="Ajouté par le patient.")
    submission_set_id: UUID = shown(by=as_uuid, description="Le lot de soumission où il est arrivé.")
    filed_at: datetime = shown(by=instant)
    size: int = shown(description="En octets.")
    sha256: str = shown(description="Empreinte du contenu en clair.")
    kept_by: str | None = shown("origin", description="Le réseau qui conserve le document ; null : celui-ci.")

    @resolved("Où lire les octets tels que déposés, avec le même jeton.")
    def content_url(self, info: ResolverInfo) -> str:
        return f"{info.context.path}/documents/{self.id}/content"

    @resolved("Où lire un CDA mis en page sans rien d'actif.")
    def view_url(self, info: ResolverInfo) -> str | None:
        return f"{info.context.path}/documents/{self.id}/view" if self.mime_type == CDA else None


#: What `reading.SUMMARY` holds of each document.
KEPT = Kept(
    Sql(f"page.{reading.SUMMARY}"),
    "Document",
    "DocumentSummary",
    files("passerelle_graphql").joinpath("operations", "open_dossier.graphql").read_text("utf-8"),
)


def document_fields(row: Row) -> dict[str, Shape]:
    """The fields of a document over a row with the columns of `reading.SHOWN`, and `node_id` if it is at hand."""
    node = row.get("node_id") or shapes.node_id(Node.DOCUMENT)(row["document_id"])
    address = f"{TENANT_PATH} || '/documents/' || {node}"
    view = Sql(f"case when {row['mime_type']} = {shapes.constant(CDA)} then {address} || '/view' end")
    return fields_of(
        Document,
        row,
        id=leaf(shapes.quoted(node)),
        content_url=leaf(shapes.quoted(Sql(f"{address} || '/content'"))),
        view_url=leaf(shapes.quoted(view)),
    )


@strawberry.type
class DocumentEdge:
    cursor: str
    node: Document


@strawberry.type(description="Une page de documents, du plus récent au plus ancien.")
class DocumentConnection:
    edges: list[DocumentEdge]
    page_info: PageInfo
    total_count: int | None = strawberry.field(description="Combien répondent au filtre, parmi ceux qu'on peut voir.")
    since: datetime | None = strawberry.field(description="Début de la fenêtre appliquée.")

    @strawberry.field
    def nodes(self) -> list[Document]:
        return [each.node for each in self.edges]


@strawberry.type(description="Un document ouvert, avec les versions de sa chaîne que l'on peut voir.")
class OpenedDocument:
    document: Document
    access: AccessReason | None = strawberry.field(description="Pourquoi l'acteur peut le lire.")
    versions: list[Document] = strawberry.field(directives=[counted(10)])
    withheld_from: list[str] | None = strawberry.field(
        directives=[counted(10)],
        description="Numéros RPPS des professionnels à qui le patient le cache ; dit à lui et à ses représentants.",
    )


DocumentResult: TypeAlias = Annotated[
    OpenedDocument | Refusal | InvalidInput | TryLater, strawberry.union("DocumentResult")
]


@strawberry.type
class DocumentQuery:
    @resolved("Ouvrir un document. Absent et refusé ne se distinguent pas.", cost=5)
    async def document(self, info: ResolverInfo, id: strawberry.ID) -> DocumentResult:  # noqa: A002 - the graph's name
        opened = await documents.read_document(context_of(info), key_of(Node.DOCUMENT, id))
        if context_of(info).mode is Mode.BREAK_GLASS:
            info.context.opened(await emergencies.own_emergency(context_of(info), opened.patient_id))
        return OpenedDocument(
            document=shape(Document, opened.document, asked_of(info)),
            access=reason_of(context_of(info), opened.rule) if "access" in asked_of(info) else None,
            versions=[shape(Document, each, asked_of(info)) for each in opened.versions],
            withheld_from=opened.withheld_from,
        )


#: What a page of documents is made of, over the rows that were `found`; the cursor is that of `reading.cursor_of`.
PAGE_COLUMNS = {
    **row_of("found", (*reading.SHOWN, reading.SUMMARY)),
    "node_id": shapes.node_id(Node.DOCUMENT)(Sql("found.document_id")),
    "cursor": Sql(
        "translate(encode(int8send((extract(epoch from found.act_at) * 1000000)::bigint)"
        " || uuid_send(found.document_id), 'base64'), '+/', '-_')"
    ),
    "number": Sql("row_number() over (order by found.act_at desc, found.document_id desc)"),
}
_PAGE = row_of("page", tuple(PAGE_COLUMNS))
_SHOWN = "page.number <= (select size from given)"
_ON_PAGE = Sql(f"page where {_SHOWN}")


def _edge(select: str) -> Sql:
    return Sql(f"(select page.cursor from {_ON_PAGE} order by page.number{select} limit 1)")


def connection_in_sql(*, total: Shape, since: Sql) -> Shape:
    """`connection`, by the database: over a CTE `page` (SHOWN, `cursor`, `number` from 1, one row too many) and a CTE
    `given` (`size`, `is_first`)."""
    node = WithKept(document_fields(_PAGE), KEPT)
    page_info = {
        "hasNextPage": leaf(shapes.plain(Sql(f"exists (select from page where not ({_SHOWN}))"))),
        "hasPreviousPage": leaf(shapes.plain(Sql("select not is_first from given"))),
        "startCursor": leaf(shapes.quoted(_edge(""))),
        "endCursor": leaf(shapes.quoted(_edge(" desc"))),
    }
    edge = {"cursor": leaf(shapes.quoted(_PAGE["cursor"])), "node": entity("Document", node)}
    return entity(
        "DocumentConnection",
        {
            "edges": listed("DocumentEdge", edge, _ON_PAGE, _PAGE["number"]),
            "nodes": listed("Document", node, _ON_PAGE, _PAGE["number"]),
            "pageInfo": entity("PageInfo", page_info),
            "totalCount": total,
            "since": leaf(shapes.instant(since)),
        },
    )


def connection(page: reading.DocumentPage, asked: frozenset[str], *, is_first: bool) -> DocumentConnection:
    """A page of the read model as a Relay connection; `asked` as for `shape`."""
    edges = [DocumentEdge(cursor=reading.cursor_of(row), node=shape(Document, row, asked)) for row in page.documents]
    return DocumentConnection(
        edges=edges,
        page_info=PageInfo(
            has_next_page=page.has_next,
            has_previous_page=not is_first,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
        total_count=page.total,
        since=page.since,
    )


_FOUND = "found"
_VERSION = "versions"


@cache
def _frame(needs: frozenset[str]) -> Frame:
    """Reading one document, with the versions of its chain only where the operation asks for them."""
    it = documents.one_document()
    own = opened_under.own_emergency(it.verdict, needs)
    also = [it.journal_line, it.found, given(), *own]
    if "withheld" in needs:
        also.append(select(it.withheld_from().label("said")).select_from(it.verdict).cte("withheld"))
    if _VERSION in needs:
        versions = it.versions().subquery("version_shown")
        also.append(select(versions, func.row_number().over().label("number")).cte(_VERSION))
    return Frame(
        lambda body: select(
            case((it.verdict.c.allowed, body)).label("body"), opened_under.told(own, needs).label("told")
        ).select_from(it.verdict.outerjoin(it.found, true())),
        also,
    )


def _parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    parameters = documents.read_parameters(asked.context, key_of(Node.DOCUMENT, arguments.root["id"]))
    return {**parameters, "gateway_path": asked.path}


def _unknown(_asked: Asked, _told: object) -> object:
    raise Refused("DOCUMENT_UNKNOWN")


DOCUMENT = ReadRoot(
    name="document",
    shows="OpenedDocument",
    fields={
        "document": entity("Document", document_fields(row_of(_FOUND, reading.SHOWN))),
        "access": reason_in_sql(Sql(f"{_FOUND}.rule")),
        "versions": needing(
            _VERSION,
            listed(
                "Document",
                document_fields(row_of(_VERSION, reading.SHOWN)),
                Sql(_VERSION),
                Sql(f"{_VERSION}.number"),
            ),
        ),
        "withheldFrom": needing("withheld", leaf(shapes.plain(Sql("select said from withheld")))),
    },
    frame=_frame,
    parameters=_parameters,
    otherwise=_unknown,
    shape=opened_under.shape,
    beside=opened_under.keep,
)


def _author(given: Mapping[str, Any]) -> Author:
    profession = nomenclatures.profession(given["profession"]) if given.get("profession") else None
    specialty = nomenclatures.specialty(given["specialty"]) if given.get("specialty") else None
    is_rpps = given.get("id_oid") == RPPS_DOMAIN
    return Author(
        kind=given["kind"],
        rpps=given.get("id") if is_rpps else None,
        family_name=given.get("family_name"),
        given_name=given.get("given_name"),
        profession=coded(
            given.get("profession"), given.get("profession_label") or (profession.label if profession else None)
        ),
        specialty=coded(given.get("specialty"), specialty.label if specialty else None),
        role=given.get("role"),
        structure_id=given.get("structure_id"),
        structure_name=given.get("structure_name"),
    )
