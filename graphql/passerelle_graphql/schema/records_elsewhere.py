"""`recordElsewhere`: the record of a patient whose home is another network, asked for there as somebody waits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

import strawberry

from passerelle.dossier import reading
from passerelle.kernel.records_elsewhere import RecordElsewhere as Answered
from passerelle_graphql.context import ResolverInfo, asked_of, context_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of
from passerelle_graphql.problems import InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import shape
from passerelle_graphql.schema.documents import Document
from passerelle_graphql.schema.dossiers import DocumentFilter
from passerelle_graphql.schema.enums import SourceState
from passerelle_graphql.schema.sources import Source
from passerelle_graphql.schema.values import PageInfo


@strawberry.type(description="Un document que montre un autre réseau, et où en lire les octets.")
class DocumentElsewhere:
    document: Document
    content_url: str = strawberry.field(description="Avec le même jeton ; le réseau décide de nouveau.")


@strawberry.type(
    description="Ce que le réseau d'attache du patient montre de son dossier à l'acteur. Une liste vide ne veut pas"
    " dire « rien » : lire sources."
)
class RecordElsewhere:
    home: str | None = strawberry.field(description="Le réseau d'attache ; null quand c'est celui-ci.")
    documents: list[DocumentElsewhere] = strawberry.field(directives=[counted(50)])
    page_info: PageInfo
    total_count: int | None
    sources: list[Source] = strawberry.field(
        directives=[counted(10)], description="La part de chaque réseau ; tous y sont."
    )


RecordElsewhereResult: TypeAlias = Annotated[
    RecordElsewhere | Refusal | InvalidInput | TryLater, strawberry.union("RecordElsewhereResult")
]


@strawberry.type
class RecordElsewhereQuery:
    @resolved(
        "Ouvrir le dossier là où il est tenu : la même question, posée de nouveau, reprend où un réseau a manqué.",
        cost=50,
    )
    async def record_elsewhere(
        self,
        info: ResolverInfo,
        patient_id: strawberry.ID,
        filter: DocumentFilter | None = None,  # noqa: A002 - the graph's name
        first: int | None = None,
        after: str | None = None,
    ) -> RecordElsewhereResult:
        context = context_of(info)
        asked = {
            "filter": _said(filter.wanted() if filter else reading.DocumentFilter()),
            "first": reading.page_size(context, first),
            "after": after,
            "with_total": "totalCount" in asked_of(info),
        }
        if after:
            reading.read_cursor(after)
        answered = await context.records_elsewhere.record(context, key_of(Node.PATIENT, patient_id), asked)
        return _shown(info, answered, is_first=not after)


def _said(wanted: reading.DocumentFilter) -> dict[str, Any]:
    said = {name: getattr(wanted, name) for name in reading.DocumentFilter.__dataclass_fields__}
    return {
        name: value.isoformat() if name in {"since", "until"} and value is not None else value
        for name, value in said.items()
    }


def _shown(info: ResolverInfo, answered: Answered, *, is_first: bool) -> RecordElsewhere:
    rows = answered.documents
    return RecordElsewhere(
        home=answered.home,
        documents=[_document(info, answered, each) for each in rows],
        page_info=PageInfo(
            has_next_page=answered.has_next,
            has_previous_page=not is_first,
            start_cursor=reading.cursor_of(dict(rows[0])) if rows else None,
            end_cursor=reading.cursor_of(dict(rows[-1])) if rows else None,
        ),
        total_count=answered.total,
        sources=[
            Source(network=each.network, name=each.name, state=SourceState(each.state), as_of=each.as_of)
            for each in answered.parts
        ],
    )


def _document(info: ResolverInfo, answered: Answered, row: Mapping[str, Any]) -> DocumentElsewhere:
    """A row of the home's: kept by the home itself where it names nobody else."""
    document = shape(Document, {**row, "origin": row["origin"] or answered.home}, asked_of(info))
    return DocumentElsewhere(
        document=document,
        content_url=f"{info.context.path}/elsewhere/{answered.home}/documents/{document.id}",
    )
