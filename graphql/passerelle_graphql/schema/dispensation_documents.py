"""Dispensations and prescriptions from their documents (eDISP-MED, eP-MED-DM), as `passerelle pharmacy ingest` does."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Annotated, TypeAlias

import strawberry

from passerelle.audit.transactions import transaction
from passerelle.dossier.formats.cda import read_cda
from passerelle.pharmacy import documents, prescriptions
from passerelle.pharmacy.formats.prescription import PrescribedLine
from passerelle.pharmacy.naming import Known, Named
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


@strawberry.type(description="Un produit prescrit.")
class PrescribedProduct:
    product: NamedProduct
    quantity: float | None
    dose_text: str | None = strawberry.field(description="La posologie, telle qu'écrite ou mise en mots.")
    days: int | None = strawberry.field(description="Pour combien de jours, quand c'est dit.")
    renewals: int | None = strawberry.field(description="Combien de renouvellements.")
    substitution: str | None = strawberry.field(description="Code HL7 ; N : aucune n'est permise.")


@strawberry.type(description="Une ordonnance telle que son document la dit. Rien n'en va au dossier pharmaceutique.")
class PrescriptionFromDocument:
    number: str | None = strawberry.field(description="De l'ordonnance électronique : à donner avec la dispensation.")
    prescribed_on: date | None
    prescriber_rpps: str | None
    prescriber_name: str | None
    products: list[PrescribedProduct] = strawberry.field(directives=[counted(20)])
    document_id: strawberry.ID | None = strawberry.field(
        description="Où elle est déposée dans le dossier, si elle l'est."
    )


PrescriptionDocumentResult: TypeAlias = Annotated[
    PrescriptionFromDocument | Refusal | Conflict | InvalidInput | TryLater,
    strawberry.union("PrescriptionDocumentResult"),
]
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
            products=[_product(each) for each in done.products],
            document_id=node_id(Node.DOCUMENT, done.document_id) if done.document_id else None,
        )

    @resolved(
        "Lire une ordonnance eP-MED-DM, nommer ses produits, et la déposer dans le dossier partagé si on le veut.",
        cost=100,
    )
    async def read_prescription_document(
        self,
        info: ResolverInfo,
        cda: Base64,
        files: Annotated[bool, strawberry.argument(description="La déposer dans le dossier partagé.")] = False,
    ) -> PrescriptionDocumentResult:
        incoming = await asyncio.to_thread(read_cda, cda)
        async with transaction(context_of(info)) as act:
            read = await prescriptions.read_document(act, incoming, files=files)
        told = read.prescription
        return PrescriptionFromDocument(
            number=told.number,
            prescribed_on=told.prescribed_on,
            prescriber_rpps=told.prescriber.rpps if told.prescriber else None,
            prescriber_name=told.prescriber.name if told.prescriber else None,
            products=[_prescribed(line, named) for line, named in zip(told.lines, read.products, strict=True)],
            document_id=node_id(Node.DOCUMENT, read.document_id) if read.document_id else None,
        )


def _product(named: Named) -> NamedProduct:
    return NamedProduct(
        label=named.label,
        known=named.known,
        cis=named.medicine.cis if named.medicine else None,
        code=named.code,
        product_class=named.product_class,
    )


def _prescribed(line: PrescribedLine, named: Named) -> PrescribedProduct:
    return PrescribedProduct(
        product=_product(named),
        quantity=float(line.quantity) if line.quantity is not None else None,
        dose_text=line.dosage,
        days=line.period.days,
        renewals=line.renewals,
        substitution=line.substitution,
    )
