"""Cases of tumour boards: registered, withdrawn, carried over; what is attached to them; the patient's own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Annotated, Any, TypeAlias

import strawberry
from sqlalchemy import and_

from passerelle.audit.transactions import transaction
from passerelle.dossier import judging
from passerelle.oncology import attachments, cases, deferral
from passerelle_graphql.compiler.building import listed, needing, row_of
from passerelle_graphql.compiler.roots import Frame, Given, ReadRoot
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import Asked, ResolverInfo, context_of
from passerelle_graphql.declared import fields_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of, node_id
from passerelle_graphql.judged_frames import framed, refused
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import shape, shown
from passerelle_graphql.schema.board_agenda import case_id, nature
from passerelle_graphql.schema.documents import document_id
from passerelle_graphql.schema.enums import AttachmentNature, CaseDiscussion, CaseState, InformedHow
from passerelle_graphql.schema.professionals import Professional, professional
from passerelle_graphql.schema.values import CodedValue, coding, instant
from passerelle_policies.vocabulary import Kind


@strawberry.input(description="Un cas à inscrire. Le patient a été informé, et en est d'accord.")
class BoardCaseInput:
    question: str
    informed_at: datetime
    informed_how: InformedHow
    agreed: bool
    discussion: CaseDiscussion = CaseDiscussion.DISCUSSED
    presenter: str | None = strawberry.field(default=None, description="Numéro RPPS ; absent : qui inscrit présente.")

    def said(self) -> cases.Registration:
        return cases.Registration(
            question=self.question,
            informed_at=self.informed_at,
            informed_how=self.informed_how,
            agreed=self.agreed,
            discussion=self.discussion,
            presenter=self.presenter,
        )


@strawberry.type(description="Où en est un cas.")
class BoardCase:
    id: strawberry.ID
    session_id: strawberry.ID
    state: CaseState
    discussion: CaseDiscussion
    registered_at: datetime
    deferred_from: strawberry.ID | None = strawberry.field(description="Le cas qu'il poursuit.")


@strawberry.type(description="Les cas d'une session annulée, là où ils sont reportés.")
class CarriedCases:
    cases: list[BoardCase] = strawberry.field(directives=[counted(40)])


@strawberry.type(description="Une pièce a été jointe ou retirée.")
class AttachmentChanged:
    case_id: strawberry.ID
    document_id: strawberry.ID


@strawberry.type(description="Un cas, tel que le lit le patient.")
class OwnBoardCase:
    id: strawberry.ID = shown("case_id", by=case_id)
    board_name: str = shown()
    starts_at: datetime = shown(description="Le jour de la session.")
    state: CaseState = shown(by=CaseState)
    discussion: CaseDiscussion = shown(by=CaseDiscussion)
    question: str = shown()
    requester: Professional = shown(by=professional, description="Qui l'a inscrit.")
    presenter: Professional = shown(by=professional, description="Qui le présente.")
    informed_at: datetime = shown(description="Quand vous en avez été informé.")
    registered_at: datetime = shown()
    ended_at: datetime | None = shown(description="Quand il a été entendu, reporté ou retiré.")
    deferred_from: strawberry.ID | None = shown(by=case_id, description="Le cas qu'il poursuit.")


@strawberry.type(description="Les cas d'un patient, du dernier inscrit au premier.")
class OwnBoardCases:
    nodes: list[OwnBoardCase] = strawberry.field(directives=[counted(10)])


@strawberry.type(description="Un document du dossier qui peut être joint à un cas.")
class AttachableDocument:
    document_id: strawberry.ID = shown(by=document_id)
    nature: AttachmentNature = shown("type_code", by=nature)
    type: CodedValue = shown("type_code", "type_label", by=coding)
    title: str = shown()
    mime_type: str = shown()
    act_at: datetime = shown()
    size: int = shown(description="En octets.")
    attached_at: datetime | None = shown(by=instant, description="Absent : il n'est pas joint.")


@strawberry.type(description="Ce que l'on peut joindre à un cas, du plus récent au plus ancien.")
class AttachableDocuments:
    nodes: list[AttachableDocument] = strawberry.field(directives=[counted(50)])


BoardCaseResult: TypeAlias = Annotated[
    BoardCase | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("BoardCaseResult")
]
CarryOverResult: TypeAlias = Annotated[
    CarriedCases | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("CarryOverResult")
]
AttachmentResult: TypeAlias = Annotated[
    AttachmentChanged | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("AttachmentResult")
]
OwnBoardCasesResult: TypeAlias = Annotated[
    OwnBoardCases | Refusal | InvalidInput | TryLater, strawberry.union("OwnBoardCasesResult")
]
AttachableDocumentsResult: TypeAlias = Annotated[
    AttachableDocuments | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("AttachableDocumentsResult")
]


@strawberry.type
class BoardCaseQuery:
    @resolved("Les cas d'un patient en RCP, pour lui et ses représentants.", cost=10)
    async def board_cases(self, info: ResolverInfo, patient_id: strawberry.ID) -> OwnBoardCasesResult:
        key = key_of(Node.PATIENT, patient_id)
        async with transaction(context_of(info)) as act:
            rows = await cases.of_patient(act, key)
        return OwnBoardCases(nodes=[shape(OwnBoardCase, each) for each in rows])

    @resolved("Ce que l'on peut joindre au cas d'un patient : une lecture de son dossier.", cost=20)
    async def attachable_documents(
        self,
        info: ResolverInfo,
        patient_id: strawberry.ID,
        case_id: strawberry.ID,
    ) -> AttachableDocumentsResult:
        patient, key = key_of(Node.PATIENT, patient_id), key_of(Node.BOARD_CASE, case_id)
        async with transaction(context_of(info)) as act:
            rows = await attachments.attachable(act, patient, key)
        return AttachableDocuments(nodes=[shape(AttachableDocument, each) for each in rows])


@strawberry.type
class BoardCaseMutation:
    @resolved("Inscrire le cas d'un patient à une session de RCP.", cost=20)
    async def register_board_case(
        self,
        info: ResolverInfo,
        patient_id: strawberry.ID,
        session_id: strawberry.ID,
        board_case: BoardCaseInput,
    ) -> BoardCaseResult:
        patient, session = key_of(Node.PATIENT, patient_id), key_of(Node.BOARD_SESSION, session_id)
        async with transaction(context_of(info)) as act:
            return _case(await cases.register(act, patient, session, board_case.said()))

    @resolved("Retirer un cas avant qu'il soit entendu.", cost=10)
    async def withdraw_board_case(
        self,
        info: ResolverInfo,
        id: strawberry.ID,  # noqa: A002 - the graph's name
        because: str | None = None,
    ) -> BoardCaseResult:
        key = key_of(Node.BOARD_CASE, id)
        async with transaction(context_of(info)) as act:
            return _case(await cases.withdraw(act, key, because=because))

    @resolved("Reporter un cas à une session plus tardive de sa RCP, avec ses pièces et ce que dit sa fiche.", cost=10)
    async def defer_board_case(
        self,
        info: ResolverInfo,
        id: strawberry.ID,  # noqa: A002 - the graph's name
        session_id: strawberry.ID,
    ) -> BoardCaseResult:
        key, session = key_of(Node.BOARD_CASE, id), key_of(Node.BOARD_SESSION, session_id)
        async with transaction(context_of(info)) as act:
            return _case(await deferral.defer(act, key, session))

    @resolved("Reporter les cas d'une session annulée à une session plus tardive de sa RCP.", cost=40)
    async def carry_over_board_cases(
        self, info: ResolverInfo, session_id: strawberry.ID, to_session_id: strawberry.ID
    ) -> CarryOverResult:
        left, session = key_of(Node.BOARD_SESSION, session_id), key_of(Node.BOARD_SESSION, to_session_id)
        async with transaction(context_of(info)) as act:
            return CarriedCases(cases=[_case(each) for each in await deferral.carry_over(act, left, session)])

    @resolved("Joindre un document du dossier à un cas.", cost=10)
    async def attach_to_board_case(
        self,
        info: ResolverInfo,
        case_id: strawberry.ID,
        document_id: strawberry.ID,
    ) -> AttachmentResult:
        key, paper = key_of(Node.BOARD_CASE, case_id), key_of(Node.DOCUMENT, document_id)
        async with transaction(context_of(info)) as act:
            await attachments.attach(act, key, paper)
        return AttachmentChanged(case_id=case_id, document_id=document_id)

    @resolved("Retirer un document d'un cas.", cost=10)
    async def detach_from_board_case(
        self,
        info: ResolverInfo,
        case_id: strawberry.ID,
        document_id: strawberry.ID,
    ) -> AttachmentResult:
        key, paper = key_of(Node.BOARD_CASE, case_id), key_of(Node.DOCUMENT, document_id)
        async with transaction(context_of(info)) as act:
            await attachments.detach(act, key, paper)
        return AttachmentChanged(case_id=case_id, document_id=document_id)


def _case(given: cases.Case) -> BoardCase:
    return BoardCase(
        id=node_id(Node.BOARD_CASE, given.case_id),
        session_id=node_id(Node.BOARD_SESSION, given.session_id),
        state=given.state,
        discussion=given.discussion,
        registered_at=given.registered_at,
        deferred_from=case_id(given.deferred_from),
    )


_OWN = "own_case"


@cache
def _own_frame(needs: frozenset[str]) -> Frame:
    it = judging.judged(Kind.BOARD_CASE)
    rows = cases.own_cases(it.patient_id).where(it.is_allowed()).cte(_OWN)
    return framed(it, [rows] if _OWN in needs else [])


def _own_parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    key = key_of(Node.PATIENT, arguments.root["patient_id"])
    return judging.parameters(asked.context, Kind.BOARD_CASE, key)


BOARD_CASES = ReadRoot(
    name="boardCases",
    shows="OwnBoardCases",
    fields={
        "nodes": needing(
            _OWN,
            listed(
                "OwnBoardCase",
                fields_of(OwnBoardCase, row_of(_OWN, cases.OWN)),
                Sql(_OWN),
                Sql(f"{_OWN}.registered_at desc, {_OWN}.case_id"),
            ),
        )
    },
    frame=_own_frame,
    parameters=_own_parameters,
    otherwise=refused(Kind.BOARD_CASE),
)

_ATTACHABLE = "attachable"


@cache
def _attachable_frame(needs: frozenset[str]) -> Frame:
    it = attachments.attachable_read()
    return framed(
        it.judged, [it.rows] if _ATTACHABLE in needs else [], when=and_(it.judged.verdict.c.allowed, it.is_known)
    )


def _attachable_parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    patient = key_of(Node.PATIENT, arguments.root["patient_id"])
    key = key_of(Node.BOARD_CASE, arguments.root["case_id"])
    return attachments.attachable_parameters(asked.context, patient, key)


ATTACHABLE_DOCUMENTS = ReadRoot(
    name="attachableDocuments",
    shows="AttachableDocuments",
    fields={
        "nodes": needing(
            _ATTACHABLE,
            listed(
                "AttachableDocument",
                fields_of(AttachableDocument, row_of(_ATTACHABLE, attachments.ATTACHABLE)),
                Sql(_ATTACHABLE),
                Sql(f"{_ATTACHABLE}.act_at desc, {_ATTACHABLE}.document_id desc"),
            ),
        )
    },
    frame=_attachable_frame,
    parameters=_attachable_parameters,
    otherwise=refused(Kind.DOSSIER, unknown="CASE_UNKNOWN"),
)
