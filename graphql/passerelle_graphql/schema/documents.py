"""A document of the record as the graph shows it: the XDS metadata, and where its content is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import strawberry

from passerelle.dossier import documents, emergencies, reading
from passerelle.dossier.formats.submission import RPPS_DOMAIN
from passerelle_graphql.context import ResolverInfo, asked_of, context_of
from passerelle_graphql.ids import Node, key_of, node_id
from passerelle_graphql.problems import InvalidInput, Refusal, TryLater
from passerelle_graphql.schema.enums import DocumentStatus, Mode
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.read_model import as_uuid, shape, shown
from passerelle_graphql.schema.reasons import AccessReason, reason_of
from passerelle_graphql.schema.values import CodedValue, PageInfo, coded, coding, instant
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


def document_id(value: UUID | str) -> strawberry.ID:
    return node_id(Node.DOCUMENT, as_uuid(value))


def authors(value: Sequence[Mapping[str, Any]]) -> list[Author]:
    return [_author(each) for each in value]


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

    @resolved("Où lire les octets tels que déposés, avec le même jeton.")
    def content_url(self, info: ResolverInfo) -> str:
        return f"{info.context.path}/documents/{self.id}/content"

    @resolved("Où lire un CDA mis en page sans rien d'actif.")
    def view_url(self, info: ResolverInfo) -> str | None:
        return f"{info.context.path}/documents/{self.id}/view" if self.mime_type == CDA else None


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
