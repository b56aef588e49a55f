"""`boardSession`: a session with its cases, as whoever sits in it opens it; one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import strawberry

from passerelle.kernel.clock import PARIS
from passerelle.kernel.context import Context
from passerelle.oncology import agenda, attachments, quorum, sheet_fields
from passerelle.oncology.quorum import Present
from passerelle_graphql.compiler import shapes
from passerelle_graphql.compiler.building import (
    Shape,
    entity,
    leaf,
    listed,
    needing,
    row_of,
    unless_null,
)
from passerelle_graphql.compiler.rendering import made
from passerelle_graphql.compiler.roots import TENANT_PATH, Frame, Given, ReadRoot, given
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import Asked, ResolverInfo, context_of
from passerelle_graphql.declared import fields_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of, node_id
from passerelle_graphql.judged_frames import framed, refused
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import as_uuid, in_sql, shape, shown
from passerelle_graphql.schema.documents import document_id
from passerelle_graphql.schema.enums import (
    AttachmentNature,
    BoardKind,
    CaseDiscussion,
    CaseState,
    SessionState,
    SheetState,
    Specialty,
)
from passerelle_graphql.schema.professionals import Professional, professional
from passerelle_graphql.schema.values import CodedValue, coding, instant
from passerelle_policies.vocabulary import Kind

_SESSION, _CASE, _ATTACHED = "session", "agenda_case", "attached"


@in_sql(lambda key: leaf(shapes.quoted_id(Node.BOARD_CASE)(key)))
def case_id(value: UUID | str | None) -> strawberry.ID | None:
    """The id of a case; null for none."""
    return None if value is None else node_id(Node.BOARD_CASE, as_uuid(value))


@in_sql(lambda key: leaf(shapes.quoted_id(Node.BOARD_SESSION)(key)))
def session_id(value: UUID | str) -> strawberry.ID:
    return node_id(Node.BOARD_SESSION, as_uuid(value))


@in_sql(lambda key: leaf(shapes.quoted_id(Node.PATIENT)(key)))
def patient_id(value: UUID | str) -> strawberry.ID:
    return node_id(Node.PATIENT, as_uuid(value))


@in_sql(lambda subject: leaf(shapes.free_text(Sql(f"split_part({subject}, ':', 2)"))))
def rpps(subject: str) -> str:
    """The RPPS number of a subject."""
    return subject.partition(":")[2]


def _nature_in_sql(code: Sql) -> Shape:
    natures = {each: nature.name for each, nature in attachments.natures().items()}
    return leaf(shapes.quoted(shapes.label_in(natures, code)))


@in_sql(_nature_in_sql)
def nature(type_code: str) -> AttachmentNature:
    """What a document is to a case, by its type."""
    return attachments.natures()[type_code]


@strawberry.type(description="Un document joint à un cas, que l'on peut lire.")
class CaseAttachment:
    document_id: strawberry.ID = shown(by=document_id)
    nature: AttachmentNature = shown("type_code", by=nature)
    type: CodedValue = shown("type_code", "type_label", by=coding)
    title: str = shown()
    mime_type: str = shown()
    act_at: datetime = shown(by=instant)
    size: int = shown(description="En octets.")
    attached_at: datetime = shown(by=instant)
    content_url: str = strawberry.field(description="Où en lire les octets, au titre du cas, avec le même jeton.")


@strawberry.type(description="Une réponse obligatoire qui manque à la fiche.")
class MissingAnswer:
    name: str
    label: str


@strawberry.type(description="Où en est la fiche d'un cas.")
class CaseSheet:
    version: int = shown("sheet_version")
    state: SheetState = shown("sheet_state", by=SheetState)
    written_at: datetime = shown("sheet_written_at", by=instant)
    missing: list[MissingAnswer] | None = strawberry.field(
        directives=[counted(20)], description="Ce qui lui manquait quand elle a été écrite ; absent : non dit."
    )


@strawberry.type(
    description="Le quorum à attendre pour un cas, de qui est convoqué. Le motif d'une absence n'est pas dit."
)
class CaseForecast:
    expected: bool = strawberry.field(description="Le quorum devrait être atteint.")
    missing: list[Specialty] = strawberry.field(
        directives=[counted(3)], description="Les spécialités requises qui manquent."
    )
    lacking: int = strawberry.field(description="Combien de spécialités, quelles qu'elles soient, manquent au nombre.")


@strawberry.type(description="Qui est le patient d'un cas.")
class CasePatient:
    id: strawberry.ID = shown("patient_id", by=patient_id)
    family_name: str = shown()
    used_name: str = shown()
    given_names: list[str] = shown(assumed_size=3)
    birth_date: str = shown()
    sex: str = shown()


@strawberry.type(description="Un cas inscrit à une session.")
class AgendaCase:
    id: strawberry.ID = shown("case_id", by=case_id)
    patient: CasePatient
    state: CaseState = shown("case_state", by=CaseState)
    discussion: CaseDiscussion = shown(by=CaseDiscussion)
    requester: Professional = shown(by=professional, description="Qui l'a inscrit.")
    presenter: Professional = shown(by=professional, description="Qui le présente.")
    question: str | None = shown(description="Absente pour qui ne peut pas lire la fiche.")
    informed_at: datetime = shown(by=instant, description="Quand le patient a été informé.")
    registered_at: datetime = shown(by=instant)
    deferred_from: strawberry.ID | None = shown(by=case_id, description="Le cas qu'il poursuit.")
    sheet: CaseSheet | None
    attachments: list[CaseAttachment] = strawberry.field(directives=[counted(5)])
    forecast: CaseForecast | None = strawberry.field(description="Avant que la session se tienne.")


@strawberry.type(
    description="Une session avec ceux de ses cas que l'on peut connaître ; rien ne dit s'il en est d'autres. "
    "Ceux que d'autres réseaux lui ont prêtés sont à part : lentCases."
)
class OpenedBoardSession:
    id: strawberry.ID = shown("session_id", by=session_id)
    board_name: str = shown()
    board_kind: BoardKind = shown(by=BoardKind)
    starts_at: datetime = shown(by=instant)
    ends_at: datetime = shown(by=instant)
    place: str | None = shown()
    state: SessionState = shown(by=SessionState)
    cases: list[AgendaCase] = strawberry.field(directives=[counted(40)])


BoardSessionResult: TypeAlias = Annotated[
    OpenedBoardSession | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("BoardSessionResult")
]


def missing_of(_context: Context, names: Sequence[str]) -> list[MissingAnswer]:
    """What a sheet lacks, with the French name of each."""
    return [MissingAnswer(name=each, label=sheet_fields.label(each)) for each in names]


_FORECAST = ("board_kind", "organ", "starts_at", "state")


def forecast_of(context: Context, *said: Any) -> CaseForecast | None:
    """The quorum of those who are expected, by the rules of the session's day; none once it was held or cancelled.

    `said` has the columns of `_FORECAST`, and of the case `expected`.
    """
    kind, organ, starts_at, state, expected = said
    if SessionState(state) not in {SessionState.PLANNED, SessionState.OPEN}:
        return None
    day = datetime.fromisoformat(starts_at).astimezone(PARIS).date()
    rule = quorum.rule_on(context, day, BoardKind(kind), organ)
    judged = quorum.judge(
        rule, [Present(specialty=Specialty(each), is_remote=is_remote) for each, is_remote in expected or ()]
    )
    return CaseForecast(expected=judged.is_reached, missing=list(judged.missing), lacking=judged.lacking)


@strawberry.type
class BoardAgendaQuery:
    @resolved(
        "Une session de RCP avec ses cas, pour qui y siège, l'organise ou y a inscrit un cas. Chaque patient le lit.",
        cost=30,
    )
    async def board_session(self, info: ResolverInfo, id: strawberry.ID) -> BoardSessionResult:  # noqa: A002 - the graph's name
        context = context_of(info)
        opened = await agenda.open_session(context, key_of(Node.BOARD_SESSION, id))
        session = shape(OpenedBoardSession, opened.session)
        session.cases = [_case(info, opened, each) for each in opened.cases]
        return session


def _case(info: ResolverInfo, opened: agenda.OpenedSession, row: Mapping[str, Any]) -> AgendaCase:
    context = context_of(info)
    made = shape(AgendaCase, row)
    made.patient = shape(CasePatient, row)
    made.sheet = None if row["sheet_version"] is None else shape(CaseSheet, row)
    if made.sheet is not None:
        names = row["sheet_missing"]
        made.sheet.missing = None if names is None else missing_of(context, names)
    made.attachments = [_attached(info, each) for each in opened.attached.get(row["case_id"], ())]
    made.forecast = forecast_of(context, *(opened.session[name] for name in _FORECAST), row["expected"])
    return made


def _attached(info: ResolverInfo, row: Mapping[str, Any]) -> CaseAttachment:
    made = shape(CaseAttachment, row)
    made.content_url = f"{info.context.path}/board-cases/{case_id(row['case_id'])}/documents/{made.document_id}"
    return made


_OF_SESSION = row_of(_SESSION, agenda.SESSION)
_OF_CASE = row_of(_CASE, agenda.CASES)
_OF_ATTACHED = row_of(_ATTACHED, agenda.ATTACHED)
_ADDRESS = Sql(
    f"{TENANT_PATH} || '/board-cases/' || {shapes.node_id(Node.BOARD_CASE)(_OF_ATTACHED['case_id'])}"
    f" || '/documents/' || {shapes.node_id(Node.DOCUMENT)(_OF_ATTACHED['document_id'])}"
)
_SHEET = fields_of(
    CaseSheet,
    _OF_CASE,
    missing=unless_null(_OF_CASE["sheet_missing"], made("CaseSheet", "missing", missing_of, _OF_CASE["sheet_missing"])),
)
_CASE_FIELDS = fields_of(
    AgendaCase,
    _OF_CASE,
    patient=entity("CasePatient", fields_of(CasePatient, _OF_CASE)),
    sheet=entity("CaseSheet", _SHEET, when=Sql(f"{_OF_CASE['sheet_version']} is not null")),
    attachments=needing(
        _ATTACHED,
        listed(
            "CaseAttachment",
            fields_of(CaseAttachment, _OF_ATTACHED, content_url=leaf(shapes.quoted(_ADDRESS))),
            Sql(f"{_ATTACHED} where {_OF_ATTACHED['case_id']} = {_OF_CASE['case_id']}"),
            Sql(f"{_OF_ATTACHED['act_at']} desc, {_OF_ATTACHED['document_id']}"),
        ),
    ),
    forecast=made(
        "AgendaCase", "forecast", forecast_of, *(_OF_SESSION[name] for name in _FORECAST), _OF_CASE["expected"]
    ),
)


@cache
def _frame(needs: frozenset[str]) -> Frame:
    it = agenda.agenda()
    also = [it.lines, *([it.attached] if _ATTACHED in needs else []), *([it.cases] if _CASE in needs else [])]
    return framed(it.judged, [*also, given()], about=it.session.c.session_id)


def _parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    key = key_of(Node.BOARD_SESSION, arguments.root["id"])
    return {**agenda.parameters(asked.context, key), "gateway_path": asked.path}


BOARD_SESSION = ReadRoot(
    name="boardSession",
    shows="OpenedBoardSession",
    fields=fields_of(
        OpenedBoardSession,
        _OF_SESSION,
        cases=needing(_CASE, listed("AgendaCase", _CASE_FIELDS, Sql(_CASE), _OF_CASE["number"])),
    ),
    frame=_frame,
    parameters=_parameters,
    otherwise=refused(Kind.BOARD_SESSION, unknown="CASE_SESSION_UNKNOWN"),
)
