"""The sheet of a case: read field by field, written, said to be done, approved, corrected, closed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Annotated, Any, TypeAlias

import strawberry

from passerelle.audit.transactions import transaction
from passerelle.kernel.context import Context
from passerelle.oncology import approval, sheet_answers, sheets, sheets_read
from passerelle.oncology.sheet import BoardSheet
from passerelle.oncology.sheets import Sheet
from passerelle_graphql.compiler.building import Shape, row_of
from passerelle_graphql.compiler.rendering import made
from passerelle_graphql.compiler.roots import Frame, Given, ReadRoot
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import Asked, ResolverInfo, context_of
from passerelle_graphql.declared import fields_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of, node_id
from passerelle_graphql.judged_frames import framed, refused
from passerelle_graphql.problems import Conflict, InvalidInput, Problem, Refusal, TryLater
from passerelle_graphql.read_model import as_uuid, shape, shown
from passerelle_graphql.schema.board_agenda import MissingAnswer, case_id, missing_of, rpps
from passerelle_graphql.schema.enums import SheetState
from passerelle_graphql.schema.values import instant
from passerelle_policies.vocabulary import Kind


@strawberry.type(description="Une réponse de la fiche.")
class SheetAnswer:
    name: str = strawberry.field(description="Son nom ; dans une liste, « tumours.1.topography ».")
    label: str
    value: str = strawberry.field(description="Ce qui s'écrit en retour : code, true, false, nombre, date HL7, texte.")
    system: str | None = strawberry.field(description="Le système de codes de la valeur, si elle est un code.")
    text: str = strawberry.field(description="Ce que l'on lit.")
    source: strawberry.ID | None = strawberry.field(
        description="Le document joint d'où elle a été reprise, pour qui peut le lire."
    )


@strawberry.type(description="Une section de la fiche, en toutes lettres.")
class SheetSection:
    name: str
    label: str
    text: str


@strawberry.type(description="Une version de la fiche d'un cas.")
class BoardSheetVersion:
    case_id: strawberry.ID = shown(by=case_id)
    version: int = shown()
    state: SheetState = shown(by=SheetState)
    revision: int = shown(description="À rappeler pour y écrire.")
    correction_because: str | None = shown(description="Pourquoi cette version a été ouverte.")
    written_by: str = shown(by=rpps, description="Numéro RPPS.")
    written_at: datetime = shown(by=instant)
    approved_at: datetime | None = shown(by=instant)
    missing: list[MissingAnswer] = strawberry.field(directives=[counted(20)])
    answers: list[SheetAnswer] = strawberry.field(directives=[counted(60)])
    sections: list[SheetSection] = strawberry.field(directives=[counted(15)])
    attached: list[strawberry.ID] = strawberry.field(
        directives=[counted(5)], description="Les pièces que la RCP avait, quand la fiche a été validée."
    )
    document_id: strawberry.ID | None = strawberry.field(description="Le document du dossier, une fois validée.")


@strawberry.type(description="Où en est une fiche, après un acte.")
class BoardSheetChanged:
    case_id: strawberry.ID
    version: int
    state: SheetState
    revision: int
    missing: list[MissingAnswer] = strawberry.field(directives=[counted(20)])


@strawberry.type(description="Une fiche validée : classée au dossier, envoyée, et l'ébauche du PPS qu'elle donne.")
class BoardSheetApproved:
    case_id: strawberry.ID
    version: int
    document_id: strawberry.ID


@strawberry.type(description="La fiche ne peut pas encore être validée : ce qui manque, ou ce qui n'est pas conforme.")
class SheetNotReady(Problem):
    points: list[str] = strawberry.field(directives=[counted(20)])


@strawberry.input(description="Une réponse à une rubrique ; sans valeur, elle est retirée. Une liste se donne entière.")
class SheetAnswerInput:
    name: str
    value: str | None = None
    system: str | None = strawberry.field(default=None, description="Le système de codes, hors jeu de valeurs.")
    label: str | None = strawberry.field(default=None, description="Le libellé d'un code, hors jeu de valeurs.")


BoardSheetResult: TypeAlias = Annotated[
    BoardSheetVersion | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("BoardSheetResult")
]
BoardSheetActResult: TypeAlias = Annotated[
    BoardSheetChanged | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("BoardSheetActResult")
]
ApproveSheetResult: TypeAlias = Annotated[
    BoardSheetApproved | SheetNotReady | Refusal | Conflict | InvalidInput | TryLater,
    strawberry.union("ApproveSheetResult"),
]


def answers_of(_context: Context, content: Any, sources: Any, readable: Any) -> list[SheetAnswer]:
    """What a sheet answers, out of its columns."""
    sheet = BoardSheet.from_json(content)
    return [
        SheetAnswer(
            name=each.name,
            label=each.label,
            value=each.value,
            system=each.system,
            text=each.text,
            source=_document(each.source),
        )
        for each in sheet_answers.told(sheet, sources or {}, frozenset(readable or ()))
    ]


def sections_of(_context: Context, content: Any) -> list[SheetSection]:
    """The sections of a sheet in words."""
    found = sheet_answers.sections(BoardSheet.from_json(content))
    return [SheetSection(name=each.name, label=each.label, text=each.text) for each in found]


def attached_of(_context: Context, attached: Any, readable: Any) -> list[strawberry.ID]:
    """Of the documents that the board had, those that the reader may read."""
    seen = frozenset(readable or ())
    return [node_id(Node.DOCUMENT, as_uuid(each)) for each in attached or () if str(each) in seen]


def _document(given: Any) -> strawberry.ID | None:
    return None if given is None else node_id(Node.DOCUMENT, as_uuid(given))


def document_of(_context: Context, given: Any) -> strawberry.ID | None:
    """The document of an approved version."""
    return _document(given)


def lacking_of(context: Context, names: Any) -> list[MissingAnswer]:
    """What a sheet lacks; nothing where it was not told."""
    return missing_of(context, names or ())


_MADE: Mapping[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "missing": (lacking_of, ("missing",)),
    "answers": (answers_of, ("content", "sources", "readable")),
    "sections": (sections_of, ("content",)),
    "attached": (attached_of, ("attached", "readable")),
    "document_id": (document_of, ("document_id",)),
}
"""What Python makes of the columns of a version, for both executors."""


@strawberry.type
class BoardSheetQuery:
    @resolved("La fiche d'un cas, pour la RCP et pour qui l'a inscrit. Le patient le lit dans son journal.", cost=20)
    async def board_sheet(
        self, info: ResolverInfo, patient_id: strawberry.ID, case_id: strawberry.ID, version: int | None = None
    ) -> BoardSheetResult:
        context = context_of(info)
        patient, key = key_of(Node.PATIENT, patient_id), key_of(Node.BOARD_CASE, case_id)
        row = await sheets_read.read(context, patient, key, version)
        made = shape(BoardSheetVersion, row)
        for name, (make, columns) in _MADE.items():
            setattr(made, name, make(context, *(row[each] for each in columns)))
        return made


_SHEET = "sheet_version"
_ROW = row_of(_SHEET, sheets_read.SHOWN)
_FIELDS = {
    "missing": "missing",
    "answers": "answers",
    "sections": "sections",
    "attached": "attached",
    "document_id": "documentId",
}


def _late(name: str) -> Shape:
    make, columns = _MADE[name]
    return made("BoardSheetVersion", _FIELDS[name], make, *(Sql(_ROW[each]) for each in columns))


@cache
def _frame(_needs: frozenset[str]) -> Frame:
    it = sheets_read.sheet_read()
    return framed(it.judged, about=it.sheet.c.version)


def _parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    patient = key_of(Node.PATIENT, arguments.root["patient_id"])
    key = key_of(Node.BOARD_CASE, arguments.root["case_id"])
    return sheets_read.parameters(asked.context, patient, key, arguments.root.get("version"))


BOARD_SHEET = ReadRoot(
    name="boardSheet",
    shows="BoardSheetVersion",
    fields=fields_of(BoardSheetVersion, _ROW, **{name: _late(name) for name in _MADE}),
    frame=_frame,
    parameters=_parameters,
    otherwise=refused(Kind.BOARD_SHEET, unknown="SHEET_NOT_BEGUN"),
)


@strawberry.type
class BoardSheetMutation:
    @resolved("Commencer la fiche d'un cas, avec ce que l'on sait déjà et ce que disent ses pièces.", cost=40)
    async def begin_board_sheet(self, info: ResolverInfo, case_id: strawberry.ID) -> BoardSheetActResult:
        key = key_of(Node.BOARD_CASE, case_id)
        async with transaction(context_of(info)) as act:
            return _changed(info, await sheets.begin(act, key))

    @resolved("Répondre à des rubriques de la fiche ; la révision est celle que l'on a lue.", cost=20)
    async def write_board_sheet(
        self,
        info: ResolverInfo,
        case_id: strawberry.ID,
        revision: int,
        answers: list[SheetAnswerInput],
        correspondents: list[str] | None = None,
    ) -> BoardSheetActResult:
        key = key_of(Node.BOARD_CASE, case_id)
        given = sheet_answers.taken(
            sheet_answers.GivenAnswer(name=each.name, value=each.value, system=each.system, label=each.label)
            for each in answers
        )
        async with transaction(context_of(info)) as act:
            return _changed(info, await sheets.write(act, key, revision, given, correspondents=correspondents))

    @resolved("Reprendre dans la fiche ce que disent les pièces jointes depuis ; ce qui a été écrit reste.", cost=40)
    async def fill_board_sheet(self, info: ResolverInfo, case_id: strawberry.ID, revision: int) -> BoardSheetActResult:
        key = key_of(Node.BOARD_CASE, case_id)
        async with transaction(context_of(info)) as act:
            return _changed(info, await sheets.take_from_attached(act, key, revision))

    @resolved("Dire la fiche terminée : elle attend la validation du coordonnateur.", cost=10)
    async def finish_board_sheet(
        self, info: ResolverInfo, case_id: strawberry.ID, revision: int
    ) -> BoardSheetActResult:
        key = key_of(Node.BOARD_CASE, case_id)
        async with transaction(context_of(info)) as act:
            return _changed(info, await sheets.done(act, key, revision))

    @resolved("Valider la fiche : elle est classée au dossier, envoyée, et ne change plus.", cost=60)
    async def approve_board_sheet(
        self,
        info: ResolverInfo,
        case_id: strawberry.ID,
        revision: int,
        hidden_from_patient: bool = False,
    ) -> ApproveSheetResult:
        key = key_of(Node.BOARD_CASE, case_id)
        try:
            async with transaction(context_of(info)) as act:
                done = await approval.approve(act, key, revision, hidden_from_patient=hidden_from_patient)
        except approval.NotReady as unready:
            return SheetNotReady(code=unready.code, message=unready.message, points=list(unready.points))
        document = node_id(Node.DOCUMENT, done.document_id)
        return BoardSheetApproved(case_id=case_id, version=done.sheet.version, document_id=document)

    @resolved("Reprendre une fiche validée pour la corriger : c'est une autre version, la première reste.", cost=20)
    async def correct_board_sheet(
        self, info: ResolverInfo, case_id: strawberry.ID, because: str
    ) -> BoardSheetActResult:
        key = key_of(Node.BOARD_CASE, case_id)
        async with transaction(context_of(info)) as act:
            return _changed(info, await sheets.correct(act, key, because))

    @resolved("Clore une fiche validée avant sa session, qui clôt les autres.", cost=10)
    async def close_board_sheet(self, info: ResolverInfo, case_id: strawberry.ID) -> BoardSheetActResult:
        key = key_of(Node.BOARD_CASE, case_id)
        async with transaction(context_of(info)) as act:
            return _changed(info, await sheets.close(act, key))

    @resolved("Dire pourquoi l'avis s'écarte du standard ; sans motif, qu'il ne s'en écarte pas.", cost=10)
    async def trace_off_standard(
        self, info: ResolverInfo, case_id: strawberry.ID, because: str | None = None
    ) -> BoardSheetActResult:
        key = key_of(Node.BOARD_CASE, case_id)
        async with transaction(context_of(info)) as act:
            return _changed(info, await sheets.trace_off_standard(act, key, because))


def _changed(info: ResolverInfo, sheet: Sheet) -> BoardSheetChanged:
    return BoardSheetChanged(
        case_id=node_id(Node.BOARD_CASE, sheet.case_id),
        version=sheet.version,
        state=sheet.state,
        revision=sheet.revision,
        missing=missing_of(context_of(info), sheet.missing),
    )
