"""Whom a document shows itself to, and its ends: the acts on one document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import strawberry
from sqlalchemy import Row

from passerelle.audit.journal import JournalLine as Reading
from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import access, chains, repair, visibility, withholding
from passerelle_graphql.context import ResolverInfo, context_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of, node_id
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import shape
from passerelle_graphql.schema.documents import Document
from passerelle_graphql.schema.journal import JournalActor, journal_actor
from passerelle_graphql.schema.patients import patient_id as id_of_patient


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
        in_force = {
            "hidden_from_patient": access.awaits_announcement(row, act.now),
            "status": await chains.status_shown(act, row),
        }
    return DocumentChange(document=shape(Document, {**row._asdict(), **in_force}))


@strawberry.type
class VisibilityMutation:
    @resolved("Masquer aux professionnels ; l'auteur le voit encore.", cost=10)
    async def mask_document(self, info: ResolverInfo, document_id: strawberry.ID) -> DocumentActResult:
        return await _act(info, document_id, visibility.mask)

    @resolved("Montrer de nouveau aux professionnels.", cost=10)
    async def unmask_document(self, info: ResolverInfo, document_id: strawberry.ID) -> DocumentActResult:
        return await _act(info, document_id, visibility.unmask)

    @resolved("Cacher à un professionnel, dans toutes ses versions ; son auteur le voit encore.", cost=10)
    async def mask_document_from(self, info: ResolverInfo, document_id: strawberry.ID, rpps: str) -> DocumentActResult:
        return await _act(info, document_id, partial(withholding.withhold, rpps=rpps))

    @resolved("Montrer de nouveau à ce professionnel.", cost=10)
    async def unmask_document_from(
        self, info: ResolverInfo, document_id: strawberry.ID, rpps: str
    ) -> DocumentActResult:
        return await _act(info, document_id, partial(withholding.lift, rpps=rpps))

    @resolved("Ne pas montrer au patient avant la consultation d'annonce.", cost=10)
    async def hide_from_patient(self, info: ResolverInfo, document_id: strawberry.ID) -> DocumentActResult:
        return await _act(info, document_id, visibility.hide_from_patient)

    @resolved("Montrer au patient. Irréversible : à confirmer (EX_3.3-1045).", cost=10)
    async def show_to_patient(
        self, info: ResolverInfo, document_id: strawberry.ID, confirm: bool = False
    ) -> DocumentActResult:
        return await _act(info, document_id, partial(visibility.show_to_patient, confirmed=confirm))

    @resolved("Ne pas montrer aux représentants d'un mineur.", cost=10)
    async def hide_from_representatives(self, info: ResolverInfo, document_id: strawberry.ID) -> DocumentActResult:
        return await _act(info, document_id, visibility.hide_from_representatives)

    @resolved("Montrer aux représentants. Irréversible : à confirmer (EX_3.3-1045).", cost=10)
    async def show_to_representatives(
        self, info: ResolverInfo, document_id: strawberry.ID, confirm: bool = False
    ) -> DocumentActResult:
        return await _act(info, document_id, partial(visibility.show_to_representatives, confirmed=confirm))

    @resolved("Archiver.", cost=10)
    async def archive_document(self, info: ResolverInfo, document_id: strawberry.ID) -> DocumentActResult:
        return await _act(info, document_id, visibility.archive)

    @resolved("Sortir des archives.", cost=10)
    async def unarchive_document(self, info: ResolverInfo, document_id: strawberry.ID) -> DocumentActResult:
        return await _act(info, document_id, visibility.unarchive)

    @resolved("Supprimer, par son auteur seulement.", cost=10)
    async def delete_document(self, info: ResolverInfo, document_id: strawberry.ID) -> DocumentActResult:
        return await _act(info, document_id, visibility.delete)

    @resolved("Sortir un document du dossier d'un autre : une réparation tracée, qui dit qui l'avait lu.", cost=20)
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
        None,
        line.software,
    )
    return PastReading(at=line.at, actor=actor)
