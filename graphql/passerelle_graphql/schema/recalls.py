"""Recalls and alerts: what a pharmacy received and whom it concerns, what an authority issued and how far it came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from functools import cache
from typing import Annotated, Any, TypeAlias

import strawberry
from sqlalchemy import Boolean, Integer, Text, Uuid, bindparam, select

from passerelle.audit.journal import NOBODY
from passerelle.audit.transactions import transaction
from passerelle.dossier import judging, reading
from passerelle.pharmacy import recall_patients, recall_patients_read, recalls
from passerelle_graphql.compiler import shapes
from passerelle_graphql.compiler.building import leaf, listed, needing, row_of
from passerelle_graphql.compiler.roots import Frame, Given, ReadRoot, given
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import Asked, ResolverInfo, context_of
from passerelle_graphql.declared import fields_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of, node_id
from passerelle_graphql.judged_frames import framed, refused
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import shape, shown
from passerelle_graphql.schema.enums import RecallKind, RecallLevel, RecallState
from passerelle_graphql.schema.values import identified
from passerelle_policies.vocabulary import Action, Kind


@strawberry.type(description="Un rappel ou une alerte, et où en est la pharmacie qui l'a reçu.")
class ReceivedRecall:
    id: strawberry.ID = shown("recall_id", by=identified(Node.RECALL))
    kind: RecallKind = shown()
    level: RecallLevel = shown()
    cip13: str | None = shown(description="Le produit ; absent d'une alerte.")
    batches: list[str] = shown(description="Aucun : tous les lots.", assumed_size=10)
    message: str = shown(description="Ce qu'il y a à faire.")
    source: str = shown(description="L'autorité.")
    reference: str = shown(description="Le numéro que l'autorité lui donne.")
    closed_at: datetime | None = shown()
    state: RecallState = shown()
    delivered_at: datetime = shown()
    escalates_at: datetime = shown(description="Quand il est signalé à l'autorité, sans accusé de réception.")
    acknowledged_at: datetime | None = shown()


@strawberry.type(description="Ce qu'une pharmacie a reçu : ce qui attend son accusé de réception d'abord.")
class ReceivedRecalls:
    nodes: list[ReceivedRecall]


@strawberry.type(description="Un rappel ou une alerte, et combien de pharmacies en sont où ; aucun patient.")
class FollowedRecall:
    id: strawberry.ID = shown("recall_id", by=identified(Node.RECALL))
    kind: RecallKind = shown()
    level: RecallLevel = shown()
    cip13: str | None = shown()
    batches: list[str] = shown(assumed_size=10)
    message: str = shown()
    source: str = shown()
    reference: str = shown()
    issued_at: datetime = shown()
    closed_at: datetime | None = shown()
    waiting: int = shown(description="Pharmacies à qui il n'est pas encore parvenu.")
    delivered: int = shown(description="… à qui il est parvenu, sans accusé de réception.")
    acknowledged: int = shown(description="… qui en ont accusé réception.")
    escalated: int = shown(description="… dont le délai est passé.")
    escalated_pharmacies: list[str] = shown(
        description="Celles-là, par leur numéro FINESS : à joindre autrement.", assumed_size=100
    )
    told_by: list[str] = shown(
        description="Les autres réseaux qui ont dit où il en est chez eux : leurs pharmacies sont comptées.",
        assumed_size=10,
    )


@strawberry.type(description="Un rappel ou une alerte, tel qu'il est émis.")
class IssuedRecall:
    id: strawberry.ID = shown("recall_id", by=identified(Node.RECALL))
    kind: RecallKind = shown()
    level: RecallLevel = shown()
    source: str = shown()
    reference: str = shown()
    issued_at: datetime = shown()
    closed_at: datetime | None = shown()


@strawberry.type(description="Ce qui a été délivré. Sans numéro de lot, ce peut être un lot rappelé ou un autre.")
class HandedProduct:
    dispensed_on: date
    label: str
    batch: str | None
    pharmacy_number: str = strawberry.field(description="Le numéro que la pharmacie a donné à la dispensation.")


@strawberry.type(description="Un patient de la pharmacie à qui le produit rappelé a été délivré.")
class ConcernedPatient:
    patient_id: strawberry.ID
    family_name: str
    used_name: str
    given_names: list[str] = strawberry.field(directives=[counted(3)])
    birth_date: str
    handed: list[HandedProduct] = strawberry.field(directives=[counted(5)])


@strawberry.type
class ConcernedPatients:
    nodes: list[ConcernedPatient]
    end_cursor: strawberry.ID | None = strawberry.field(description="Où reprendre ; absent à la dernière page.")


@strawberry.type(description="L'accusé de réception d'une pharmacie.")
class Acknowledged:
    at: datetime = strawberry.field(description="Quand il a été donné, la première fois.")


@strawberry.input(description="Un rappel de produit ; sans produit, une alerte à toutes les pharmacies.")
class RecallInput:
    level: RecallLevel
    message: str = strawberry.field(description="Ce qu'il y a à faire.")
    source: str = strawberry.field(description="L'autorité.")
    reference: str = strawberry.field(description="Son numéro : rien n'est émis deux fois sous le même.")
    cip13: str | None = None
    batches: list[str] = strawberry.field(default_factory=list, description="Aucun : tous les lots.")


RecallsResult: TypeAlias = Annotated[
    ReceivedRecalls | Refusal | InvalidInput | TryLater, strawberry.union("RecallsResult")
]
RecallFollowUpResult: TypeAlias = Annotated[
    FollowedRecall | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("RecallFollowUpResult")
]
ConcernedPatientsResult: TypeAlias = Annotated[
    ConcernedPatients | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("ConcernedPatientsResult")
]
IssueResult: TypeAlias = Annotated[
    IssuedRecall | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("IssueRecallResult")
]
AcknowledgeResult: TypeAlias = Annotated[
    Acknowledged | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("AcknowledgeRecallResult")
]
_NODES = counted(50, by="first", within=("nodes",))


@strawberry.type
class RecallQuery:
    @resolved("Les rappels et les alertes que la pharmacie d'où l'on agit a reçus.", cost=10, counts=_NODES)
    async def recalls(self, info: ResolverInfo, first: int | None = None, waiting_only: bool = False) -> RecallsResult:
        context = context_of(info)
        size = reading.page_size(context, first)
        async with transaction(context) as act:
            rows = await recalls.inbox(act, first=size, waiting_only=waiting_only)
        return ReceivedRecalls(nodes=[shape(ReceivedRecall, each) for each in rows])

    @resolved("Où en est un rappel, pharmacie par pharmacie ; pour l'autorité et l'exploitant.", cost=10)
    async def recall_follow_up(self, info: ResolverInfo, id: strawberry.ID) -> RecallFollowUpResult:  # noqa: A002
        key = key_of(Node.RECALL, id)
        async with transaction(context_of(info)) as act:
            row = await recalls.follow_up(act, key)
        return shape(FollowedRecall, _said(row))

    @resolved(
        "Les patients à qui la pharmacie d'où l'on agit a délivré ce qui est rappelé. Chacun le lit dans son journal.",
        cost=20,
        counts=_NODES,
    )
    async def concerned_patients(
        self, info: ResolverInfo, recall_id: strawberry.ID, first: int | None = None, after: strawberry.ID | None = None
    ) -> ConcernedPatientsResult:
        context, key = context_of(info), key_of(Node.RECALL, recall_id)
        start = key_of(Node.PATIENT, after) if after is not None else None
        size = reading.page_size(context, first)
        async with transaction(context) as act:
            page = await recall_patients.concerned_patients(act, key, first=size, after=start)
        nodes = [_concerned(each) for each in page.patients]
        return ConcernedPatients(nodes=nodes, end_cursor=nodes[-1].patient_id if page.has_next else None)


def _said(given: recalls.Recall) -> dict[str, Any]:
    return {**asdict(given), "kind": given.kind}


def _concerned(given: recall_patients.Concerned) -> ConcernedPatient:
    traits = given.patient.traits
    return ConcernedPatient(
        patient_id=node_id(Node.PATIENT, given.patient.patient_id),
        family_name=traits.family_name,
        used_name=traits.used_name,
        given_names=list(traits.given_names),
        birth_date=traits.birth_date,
        handed=[HandedProduct(**asdict(each)) for each in given.handed],
    )


_RECEIVED, _FOLLOWED = "received", "followed"


@cache
def _inbox_frame(needs: frozenset[str]) -> Frame:
    it = judging.judged(Kind.RECALL)
    found = recalls.received(
        bindparam("recall_pharmacy", type_=Text()),
        limit=bindparam("page_size", type_=Integer()),
        waiting_only=bindparam("waiting_only", type_=Boolean()),
    )
    also = [found.where(it.is_allowed()).cte(_RECEIVED)] if _RECEIVED in needs else []
    return framed(it, also)


def _inbox_parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    size = reading.page_size(asked.context, arguments.root.get("first"))
    pharmacy = recalls.pharmacy_of(asked.context)
    return {
        **judging.parameters(asked.context, Kind.RECALL, NOBODY),
        "recall_pharmacy": pharmacy,
        "page_size": size,
        "waiting_only": arguments.root.get("waiting_only", False),
    }


RECALLS = ReadRoot(
    name="recalls",
    shows="ReceivedRecalls",
    fields={
        "nodes": needing(
            _RECEIVED,
            listed(
                "ReceivedRecall",
                fields_of(ReceivedRecall, row_of(_RECEIVED, recalls.RECEIVED)),
                Sql(_RECEIVED),
                Sql(f"{_RECEIVED}.acknowledged_at is null desc, {_RECEIVED}.delivered_at desc, {_RECEIVED}.recall_id"),
            ),
        )
    },
    frame=_inbox_frame,
    parameters=_inbox_parameters,
    otherwise=refused(Kind.RECALL),
)


@cache
def _followed_frame(_needs: frozenset[str]) -> Frame:
    found = recalls.followed(bindparam("recall_id", type_=Uuid())).cte(_FOLLOWED)
    is_there = select(found.c.recall_id).exists()
    it = judging.judged(Kind.RECALL, action=Action.REVIEW, provided=is_there)
    return framed(it, about=found.c.recall_id)


def _followed_parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    key = key_of(Node.RECALL, arguments.root["id"])
    return {
        **judging.parameters(asked.context, Kind.RECALL, NOBODY, action=Action.REVIEW),
        "recall_id": key,
    }


RECALL_FOLLOW_UP = ReadRoot(
    name="recallFollowUp",
    shows="FollowedRecall",
    fields=fields_of(FollowedRecall, row_of(_FOLLOWED, recalls.FOLLOWED)),
    frame=_followed_frame,
    parameters=_followed_parameters,
    otherwise=refused(Kind.RECALL, unknown="RECALL_UNKNOWN", action=Action.REVIEW),
)


_SHOWN = "shown"
_CONCERNED = row_of(_SHOWN, recall_patients_read.SHOWN)
_ON_PAGE = f"{_SHOWN}.number <= (select size from given)"
_HANDED = {
    "dispensedOn": leaf(shapes.quoted(Sql("(product.value ->> 0)"))),
    "label": leaf(shapes.free_text(Sql("product.value ->> 1"))),
    "batch": leaf(shapes.free_text(Sql("product.value ->> 2"))),
    "pharmacyNumber": leaf(shapes.free_text(Sql("product.value ->> 3"))),
}
_PATIENT_ID = shapes.quoted_id(Node.PATIENT)
_LAST = Sql(
    f"(select {_CONCERNED['patient_id']} from {_SHOWN}"
    f" where {_CONCERNED['number']} = (select size from given)"
    f" and exists (select from {_SHOWN} where not ({_ON_PAGE})))"
)


@cache
def _concerned_frame(_needs: frozenset[str]) -> Frame:
    it = recall_patients_read.concerned_read()
    also = [it.lines, it.shown, given(size=bindparam("page_size", type_=Integer()))]
    return framed(it.judged, also, when=it.is_answered)


def _concerned_parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    asks = arguments.root
    key, after = key_of(Node.RECALL, asks["recall_id"]), asks.get("after")
    start = key_of(Node.PATIENT, after) if after is not None else None
    size = reading.page_size(asked.context, asks.get("first"))
    said = recall_patients_read.parameters(asked.context, key, size=size, after=start)
    return {**said, "gateway_path": asked.path}


CONCERNED_PATIENTS = ReadRoot(
    name="concernedPatients",
    shows="ConcernedPatients",
    fields={
        "nodes": listed(
            "ConcernedPatient",
            {
                "patientId": leaf(_PATIENT_ID(_CONCERNED["patient_id"])),
                "familyName": leaf(shapes.free_text(_CONCERNED["family_name"])),
                "usedName": leaf(shapes.free_text(_CONCERNED["used_name"])),
                "givenNames": leaf(shapes.text_array(_CONCERNED["given_names"])),
                "birthDate": leaf(shapes.free_text(_CONCERNED["birth_date"])),
                "handed": listed(
                    "HandedProduct",
                    _HANDED,
                    Sql(f"jsonb_array_elements({_CONCERNED['handed']}) with ordinality as product(value, number)"),
                    Sql("product.number"),
                ),
            },
            Sql(f"{_SHOWN} where {_ON_PAGE}"),
            _CONCERNED["number"],
        ),
        "endCursor": leaf(_PATIENT_ID(_LAST)),
    },
    frame=_concerned_frame,
    parameters=_concerned_parameters,
    otherwise=refused(Kind.RECALL, unknown="RECALL_UNKNOWN"),
)


@strawberry.type
class RecallMutation:
    @resolved("Émettre un rappel, ou une alerte à toutes les pharmacies ; pour l'autorité et l'exploitant.", cost=10)
    async def issue_recall(self, info: ResolverInfo, recall: RecallInput) -> IssueResult:
        said = recalls.Announced(
            level=recall.level,
            message=recall.message,
            source=recall.source,
            reference=recall.reference,
            cip13=recall.cip13,
            batches=tuple(recall.batches),
        )
        async with transaction(context_of(info)) as act:
            return shape(IssuedRecall, _said(await recalls.issue(act, said)))

    @resolved("Clore un rappel : il n'arrête plus rien et n'atteint plus personne.", cost=10)
    async def close_recall(self, info: ResolverInfo, id: strawberry.ID) -> IssueResult:  # noqa: A002
        key = key_of(Node.RECALL, id)
        async with transaction(context_of(info)) as act:
            return shape(IssuedRecall, _said(await recalls.close(act, key)))

    @resolved("Accuser réception d'un rappel, pour la pharmacie d'où l'on agit ; la première fois compte.", cost=10)
    async def acknowledge_recall(self, info: ResolverInfo, id: strawberry.ID) -> AcknowledgeResult:  # noqa: A002
        key = key_of(Node.RECALL, id)
        async with transaction(context_of(info)) as act:
            return Acknowledged(at=await recalls.acknowledge(act, key))
