"""`journal`: who did what to a record, as the patient reads it (L.1111-19)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import strawberry
from sqlalchemy import BigInteger, Integer, bindparam, case, select

from passerelle.audit import journal, shown_lines
from passerelle.audit.transactions import transaction
from passerelle.dossier import judging, reading, traces
from passerelle.kernel import messages
from passerelle.kernel.context import Context
from passerelle_graphql.bodies import as_json
from passerelle_graphql.compiler import shapes
from passerelle_graphql.compiler.building import (
    Row,
    Shape,
    entity,
    later,
    later_out_of,
    leaf,
    listed,
    needing,
    packed,
    row_of,
    unless_null,
)
from passerelle_graphql.compiler.late import Late
from passerelle_graphql.compiler.roots import Frame, Given, ReadRoot, columns_of, given
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import Asked, ResolverInfo, context_of
from passerelle_graphql.declared import fields_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of, line_cursor, node_id, read_line_cursor
from passerelle_graphql.problems import InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import in_sql, shape, shown
from passerelle_graphql.schema.enums import ActorKind, Mode, Purpose
from passerelle_graphql.schema.structure_names import names_of_structures, structure_name_in_sql
from passerelle_graphql.schema.values import CodedValue, PageInfo, coded, coded_in_sql
from passerelle_policies import nomenclatures
from passerelle_policies.vocabulary import Kind


@strawberry.type(description="Qui a agi.")
class JournalActor:
    kind: ActorKind
    rpps: str | None = strawberry.field(description="Pour un professionnel.")
    name: str
    profession: CodedValue | None
    structure: str | None = strawberry.field(description="Numéro FINESS de la structure d'où il agit.")
    structure_name: str | None = strawberry.field(description="Son nom, quand l'annuaire la connaît.")
    software: str | None


@in_sql(lambda *columns: _journal_actor_in_sql(*columns))
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


def _journal_actor_in_sql(
    kind: Sql, id_: Sql, name: Sql, profession: Sql, structure: Sql, structure_name: Sql, software: Sql
) -> Shape:
    labels = {code: each.label for code, each in nomenclatures.professions().items()}
    is_professional = f"{kind} = {shapes.constant(ActorKind.PROFESSIONAL)}"
    fields = {
        "kind": leaf(shapes.word(ActorKind)(kind)),
        "rpps": leaf(shapes.free_text(Sql(f"case when {is_professional} then {id_} end"))),
        "name": leaf(shapes.free_text(name)),
        "profession": coded_in_sql(profession, shapes.label_in(labels, profession)),
        "structure": leaf(shapes.free_text(structure)),
        "structureName": structure_name_in_sql(structure_name),
        "software": leaf(shapes.free_text(software)),
    }
    return entity("JournalActor", fields)


def _kept_late(make: Callable[..., str | None]) -> Callable[..., Shape]:
    """A sentence of the catalogue, by the columns that it depends on alone."""

    def write(_context: Context, values: Sequence[Any], _found: Mapping[str, Any]) -> bytes:
        return as_json(make(*values))

    late = Late(write=write, kept_as=lambda _context: make)
    return lambda *columns: later(lambda _builder, _selected: late, *columns)


def _reason_late(part: Callable[[traces.Reason | None, str | None], str | None], asked: Sql) -> Shape:
    """What the rule that decided says, asked again of the pack of that day under the tenant's own parameters."""

    def write(context: Context, values: Sequence[Any], _found: Mapping[str, Any]) -> bytes:
        *columns, day = values
        said = dict(zip(traces.ASKED, columns, strict=True))
        reason = traces.reason_of(said, date.fromisoformat(day), context.tenant.parameters)
        return as_json(part(reason, said["code"]))

    def kept_as(context: Context) -> object:
        return part, tuple(context.tenant.parameters.items())

    late = Late(write=write, kept_as=kept_as)
    return later_out_of(lambda _builder, _selected: late, asked)


@in_sql(lambda line: leaf(shapes.quoted(shapes.line_cursor(line))))
def line_id(value: int) -> strawberry.ID:
    return strawberry.ID(line_cursor(value))


@in_sql(lambda key: leaf(shapes.quoted_id(Node.DOCUMENT)(key)))
def document_id(value: UUID | None) -> strawberry.ID | None:
    return node_id(Node.DOCUMENT, value) if value else None


@in_sql(lambda facts: leaf(shapes.free_text(Sql(f"{facts} ->> {shapes.constant(shown_lines.NETWORK)}"))))
def network(facts: Mapping[str, Any]) -> str | None:
    found = facts.get(shown_lines.NETWORK)
    return None if found is None else str(found)


def reason_of_refusal(code: str | None) -> str | None:
    """Why it was refused, told to the patient: the sentence of the code itself speaks to whom was refused."""
    if code is None:
        return None
    written = messages.catalogue()
    return written.get(f"JOURNAL_REFUSED_{code}", written["JOURNAL_REFUSED_OTHERWISE"])


def why(reason: traces.Reason | None, code: str | None) -> str | None:
    """The sentence of the rule that decided; else that of the refusal."""
    return reason.sentence if reason else reason_of_refusal(code)


def source(reason: traces.Reason | None, _code: str | None = None) -> str | None:
    """The text that the rule comes from."""
    return reason.source if reason else None


@in_sql(lambda outcome: leaf(shapes.plain(Sql(f"{outcome} = {shapes.constant(journal.Outcome.ALLOWED)}"))))
def is_allowed(outcome: str) -> bool:
    return outcome == journal.Outcome.ALLOWED


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
    allowed: bool = shown("outcome", by=is_allowed)
    code: str | None = shown(description="Code du refus.")
    reason: str | None = shown("code", by=reason_of_refusal, description="Le refus en une phrase, au patient.")
    rule: str = shown(description="Identifiant de la règle qui a décidé.")
    why: str | None = shown("reason", "code", by=why, description="Pourquoi c'était permis ou refusé, au patient.")
    source: str | None = shown("reason", by=source, description="Le texte dont vient la règle.")
    network: str | None = shown(
        "facts", by=network, description="Le réseau où cela s'est passé, quand ce n'est pas celui-ci."
    )
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
        return _connection(found, names, size, is_first=not after)


def line_fields(row: Row) -> dict[str, Shape]:
    """The fields of a line over a row with the columns of `journal.JournalLine`, and `asked`: what its reason is made
    of, packed."""
    return fields_of(
        JournalLine,
        {**row, "structure_name": row["actor_establishment"]},
        sentence=_kept_late(traces.sentence_of)(*(row[name] for name in ("kind", "action", "outcome", "rule"))),
        reason=unless_null(row["code"], _kept_late(reason_of_refusal)(row["code"])),
        why=_reason_late(why, row["asked"]),
        source=_reason_late(source, row["asked"]),
    )


#: Of a line, as the journal has it.
COLUMNS = tuple(journal.JournalLine.__dataclass_fields__)


def columns_over(rows: str) -> Row:
    """What `line_fields` wants, over a table of lines or what has its columns."""
    row = row_of(rows, COLUMNS)
    # What a place carries is kept with its sentence: nobody's own words.
    facts = Sql(f"{row['facts']} - '{{{','.join(traces.WORDS)}}}'::text[]")
    asked = (facts if name == "facts" else row[name] for name in traces.ASKED)
    day = Sql(f"(timezone('Europe/Paris', {rows}.at)::date)::text")
    return {**row, "asked": packed(*asked, day)}


_LINES, _EMERGENCIES = row_of("line", (*COLUMNS, "asked")), row_of("emergency", (*COLUMNS, "asked"))
_CURSOR = shapes.line_cursor(_LINES["line_id"])


def _end(order: str) -> Sql:
    return shapes.quoted(Sql(f"(select {_CURSOR} from line order by line_id {order} limit 1)"))


def _read_line(shape: Shape) -> Shape:
    return needing("line", shape)


JOURNAL_FIELDS: dict[str, Shape] = {
    "edges": _read_line(
        listed(
            "JournalEdge",
            {"cursor": leaf(shapes.quoted(_CURSOR)), "node": entity("JournalLine", line_fields(_LINES))},
            Sql("line"),
            Sql("line.line_id desc"),
        )
    ),
    "nodes": _read_line(listed("JournalLine", line_fields(_LINES), Sql("line"), Sql("line.line_id desc"))),
    "pageInfo": _read_line(
        entity(
            "PageInfo",
            {
                "hasNextPage": leaf(shapes.plain(Sql("(select count(*) from line) = (select size from given)"))),
                "hasPreviousPage": leaf(shapes.plain(Sql("select not is_first from given"))),
                "startCursor": leaf(_end("desc")),
                "endCursor": leaf(_end("asc")),
            },
        )
    ),
    "emergencies": needing(
        "emergency",
        listed("JournalLine", line_fields(_EMERGENCIES), Sql("emergency"), Sql("emergency.line_id desc")),
    ),
}


@cache
def _frame(needs: frozenset[str]) -> Frame:
    it = traces.traces_read()
    verdict = it.judged.verdict
    size, before = bindparam("page_size", type_=Integer()), bindparam("before_line", type_=BigInteger())
    also = [it.judged.journal_line, given(size=size, is_first=before.is_(None))]
    for name, rows in (("line", it.lines), ("emergency", it.emergencies)):
        if name in needs:
            also.append(select(columns_of(name)).select_from(rows.subquery(f"{name}_found")).cte(name))
            also[-1] = also[-1].prefix_with("materialized")
    return Frame(
        lambda body: select(
            case((verdict.c.allowed, body)).label("body"), it.judged.told_of_refusal().label("refused")
        ).select_from(verdict),
        also,
        rows={name: columns_over(f"{name}_found") for name in ("line", "emergency")},
    )


def _parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    given = arguments.root
    key, after = key_of(Node.PATIENT, given["patient_id"]), given.get("after")
    before = read_line_cursor(after) if after else None
    chosen = journal.Chosen(
        since=given.get("since"),
        until=given.get("until"),
        rpps=given.get("rpps"),
        emergencies_only=given.get("emergencies_only", False),
    )
    values = traces.traces_parameters(asked.context, key, chosen, first=given.get("first"), before_line=before)
    return {**values, "gateway_path": asked.path}


def _refused(asked: Asked, told: Mapping[str, Any]) -> object:
    raise judging.refusal(asked.context, Kind.JOURNAL, told)


JOURNAL = ReadRoot(
    name="journal",
    shows="JournalConnection",
    fields=JOURNAL_FIELDS,
    frame=_frame,
    parameters=_parameters,
    otherwise=_refused,
)


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
