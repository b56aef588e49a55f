"""`journal`: who did what to a record, as the patient reads it (L.1111-19)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import strawberry

from passerelle.audit import journal
from passerelle.audit.transactions import transaction
from passerelle.dossier import reading
from passerelle.kernel import messages
from passerelle_graphql.context import ResolverInfo, context_of
from passerelle_graphql.ids import Node, key_of, line_cursor, node_id, read_line_cursor
from passerelle_graphql.problems import InvalidInput, Refusal, TryLater
from passerelle_graphql.schema.enums import ActorKind, Mode, Purpose
from passerelle_graphql.schema.fields import PAGE, resolved
from passerelle_graphql.schema.read_model import shape, shown
from passerelle_graphql.schema.values import CodedValue, PageInfo, coded
from passerelle_policies import nomenclatures


@strawberry.type(description="Qui a agi.")
class JournalActor:
    kind: ActorKind
    rpps: str | None = strawberry.field(description="Pour un professionnel.")
    name: str
    profession: CodedValue | None
    structure: str | None
    software: str | None


def journal_actor(
    kind: str, id_: str, name: str, profession: str | None, structure: str | None, software: str | None
) -> JournalActor:
    known = nomenclatures.profession(profession) if profession else None
    return JournalActor(
        kind=ActorKind(kind),
        rpps=id_ if kind == ActorKind.PROFESSIONAL else None,
        name=name,
        profession=coded(profession, known.label if known else None),
        structure=structure,
        software=software,
    )


def line_id(value: int) -> strawberry.ID:
    return strawberry.ID(line_cursor(value))


def document_id(value: UUID | None) -> strawberry.ID | None:
    return node_id(Node.DOCUMENT, value) if value else None


def reason(code: str | None) -> str | None:
    """Why it was refused, told to the patient: the sentence of the code itself speaks to whom was refused."""
    if code is None:
        return None
    written = messages.catalogue()
    return written.get(f"JOURNAL_REFUSED_{code}", written["JOURNAL_REFUSED_OTHERWISE"])


def told(kind: str, action: str, outcome: str) -> str:
    """What the line says, in French, to the patient."""
    if outcome != journal.Outcome.ALLOWED:
        return messages.sentence("JOURNAL_REFUSED", {})
    return messages.sentence(f"JOURNAL_{kind}_{action}".upper(), {})


@strawberry.type(description="Une ligne du journal : un accès, accordé ou refusé.")
class JournalLine:
    id: strawberry.ID = shown("line_id", by=line_id)
    at: datetime = shown()
    actor: JournalActor = shown(
        "actor_kind",
        "actor_id",
        "actor_name",
        "actor_profession",
        "actor_establishment",
        "software",
        by=journal_actor,
    )
    sentence: str = shown("kind", "action", "outcome", by=told, description="Ce que dit la ligne, au patient.")
    action: str = shown()
    kind: str = shown(description="Sur quoi : dossier, document, content, journal, authorizations, patient.")
    document_id: strawberry.ID | None = shown(by=document_id)
    allowed: bool = shown("outcome", by=lambda outcome: outcome == journal.Outcome.ALLOWED)
    code: str | None = shown(description="Code du refus.")
    reason: str | None = shown("code", by=reason, description="Le refus en une phrase, au patient.")
    rule: str = shown(description="Identifiant de la règle qui a décidé.")
    mode: Mode = shown(by=Mode)
    purpose: Purpose = shown(by=Purpose)


@strawberry.type
class JournalEdge:
    cursor: str
    node: JournalLine


@strawberry.type(description="Une page du journal, de la plus récente ligne à la plus ancienne.")
class JournalConnection:
    edges: list[JournalEdge]
    page_info: PageInfo

    @strawberry.field
    def nodes(self) -> list[JournalLine]:
        return [each.node for each in self.edges]


JournalResult: TypeAlias = Annotated[
    JournalConnection | Refusal | InvalidInput | TryLater, strawberry.union("JournalResult")
]


@strawberry.type
class JournalQuery:
    @resolved(
        "Le journal d'un dossier. Le lire s'y inscrit aussi.",
        cost=10,
        counts=PAGE,
    )
    async def journal(
        self, info: ResolverInfo, patient_id: strawberry.ID, first: int | None = None, after: str | None = None
    ) -> JournalResult:
        context = context_of(info)
        key = key_of(Node.PATIENT, patient_id)
        before = read_line_cursor(after) if after else None
        size = reading.page_size(context, first)
        async with transaction(context) as act:
            lines = await reading.read_journal(act, key, first=size, before_line=before)
        return _connection([asdict(each) for each in lines], size, is_first=after is None)


def _connection(rows: list[dict[str, Any]], size: int, *, is_first: bool) -> JournalConnection:
    edges = [_edge(row) for row in rows]
    return JournalConnection(
        edges=edges,
        page_info=PageInfo(
            has_next_page=len(rows) == size,
            has_previous_page=not is_first,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
    )


def _edge(row: Mapping[str, Any]) -> JournalEdge:
    return JournalEdge(cursor=line_cursor(row["line_id"]), node=shape(JournalLine, row))
