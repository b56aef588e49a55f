"""Recording a dispensation from its document (eDISP-MED), as `passerelle pharmacy ingest` does."""

from __future__ import annotations

import asyncio
from typing import Annotated, TypeAlias

import strawberry

from passerelle.audit.transactions import transaction
from passerelle.dossier.formats.cda import read_cda
from passerelle.pharmacy import documents
from passerelle.pharmacy.naming import Known
from passerelle_graphql.context import ResolverInfo, context_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, node_id
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.schema.enums import ProductClass
from passerelle_graphql.schema.patients import patient_id as id_of_patient
from passerelle_graphql.schema.values import Base64

strawberry.enum(
    Known,
    name="KnownProduct",
    description="Par quel code un produit a été trouvé ; UNKNOWN : aucun, il garde les mots du document.",
)


@strawberry.type(description="Un produit que nomme un document.")
class NamedProduct:
    label: str = strawberry.field(description="Tel que le document le dit.")
    known: Known
    cis: str | None = strawberry.field(description="La spécialité de la table en vigueur.")
    code: str | None = strawberry.field(description="Le code qu'aucune table ne connaît, après le nom de son système.")
    product_class: ProductClass


@strawberry.type(description="Une dispensation enregistrée d'après son document.")
class DispensationFromDocument:
    patient_id: strawberry.ID
    dispensation_id: strawberry.ID
    version: int
    already_known: bool = strawberry.field(description="Ce même document était déjà enregistré, ou un plus récent.")
    superseded: bool = strawberry.field(description="Une version suivante est enregistrée : celle-ci n'y change rien.")
    products: list[NamedProduct] = strawberry.field(directives=[counted(20)])
    document_id: strawberry.ID | None = strawberry.field(description="Où il est déposé dans le dossier, s'il l'est.")


DispensationDocumentResult: TypeAlias = Annotated[
    DispensationFromDocument | Refusal | Conflict | InvalidInput | TryLater,
    strawberry.union("DispensationDocumentResult"),
]


@strawberry.type
class DispensationDocumentsMutation:
    @resolved("Enregistrer ce qu'un document eDISP-MED dit délivré par sa pharmacie ; une version corrige.", cost=100)
    async def record_dispensation_document(
        self,
        info: ResolverInfo,
        cda: Base64,
        files: Annotated[bool, strawberry.argument(description="Le déposer aussi dans le dossier partagé.")] = False,
    ) -> DispensationDocumentResult:
        incoming = await asyncio.to_thread(read_cda, cda)
        async with transaction(context_of(info)) as act:
            done = await documents.record_document(act, incoming, files=files)
        return DispensationFromDocument(
            patient_id=id_of_patient(done.patient_id),
            dispensation_id=node_id(Node.DISPENSATION, done.receipt.dispensation_id),
            version=done.receipt.version,
            already_known=not done.receipt.is_new,
            superseded=done.receipt.is_superseded,
            products=[
                NamedProduct(
                    label=each.label,
                    known=each.known,
                    cis=each.medicine.cis if each.medicine else None,
                    code=each.code,
                    product_class=each.product_class,
                )
                for each in done.products
            ],
            document_id=node_id(Node.DOCUMENT, done.document_id) if done.document_id else None,
        )
