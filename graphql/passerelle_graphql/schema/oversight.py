"""`journalSearch` and `unusualAccesses`: what the data-protection officer looks for, with his reason."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from passerelle.audit.oversight import Search
from passerelle.audit.transactions import transaction
from passerelle.dossier import oversight, reading, traces
from passerelle_graphql.context import ResolverInfo, context_of
from passerelle_graphql.ids import Node, line_cursor, node_id, read_line_cursor
from passerelle_graphql.problems import InvalidInput, Refusal, TryLater
from passerelle_graphql.schema.emergencies import profession_of
from passerelle_graphql.schema.fields import counted, resolved
from passerelle_graphql.schema.journal import JournalLine, names_of_structures, shown_line
from passerelle_graphql.schema.read_model import shape, shown
from passerelle_graphql.schema.values import CodedValue


@strawberry.type(description="Une ligne trouvée, et le patient au journal de qui elle est.")
class FoundLine:
    patient_id: strawberry.ID
    line: JournalLine


@strawberry.type(description="Une page de lignes, de la plus récente à la plus ancienne.")
class FoundLines:
    nodes: list[FoundLine]
    end_cursor: str | None = strawberry.field(description="Où reprendre ; absent à la dernière page.")


@strawberry.type(description="Ce qu'un professionnel a fait dans la période, à côté de ce qui est usuel.")
class UnusualAccess:
    rpps: str = shown()
    name: str = shown()
    profession: CodedValue | None = shown(by=profession_of)
    structure: str | None = shown(description="Numéro FINESS.")
    patients: int = shown(description="Patients dont il a ouvert le dossier.")
    usual_patients: float = shown(description="La médiane de sa profession.")
    refused: int = shown(description="Ses demandes refusées.")
    emergencies: int = shown(description="Patients dont il a ouvert le dossier par bris de glace.")
    by_night: int = shown(description="Ses accès de nuit.")


@strawberry.type(description="Les plus éloignés de l'usuel d'abord.")
class UnusualAccesses:
    nodes: list[UnusualAccess]


SearchResult: TypeAlias = Annotated[
    FoundLines | Refusal | InvalidInput | TryLater, strawberry.union("JournalSearchResult")
]
UnusualResult: TypeAlias = Annotated[
    UnusualAccesses | Refusal | InvalidInput | TryLater, strawberry.union("UnusualAccessesResult")
]
_NODES = counted(50, by="first", within=("nodes",))


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
        since: datetime,
        until: datetime,
        rpps: str | None = None,
        structure: str | None = None,
        refused_only: bool = False,
        emergencies_only: bool = False,
        first: int | None = None,
        after: str | None = None,
    ) -> SearchResult:
        context = context_of(info)
        before = read_line_cursor(after) if after else None
        size = reading.page_size(context, first)
        wanted = Search(
            since=since,
            until=until,
            rpps=rpps,
            structure=structure,
            refused_only=refused_only,
            emergencies_only=emergencies_only,
        )
        async with transaction(context) as act:
            found = await oversight.search(act, wanted, reason=reason, first=size, before_line=before)
        rows = [traces.told(each.line, context.tenant.parameters) for each in found]
        names = await names_of_structures(context, rows)
        nodes = [
            FoundLine(patient_id=node_id(Node.PATIENT, each.patient_id), line=shown_line(row, names))
            for each, row in zip(found, rows, strict=True)
        ]
        return FoundLines(nodes=nodes, end_cursor=line_cursor(found[-1].line.line_id) if len(found) == size else None)

    @resolved(
        "Les professionnels dont les accès s'écartent de ceux de leur profession. Le motif est inscrit au journal.",
        cost=20,
        counts=_NODES,
    )
    async def unusual_accesses(
        self, info: ResolverInfo, reason: str, since: datetime, until: datetime, first: int | None = None
    ) -> UnusualResult:
        async with transaction(context_of(info)) as act:
            found = await oversight.unusual(act, since, until, reason=reason, first=first)
        return UnusualAccesses(nodes=[shape(UnusualAccess, asdict(each)) for each in found])
