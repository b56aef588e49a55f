"""`notices`: the inbox of whoever asks, and the reading of a notice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import cache
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import strawberry
from sqlalchemy import Boolean, DateTime, Integer, Text, Uuid, bindparam, func, null, select

from passerelle.audit.journal import NOBODY
from passerelle.audit.transactions import transaction
from passerelle.dossier import reading
from passerelle.kernel.context import Context
from passerelle.notices import inbox
from passerelle.notices.kinds import sentence_of
from passerelle_graphql.bodies import as_json
from passerelle_graphql.compiler import shapes
from passerelle_graphql.compiler.building import Shape, entity, later, leaf, listed, needing, row_of
from passerelle_graphql.compiler.late import Late
from passerelle_graphql.compiler.roots import Frame, Given, ReadRoot, given
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import Asked, ResolverInfo, context_of
from passerelle_graphql.declared import fields_of
from passerelle_graphql.fields import PAGE, resolved
from passerelle_graphql.ids import Node, key_of, node_id
from passerelle_graphql.problems import InvalidInput, NotFound, Refusal, TryLater
from passerelle_graphql.read_model import in_sql, shape, shown
from passerelle_graphql.schema.enums import NoticeKind
from passerelle_graphql.schema.values import PageInfo, identified


@in_sql(
    lambda key: leaf(
        shapes.quoted(Sql(f"case when {key} <> '{NOBODY}'::uuid then {shapes.node_id(Node.PATIENT)(key)} end"))
    )
)
def of_patient(key: UUID) -> strawberry.ID | None:
    """The id of the patient whom a notice is about, when it is about one."""
    return node_id(Node.PATIENT, key) if key != NOBODY else None


@strawberry.type(description="Un avis : ce qui s'est passé, et ce qu'il y a à faire.")
class Notice:
    id: strawberry.ID = shown("notice_id", by=identified(Node.NOTICE))
    kind: NoticeKind = shown()
    sentence: str = shown(description="L'avis lui-même, pour son destinataire.")
    patient_id: strawberry.ID | None = shown(
        by=of_patient, description="De quel dossier ; absent d'un avis qui n'est d'aucun, comme un rappel."
    )
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


_PAGE, _UNREAD = "page", "unread"
_ROW = row_of(
    _PAGE,
    ("notice_id", "recipient", "kind", "patient_id", "about", "is_patient", "posted_at", "read_at", "number"),
)
_SHOWN = f"{_ROW['number']} <= (select size from given)"
_ON_PAGE = Sql(f"{_PAGE} where {_SHOWN}")
# `inbox.cursor_of`; base64 breaks its lines past 76 letters.
_PLACE = f"to_char(timezone('UTC', {_ROW['posted_at']}), 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"
_CURSOR = Sql(
    f"translate(encode(convert_to({_PLACE} || '+00:00|' || {_ROW['notice_id']}, 'UTF8'), 'base64'), E'+/\\n', '-_')"
)


def _sentence() -> Shape:
    def write(_context: Context, values: Sequence[Any], _found: Mapping[str, Any]) -> bytes:
        kind, recipient, about, is_patient = values
        return as_json(sentence_of(NoticeKind(kind), recipient, about, is_patient=is_patient))

    columns = (_ROW[name] for name in ("kind", "recipient", "about", "is_patient"))
    return later(lambda _builder, _selected: Late(write=write), *columns)


def _end(order: str) -> Shape:
    return leaf(shapes.quoted(Sql(f"(select {_CURSOR} from {_ON_PAGE} order by {_ROW['number']} {order} limit 1)")))


def _on_page(shape: Shape) -> Shape:
    return needing(_PAGE, shape)


@cache
def _frame(needs: frozenset[str]) -> Frame:
    recipient, size = bindparam("inbox_recipient", type_=Text()), bindparam("inbox_size", type_=Integer())
    after_at, after_id = bindparam("after_at", type_=DateTime(timezone=True)), bindparam("after_id", type_=Uuid())
    asked = given(size=size, is_first=after_id.is_(None))
    also = [asked]
    if _PAGE in needs:
        found = inbox.newest(
            recipient,
            limit=size + 1,
            unread_only=bindparam("unread_only", type_=Boolean()),
            after=(after_at, after_id),
        ).subquery()
        number = func.row_number().over(order_by=(found.c.posted_at.desc(), found.c.notice_id.desc()))
        also.append(select(found, number.label("number")).cte(_PAGE))
    if _UNREAD in needs:
        also.append(inbox.unread(recipient).cte(_UNREAD))
    return Frame(lambda body: select(body.label("body"), null().label("nothing")).select_from(asked), also)


def _parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    told = arguments.root
    size, after = reading.page_size(asked.context, told.get("first")), told.get("after")
    at, notice_id = inbox.read_cursor(after) if after is not None else (None, None)
    return {
        "gateway_path": asked.path,
        "inbox_recipient": asked.context.actor.subject,
        "inbox_size": size,
        "unread_only": told.get("unread_only", False),
        "after_at": at,
        "after_id": notice_id,
    }


def _never(_asked: Asked, _told: object) -> object:
    raise AssertionError("everybody has an inbox")


_NODE = fields_of(Notice, _ROW, sentence=_sentence())
NOTICES = ReadRoot(
    name="notices",
    shows="NoticeConnection",
    fields={
        "edges": _on_page(
            listed(
                "NoticeEdge",
                {"cursor": leaf(shapes.quoted(_CURSOR)), "node": entity("Notice", _NODE)},
                _ON_PAGE,
                _ROW["number"],
            )
        ),
        "nodes": _on_page(listed("Notice", _NODE, _ON_PAGE, _ROW["number"])),
        "pageInfo": _on_page(
            entity(
                "PageInfo",
                {
                    "hasNextPage": leaf(shapes.plain(Sql(f"exists (select from {_PAGE} where not ({_SHOWN}))"))),
                    "hasPreviousPage": leaf(shapes.plain(Sql("select not is_first from given"))),
                    "startCursor": _end("asc"),
                    "endCursor": _end("desc"),
                },
            )
        ),
        "unread": needing(_UNREAD, leaf(shapes.plain(Sql(f"select * from {_UNREAD}")))),
    },
    frame=_frame,
    parameters=_parameters,
    otherwise=_never,
)


@strawberry.type
class NoticesMutation:
    @resolved("Dire qu'on a lu un avis ; la première fois compte.", cost=10)
    async def mark_notice_read(self, info: ResolverInfo, id: strawberry.ID) -> NoticeReadResult:  # noqa: A002
        key = key_of(Node.NOTICE, id)
        async with transaction(context_of(info)) as act:
            read = await inbox.mark_read(act, key)
        return shape(Notice, asdict(read)) if read else NotFound.of("NOTICE_UNKNOWN")
