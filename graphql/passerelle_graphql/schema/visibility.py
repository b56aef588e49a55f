"""Whom a document shows itself to, and its ends: the acts on one document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import strawberry
from sqlalchemy import Row

from passerelle.audit.journal import JournalLine as Reading
from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import repair, visibility
from passerelle_graphql.context import ResolverInfo, context_of
from passerelle_graphql.directives import Cost
from passerelle_graphql.ids import Node, key_of, node_id
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.schema.documents import Document
from passerelle_graphql.schema.journal import JournalActor, journal_actor
from passerelle_graphql.schema.patients import patient_id as id_of_patient
from passerelle_graphql.schema.read_model import counted, shape


@strawberry.type(description="Un document après un acte sur lui.")
class DocumentChange:
    document: Document


@strawberry.type(description="Une lecture faite dans le mauvais dossier.")
class PastReading:
    at: datetime
    actor: JournalActor


@strawberry.type(description="Un document sorti du mauvais dossier ; qui l'y avait lu.")
class DocumentMoved:
    document_id: strawberry.ID = strawberry.field(description="Son identifiant dans le bon dossier.")
    patient_id: strawberry.ID
    readers: list[PastReading] = strawberry.field(directives=[counted(20)])


DocumentActResult: TypeAlias = Annotated[
    DocumentChange | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("DocumentActResult")
]
MoveDocumentResult: TypeAlias = Annotated[
    DocumentMoved | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("MoveDocumentResult")
]
_Done: TypeAlias = Callable[[Act, UUID], Awaitable[Row[Any]]]


async def _act(info: ResolverInfo, document_id: str, done: _Done) -> DocumentChange:
    key = key_of(Node.DOCUMENT, document_id)
    async with transaction(context_of(info)) as act:
        row = await done(act, key)
    return DocumentChange(document=shape(Document, row._mapping))


@strawberry.type
class VisibilityMutation:
    @strawberry.mutation(
        description="Masquer aux professionnels ; l'auteur le voit encore.", directives=[Cost(weight="10")]
    )
    async def mask_document(self, info: ResolverInfo, document_id: strawberry.ID) -> DocumentActResult:
        return await _act(info, document_id, visibility.mask)

    @strawberry.mutation(description="Montrer de nouveau aux professionnels.", directives=[Cost(weight="10")])
    async def unmask_document(self, info: ResolverInfo, document_id: strawberry.ID) -> DocumentActResult:
        return await _act(info, document_id, visibility.unmask)

    @strawberry.mutation(
        description="Ne pas montrer au patient avant la consultation d'annonce.", directives=[Cost(weight="10")]
    )
    async def hide_from_patient(self, info: ResolverInfo, document_id: strawberry.ID) -> DocumentActResult:
        return await _act(info, document_id, visibility.hide_from_patient)

    @strawberry.mutation(description="Montrer au patient. Irréversible.", directives=[Cost(weight="10")])
    async def show_to_patient(self, info: ResolverInfo, document_id: strawberry.ID) -> DocumentActResult:
        return await _act(info, document_id, visibility.show_to_patient)

    @strawberry.mutation(description="Ne pas montrer aux représentants d'un mineur.", directives=[Cost(weight="10")])
    async def hide_from_representatives(self, info: ResolverInfo, document_id: strawberry.ID) -> DocumentActResult:
        return await _act(info, document_id, visibility.hide_from_representatives)

    @strawberry.mutation(description="Montrer aux représentants. Irréversible.", directives=[Cost(weight="10")])
    async def show_to_representatives(self, info: ResolverInfo, document_id: strawberry.ID) -> DocumentActResult:
        return await _act(info, document_id, visibility.show_to_representatives)

    @strawberry.mutation(description="Archiver.", directives=[Cost(weight="10")])
    async def archive_document(self, info: ResolverInfo, document_id: strawberry.ID) -> DocumentActResult:
        return await _act(info, document_id, visibility.archive)

    @strawberry.mutation(description="Sortir des archives.", directives=[Cost(weight="10")])
    async def unarchive_document(self, info: ResolverInfo, document_id: strawberry.ID) -> DocumentActResult:
        return await _act(info, document_id, visibility.unarchive)

    @strawberry.mutation(description="Supprimer, par son auteur seulement.", directives=[Cost(weight="10")])
    async def delete_document(self, info: ResolverInfo, document_id: strawberry.ID) -> DocumentActResult:
        return await _act(info, document_id, visibility.delete)

    @strawberry.mutation(
        description="Sortir un document du dossier d'un autre : une réparation tracée, qui dit qui l'avait lu.",
        directives=[Cost(weight="20")],
    )
    async def move_document(
        self, info: ResolverInfo, document_id: strawberry.ID, to_patient_id: strawberry.ID, reason: str
    ) -> MoveDocumentResult:
        key, to = key_of(Node.DOCUMENT, document_id), key_of(Node.PATIENT, to_patient_id)
        async with transaction(context_of(info)) as act:
            moved = await repair.move_document(act, key, to, reason=reason)
        return DocumentMoved(
            document_id=node_id(Node.DOCUMENT, moved.document_id),
            patient_id=id_of_patient(moved.to_patient_id),
            readers=[_reading(each) for each in moved.readers],
        )


def _reading(line: Reading) -> PastReading:
    actor = journal_actor(
        line.actor_kind,
        line.actor_id,
        line.actor_name,
        line.actor_profession,
        line.actor_establishment,
        line.software,
    )
    return PastReading(at=line.at, actor=actor)
