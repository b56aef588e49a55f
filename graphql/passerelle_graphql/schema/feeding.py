"""Filing documents through the gateway: the same use case as `passerelle ingest`, one submission at a time."""

from __future__ import annotations

import asyncio
from typing import Annotated, TypeAlias

import strawberry

from passerelle.audit.transactions import transaction
from passerelle.dossier import documents, ingest, publishing
from passerelle.dossier.formats.submission import IncomingSubmission
from passerelle.kernel import errors
from passerelle_graphql.context import ResolverInfo, context_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of, node_id
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.schema.enums import Filing
from passerelle_graphql.schema.patients import patient_id as id_of_patient
from passerelle_graphql.schema.submissions import OwnDocumentInput, SubmissionInput, own_document, read


@strawberry.type(description="Où un document est rangé.")
class FiledDocument:
    filing: Filing
    document_id: strawberry.ID
    patient_id: strawberry.ID
    unique_id: str


@strawberry.type(description="Un dépôt accepté en entier.")
class Filed:
    documents: list[FiledDocument] = strawberry.field(directives=[counted(10)])


FilingResult: TypeAlias = Annotated[
    Filed | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("FilingResult")
]


@strawberry.type
class FeedingMutation:
    @resolved("Déposer : tout le lot ou rien. Un conflit est à trancher par une personne.", cost=100)
    async def publish_document(self, info: ResolverInfo, submission: SubmissionInput) -> FilingResult:
        return await _fed(info, await asyncio.to_thread(read, submission))

    @resolved("Déposer la version qui remplace ce document ; la précédente est périmée.", cost=100)
    async def replace_document(
        self, info: ResolverInfo, document_id: strawberry.ID, submission: SubmissionInput
    ) -> FilingResult:
        before = await documents.read_document(context_of(info), key_of(Node.DOCUMENT, document_id))
        given = await asyncio.to_thread(read, submission, before.document["unique_id"])
        if [each.metadata.replaces_unique_id for each in given.documents] != [before.document["unique_id"]]:
            raise errors.InvalidInput("REPLACES_NOTHING")
        return await _fed(info, given)

    @resolved("Pour un patient : ajouter un document de lui.", cost=100)
    async def add_own_document(
        self, info: ResolverInfo, patient_id: strawberry.ID, document: OwnDocumentInput
    ) -> FilingResult:
        context, key = context_of(info), key_of(Node.PATIENT, patient_id)
        incoming = await asyncio.to_thread(own_document, document, context.clock.now())
        async with transaction(context) as act:
            published = await publishing.publish_own(act, key, incoming)
        return Filed(documents=[_filed(published, incoming.metadata.unique_id)])


async def _fed(info: ResolverInfo, submission: IncomingSubmission) -> FilingResult:
    """Feed a submission; what became of it, or the problem that kept all of it out."""
    outcomes = await ingest.ingest_submission(context_of(info), submission, name="graphql")
    for each in outcomes:
        if each.code is not None:
            return _problem(each)
    return Filed(documents=[_outcome(each) for each in outcomes])


def _outcome(outcome: ingest.Outcome) -> FiledDocument:
    assert outcome.document_id and outcome.patient_id and outcome.unique_id  # noqa: S101, PT018 - it was filed
    return FiledDocument(
        filing=Filing(outcome.result.value),
        document_id=node_id(Node.DOCUMENT, outcome.document_id),
        patient_id=id_of_patient(outcome.patient_id),
        unique_id=outcome.unique_id,
    )


def _problem(outcome: ingest.Outcome) -> Refusal | Conflict | InvalidInput:
    code, message = outcome.code or "INTERNAL", outcome.fix or ""
    if outcome.result is ingest.Result.SET_ASIDE:
        return Conflict(code=code, message=message)
    if outcome.kind == errors.Refused.kind:
        return Refusal(code=code, message=message)
    return InvalidInput(code=code, message=message)


def _filed(published: publishing.Published, unique_id: str) -> FiledDocument:
    return FiledDocument(
        filing=published.filing,
        document_id=node_id(Node.DOCUMENT, published.document_id),
        patient_id=id_of_patient(published.patient_id),
        unique_id=unique_id,
    )
