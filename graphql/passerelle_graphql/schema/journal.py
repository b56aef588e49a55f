"""`journal`: who did what to a record, as the patient reads it (L.1111-19)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import strawberry

from passerelle.audit import journal
from passerelle.audit.transactions import transaction
from passerelle.dossier import reading, traces
from passerelle.kernel import messages
from passerelle.kernel.context import Context
from passerelle_graphql.context import ResolverInfo, context_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of, line_cursor, node_id, read_line_cursor
from passerelle_graphql.problems import InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import shape, shown
from passerelle_graphql.schema.enums import ActorKind, Mode, Purpose
from passerelle_graphql.schema.values import CodedValue, PageInfo, coded
from passerelle_policies import nomenclatures


@strawberry.type(description="Qui a agi.")
class JournalActor:
    kind: ActorKind
    rpps: str | None = strawberry.field(description="Pour un professionnel.")
    name: str
    profession: CodedValue | None
    structure: str | None = strawberry.field(description="Numéro FINESS de la structure d'où il agit.")
    structure_name: str | None = strawberry.field(description="Son nom, quand l'annuaire la connaît.")
    software: str | None


def journal_actor(
    kind: str,
    id_: str,
    name: str,
    profession: str | None,
    structure: str | None,
    structure_name: str | None,
    software: str | None,
) -> JournalActor:
    known = nomenclatures.profession(profession) if profession else None
    return JournalActor(
        kind=ActorKind(kind),
        rpps=id_ if kind == ActorKind.PROFESSIONAL else None,
        name=name,
        profession=coded(profession, known.label if known else None),
        structure=structure,
        structure_name=structure_name,
        software=software,
    )


def line_id(value: int) -> strawberry.ID:
    return strawberry.ID(line_cursor(value))


def document_id(value: UUID | None) -> strawberry.ID | None:
    return node_id(Node.DOCUMENT, value) if value else None


def reason_of_refusal(code: str | None) -> str | None:
    """Why it was refused, told to the patient: the sentence of the code itself speaks to whom was refused."""
    if code is None:
        return None
    written = messages.catalogue()
    return written.get(f"JOURNAL_REFUSED_{code}", written["JOURNAL_REFUSED_OTHERWISE"])


def why(reason: traces.Reason | None, code: str | None) -> str | None:
    """The sentence of the rule that decided; else that of the refusal."""
    return reason.sentence if reason else reason_of_refusal(code)


def source(reason: traces.Reason | None) -> str | None:
    """The text that the rule comes from."""
    return reason.source if reason else None


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
        "structure_name",
        "software",
        by=journal_actor,
    )
    sentence: str = shown(
        "kind", "action", "outcome", "rule", by=traces.sentence_of, description="Ce que dit la ligne, au patient."
    )
    action: str = shown()
    kind: str = shown(description="Sur quoi : dossier, document, content, journal, authorizations, patient.")
    document_id: strawberry.ID | None = shown(by=document_id)
    allowed: bool = shown("outcome", by=lambda outcome: outcome == journal.Outcome.ALLOWED)
    code: str | None = shown(description="Code du refus.")
    reason: str | None = shown("code", by=reason_of_refusal, description="Le refus en une phrase, au patient.")
    rule: str = shown(description="Identifiant de la règle qui a décidé.")
    why: str | None = shown("reason", "code", by=why, description="Pourquoi c'était permis ou refusé, au patient.")
    source: str | None = shown("reason", by=source, description="Le texte dont vient la règle.")
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
    emergencies: list[JournalLine] = strawberry.field(
        description="Les accès en urgence de toute la période demandée, d'abord ; avec la première page seulement."
    )

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
        counts=counted(50, by="first", within=("edges", "nodes", "emergencies")),
    )
    async def journal(
        self,
        info: ResolverInfo,
        patient_id: strawberry.ID,
        first: int | None = None,
        after: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        rpps: str | None = None,
        emergencies_only: bool = False,
    ) -> JournalResult:
        context = context_of(info)
        key = key_of(Node.PATIENT, patient_id)
        before = read_line_cursor(after) if after else None
        size = reading.page_size(context, first)
        chosen = journal.Chosen(since=since, until=until, rpps=rpps, emergencies_only=emergencies_only)
        async with transaction(context) as act:
            found = await traces.read_traces(act, key, chosen, first=size, before_line=before)
        names = await names_of_structures(context, [*found.lines, *found.emergencies])
        return _connection(found, names, size, is_first=after is None)


async def names_of_structures(context: Context, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The name of each structure that the directory knows, by its number."""
    numbers = {str(row["actor_establishment"]) for row in rows if row["actor_establishment"]}
    known = {number: await context.directory.establishment(number) for number in sorted(numbers)}
    return {number: each.name for number, each in known.items() if each is not None}


def _connection(found: traces.Traces, names: Mapping[str, str], size: int, *, is_first: bool) -> JournalConnection:
    edges = [JournalEdge(cursor=line_cursor(row["line_id"]), node=shown_line(row, names)) for row in found.lines]
    return JournalConnection(
        edges=edges,
        page_info=PageInfo(
            has_next_page=len(found.lines) == size,
            has_previous_page=not is_first,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
        emergencies=[shown_line(row, names) for row in found.emergencies],
    )


def shown_line(row: Mapping[str, Any], names: Mapping[str, str]) -> JournalLine:
    """A line of `traces.told`, with the names of structures."""
    return shape(JournalLine, {**row, "structure_name": names.get(row["actor_establishment"])})
