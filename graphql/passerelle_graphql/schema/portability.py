"""Taking a record away, having it erased, and the certificate of that."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, TypeAlias
from uuid import UUID

import strawberry

from passerelle.audit.transactions import transaction
from passerelle.dossier import erasure
from passerelle_graphql.context import ResolverInfo, context_of
from passerelle_graphql.fields import resolved
from passerelle_graphql.ids import Node, key_of
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import shape, shown
from passerelle_graphql.schema.values import Base64


@strawberry.type(description="Un dossier à emporter.")
class RecordExport:
    url: str = strawberry.field(description="Le zip, à télécharger avec le même jeton : là, le droit est vérifié.")


@strawberry.type(description="Une demande d'effacement.")
class ErasureRequest:
    requested_at: datetime = shown()
    due_at: datetime = shown(description="Quand l'effacement a lieu, si la demande n'est pas retirée d'ici là.")


@strawberry.type(description="Ce qui prouve un effacement à qui a la clé publique du réseau.")
class ErasureCertificate:
    certificate_id: UUID = shown()
    issued_at: datetime = shown()
    statement: str = shown(description="Le constat, tel que signé : JSON canonique, UTF-8, sans nom.")
    signature: Base64 = shown(description="Ed25519 (RFC 8032), du constat.")
    key_id: str = shown(description="Empreinte de la clé : ed25519: et le SHA-256.")
    public_key: Base64 = strawberry.field(description="La clé ; comparez son empreinte à celle que publie le réseau.")


RecordExportResult: TypeAlias = Annotated[
    RecordExport | Refusal | InvalidInput | TryLater, strawberry.union("RecordExportResult")
]
ErasureRequestResult: TypeAlias = Annotated[
    ErasureRequest | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("ErasureRequestResult")
]
ErasureCertificateResult: TypeAlias = Annotated[
    ErasureCertificate | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("ErasureCertificateResult")
]


@strawberry.type
class PortabilityQuery:
    @resolved("Où emporter tout un dossier : le patient, son représentant ou son ayant droit.")
    def record_export(self, info: ResolverInfo, patient_id: strawberry.ID) -> RecordExportResult:
        key_of(Node.PATIENT, patient_id)
        return RecordExport(url=f"{info.context.path}/exports/{patient_id}")

    @resolved("Le certificat d'un dossier effacé.", cost=5)
    async def erasure_certificate(self, info: ResolverInfo, patient_id: strawberry.ID) -> ErasureCertificateResult:
        context = context_of(info)
        key = key_of(Node.PATIENT, patient_id)
        async with transaction(context) as act:
            held = await erasure.certificate_of(act, key)
        certificate = shape(ErasureCertificate, asdict(held))
        certificate.public_key = Base64(context.tenant.keys.public_key)
        return certificate


@strawberry.type
class PortabilityMutation:
    @resolved("Demander l'effacement d'un dossier fermé ; une demande déjà faite tient.", cost=10)
    async def request_erasure(self, info: ResolverInfo, patient_id: strawberry.ID, proof: str) -> ErasureRequestResult:
        key = key_of(Node.PATIENT, patient_id)
        async with transaction(context_of(info)) as act:
            asked = await erasure.request_erasure(act, key, proof=proof)
        return shape(ErasureRequest, asdict(asked))

    @resolved("Retirer une demande d'effacement qui n'est pas faite.", cost=10)
    async def withdraw_erasure(self, info: ResolverInfo, patient_id: strawberry.ID) -> ErasureRequestResult:
        key = key_of(Node.PATIENT, patient_id)
        async with transaction(context_of(info)) as act:
            withdrawn = await erasure.withdraw_erasure(act, key)
        return shape(ErasureRequest, asdict(withdrawn))
