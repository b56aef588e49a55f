"""`notices`: the inbox of whoever asks, and the reading of a notice."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from passerelle.audit.transactions import transaction
from passerelle.dossier import reading
from passerelle.notices import inbox
from passerelle_graphql.context import ResolverInfo, context_of
from passerelle_graphql.fields import PAGE, resolved
from passerelle_graphql.ids import Node, key_of, node_id
from passerelle_graphql.problems import InvalidInput, NotFound, Refusal, TryLater
from passerelle_graphql.read_model import shape, shown
from passerelle_graphql.schema.enums import NoticeKind
from passerelle_graphql.schema.values import PageInfo


@strawberry.type(description="Un avis : ce qui s'est passé, et ce qu'il y a à faire.")
class Notice:
    id: strawberry.ID = shown("notice_id", by=lambda key: node_id(Node.NOTICE, key))
    kind: NoticeKind = shown()
    sentence: str = shown(description="L'avis lui-même, pour son destinataire.")
    patient_id: strawberry.ID = shown(by=lambda key: node_id(Node.PATIENT, key), description="De quel dossier.")
    posted_at: datetime = shown()
    read_at: datetime | None = shown(description="Absent : pas encore lu.")


@strawberry.type
class NoticeEdge:
    cursor: str
    node: Notice


@strawberry.type(description="Une page d'avis, du plus récent au plus ancien.")
class NoticeConnection:
    edges: list[NoticeEdge]
    page_info: PageInfo
    unread: int = strawberry.field(description="Combien, en tout, ne sont pas lus.")

    @strawberry.field
    def nodes(self) -> list[Notice]:
        return [each.node for each in self.edges]


NoticesResult: TypeAlias = Annotated[
    NoticeConnection | Refusal | InvalidInput | TryLater, strawberry.union("NoticesResult")
]
NoticeReadResult: TypeAlias = Annotated[
    Notice | NotFound | Refusal | InvalidInput | TryLater, strawberry.union("NoticeReadResult")
]


@strawberry.type
class NoticesQuery:
    @resolved("Ses propres avis. Les lire n'est pas un accès à un dossier.", cost=10, counts=PAGE)
    async def notices(
        self, info: ResolverInfo, first: int | None = None, after: str | None = None, unread_only: bool = False
    ) -> NoticesResult:
        context = context_of(info)
        size = reading.page_size(context, first)
        async with transaction(context) as act:
            page = await inbox.page(act, first=size, after=after, unread_only=unread_only)
        edges = [NoticeEdge(cursor=inbox.cursor_of(each), node=shape(Notice, asdict(each))) for each in page.notices]
        return NoticeConnection(
            edges=edges,
            page_info=PageInfo(
                has_next_page=page.has_next,
                has_previous_page=after is not None,
                start_cursor=edges[0].cursor if edges else None,
                end_cursor=edges[-1].cursor if edges else None,
            ),
            unread=page.unread,
        )


@strawberry.type
class NoticesMutation:
    @resolved("Dire qu'on a lu un avis ; la première fois compte.", cost=10)
    async def mark_notice_read(self, info: ResolverInfo, id: strawberry.ID) -> NoticeReadResult:  # noqa: A002
        key = key_of(Node.NOTICE, id)
        async with transaction(context_of(info)) as act:
            read = await inbox.mark_read(act, key)
        return shape(Notice, asdict(read)) if read else NotFound.of("NOTICE_UNKNOWN")
