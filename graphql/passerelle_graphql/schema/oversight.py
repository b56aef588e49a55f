"""`journalSearch` and `unusualAccesses`: what the data-protection officer looks for, with his reason."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, TypeAlias
from uuid import UUID

import strawberry

from passerelle.audit.oversight import Search
from passerelle.audit.transactions import transaction
from passerelle.dossier import oversight, reading, traces
from passerelle_graphql.context import ResolverInfo, context_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of, node_id, place_cursor, read_place_cursor
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import shape, shown
from passerelle_graphql.schema.emergencies import profession_of
from passerelle_graphql.schema.enums import Pattern
from passerelle_graphql.schema.journal import JournalLine, names_of_structures, shown_line
from passerelle_graphql.schema.values import CodedValue


@strawberry.type(description="Une ligne trouvée, et le patient au journal de qui elle est.")
class FoundLine:
    patient_id: strawberry.ID
    line: JournalLine


@strawberry.type(description="Une page de lignes, de la plus récente à la plus ancienne.")
class FoundLines:
    nodes: list[FoundLine]
    end_cursor: str | None = strawberry.field(description="Où reprendre ; absent à la dernière page.")


def patient_id(value: UUID | None) -> strawberry.ID | None:
    return node_id(Node.PATIENT, value) if value else None


@strawberry.type(description="Un accès inhabituel : un signe à examiner.")
class UnusualAccess:
    pattern: Pattern = shown()
    sentence: str = shown(
        "pattern", "count", "usual", by=oversight.sentence_of, description="Ce qui a été vu, avec ses chiffres."
    )
    rpps: str | None = shown(description="Absent quand c'est un dossier que beaucoup ont lu.")
    name: str | None = shown()
    profession: CodedValue | None = shown(by=profession_of)
    structure: str | None = shown(description="Numéro FINESS.")
    patient_id: strawberry.ID | None = shown(by=patient_id)
    day: date | None = shown(description="Le jour, ou le soir d'où part la nuit.")
    count: int = shown()
    usual: float | None = shown(description="Ce à quoi s'attendre.")
    least: float = shown(description="À partir de combien c'est signalé.")


@strawberry.type(description="Ce qu'une règle a trouvé.")
class PatternReview:
    pattern: Pattern
    found: int = strawberry.field(description="En tout.")
    furthest: list[UnusualAccess] = strawberry.field(description="Les plus éloignés de l'usuel d'abord.")


@strawberry.type(description="Toutes les règles, l'une après l'autre.")
class UnusualAccesses:
    reviews: list[PatternReview]


SearchResult: TypeAlias = Annotated[
    FoundLines | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("JournalSearchResult")
]
UnusualResult: TypeAlias = Annotated[
    UnusualAccesses | Refusal | InvalidInput | TryLater, strawberry.union("UnusualAccessesResult")
]
_NODES = counted(50, by="first", within=("nodes",))
_EACH = counted(50, by="first", within=("reviews",))


@strawberry.type
class OversightQuery:
    @resolved(
        "Chercher dans les journaux du réseau (délégué à la protection des données). Le motif est inscrit au journal.",
        cost=10,
        counts=_NODES,
    )
    async def journal_search(
        self,
        info: ResolverInfo,
        reason: str,
        since: datetime | None = None,
        until: datetime | None = None,
        patient_id: strawberry.ID | None = None,
        rpps: str | None = None,
        structure: str | None = None,
        refused_only: bool = False,
        emergencies_only: bool = False,
        first: int | None = None,
        after: str | None = None,
    ) -> SearchResult:
        context = context_of(info)
        before = read_place_cursor(after) if after else None
        size = reading.page_size(context, first)
        wanted = Search(
            since=since,
            until=until,
            patient_id=key_of(Node.PATIENT, patient_id) if patient_id else None,
            rpps=rpps,
            structure=structure,
            refused_only=refused_only,
            emergencies_only=emergencies_only,
        )
        async with transaction(context) as act:
            found = await oversight.search(act, wanted, reason=reason, first=size, before=before)
        rows = [traces.told(each.line, context.tenant.parameters) for each in found]
        names = await names_of_structures(context, rows)
        nodes = [
            FoundLine(patient_id=node_id(Node.PATIENT, each.patient_id), line=shown_line(row, names))
            for each, row in zip(found, rows, strict=True)
        ]
        return FoundLines(nodes=nodes, end_cursor=place_cursor(*found[-1].place) if len(found) == size else None)

    @resolved(
        "Les accès inhabituels d'une période, règle par règle. Le motif est inscrit au journal.",
        cost=20,
        counts=_EACH,
    )
    async def unusual_accesses(
        self, info: ResolverInfo, reason: str, since: datetime, until: datetime, first: int | None = None
    ) -> UnusualResult:
        async with transaction(context_of(info)) as act:
            found = await oversight.unusual(act, since, until, reason=reason, first=first)
        return UnusualAccesses(
            reviews=[
                PatternReview(
                    pattern=each.pattern,
                    found=each.found,
                    furthest=[shape(UnusualAccess, asdict(one)) for one in each.furthest],
                )
                for each in found
            ]
        )
