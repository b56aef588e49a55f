"""`journalSearch` and `unusualAccesses`: what the data-protection officer looks for, with his reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from functools import cache, lru_cache
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import strawberry
from sqlalchemy import CTE, Integer, Text, bindparam, case, func, select

from passerelle.audit.oversight import Place, Search
from passerelle.audit.patterns import Review
from passerelle.audit.transactions import transaction
from passerelle.dossier import oversight, reading, traces
from passerelle.kernel.context import Context
from passerelle_graphql.compiler import shapes
from passerelle_graphql.compiler.building import entity, leaf, listed, needing, row_of
from passerelle_graphql.compiler.roots import Frame, Given, ReadRoot, columns_of, given
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import Asked, ResolverInfo, context_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of, node_id, place_cursor, read_place_cursor
from passerelle_graphql.late_answers import LateRoot
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import shape, shown
from passerelle_graphql.schema.emergencies import profession_of
from passerelle_graphql.schema.enums import Pattern
from passerelle_graphql.schema.journal import COLUMNS, JournalLine, columns_over, line_fields, shown_line
from passerelle_graphql.schema.structure_names import names_of_structures
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
        wanted = _wanted(
            since=since,
            until=until,
            patient_id=patient_id,
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
        return _reviewed(found)


def _wanted(*, patient_id: str | None, **bounds: Any) -> Search:
    return Search(patient_id=key_of(Node.PATIENT, patient_id) if patient_id else None, **bounds)


def _reviewed(found: Sequence[Review]) -> UnusualAccesses:
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


_LINE = "line"
_ROW = row_of(_LINE, (*COLUMNS, "patient_id", "asked"))
_NEWEST = Sql(f"{_LINE}.at desc, {_LINE}.line_id desc")
_LAST = Sql(
    f"(select {shapes.place_cursor(_ROW['at'], _ROW['line_id'])} from {_LINE}"
    f" where (select count(*) from {_LINE}) = (select size from given) order by {_LINE}.at, {_LINE}.line_id limit 1)"
)


def _answered(it: oversight.Searching, *also: CTE) -> Frame:
    return Frame(
        lambda body: select(
            case((it.is_answered, body)).label("body"),
            func.coalesce(it.judged.told_of_refusal(), it.lacking).label("told"),
        ).select_from(it.judged.verdict),
        [it.judged.journal_line, *also],
        rows={_LINE: {**columns_over("found"), "patient_id": Sql("found.patient_id")}},
    )


@lru_cache(maxsize=256)
def _search_frame(needs: frozenset[str]) -> Frame:
    it = oversight.searching(needs - {_LINE})
    also = [given(size=bindparam("page_size", type_=Integer()))]
    if _LINE in needs:
        also.append(select(columns_of(_LINE)).select_from(it.found.subquery("found")).cte(_LINE))
        also[-1] = also[-1].prefix_with("materialized")
    return _answered(it, *also)


def _search(asked: Asked, arguments: Given) -> tuple[Search, Place | None, int]:
    given = dict(arguments.root)
    after, first = given.pop("after", None), given.pop("first", None)
    before = read_place_cursor(after) if after else None
    size = reading.page_size(asked.context, first)
    del given["reason"]
    return _wanted(patient_id=given.pop("patient_id", None), **given), before, size


def _search_parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    wanted, before, size = _search(asked, arguments)
    reason = arguments.root["reason"]
    said = oversight.searching_parameters(asked.context, wanted, reason=reason, size=size, before=before)
    return {**said, "gateway_path": asked.path}


def _search_shape(asked: Asked, arguments: Given) -> frozenset[str]:
    # Each way to search has an index of its own, which a statement for all of them would not find.
    wanted, before, _ = _search(asked, arguments)
    return frozenset(wanted.bounds(before))


def _not_answered(asked: Asked, told: Mapping[str, Any]) -> object:
    raise oversight.not_answered(asked.context, told)


JOURNAL_SEARCH = ReadRoot(
    name="journalSearch",
    shows="FoundLines",
    fields={
        "nodes": needing(
            _LINE,
            listed(
                "FoundLine",
                {
                    "patientId": leaf(shapes.quoted_id(Node.PATIENT)(_ROW["patient_id"])),
                    "line": entity("JournalLine", line_fields(_ROW)),
                },
                Sql(_LINE),
                _NEWEST,
            ),
        ),
        "endCursor": needing(_LINE, leaf(shapes.quoted(_LAST))),
    },
    frame=_search_frame,
    parameters=_search_parameters,
    otherwise=_not_answered,
    shape=_search_shape,
)


@cache
def _unusual_frame(_needs: frozenset[str]) -> Frame:
    texts = {name: bindparam(name, type_=Text()) for name in ("since", "until")}
    return _answered(oversight.searching(), given(first=bindparam("first", type_=Integer()), **texts))


def _unusual_parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    asks = arguments.root
    since, until, first = asks["since"], asks["until"], asks.get("first")
    said = oversight.unusual_parameters(asked.context, since, until, reason=asks["reason"], first=first)
    period = {"since": since.isoformat(), "until": until.isoformat()}
    return {**said, **period, "first": first, "gateway_path": asked.path}


async def _unusual(context: Context, gathered: Sequence[Any]) -> object:
    since, until, first = gathered
    async with transaction(context) as act:
        size = reading.page_size(context, first)
        found = await oversight.reviews(act, datetime.fromisoformat(since), datetime.fromisoformat(until), first=size)
    return _reviewed(found)


#: Its statement decides and journals. The rules go over months of lines: they take a connection for acts, where no
#: other reading waits behind them.
UNUSUAL_ACCESSES = LateRoot(
    name="unusualAccesses",
    shows="UnusualAccesses",
    fields={},
    frame=_unusual_frame,
    parameters=_unusual_parameters,
    otherwise=_not_answered,
    payload=tuple(Sql(f"(select {name} from given)") for name in ("since", "until", "first")),
    answer=_unusual,
)
