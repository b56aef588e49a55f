"""Taking a record away, having it erased, and the certificate of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from functools import cache
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import strawberry
from sqlalchemy import LargeBinary, Text, Uuid, and_, bindparam, case, cast, func, literal, null, select, true

from passerelle.audit.successions import public_key_named, signers
from passerelle.audit.transactions import transaction
from passerelle.dossier import erasure, judging
from passerelle.dossier.erasure_certificate import Certificate
from passerelle_graphql.compiler import shapes
from passerelle_graphql.compiler.building import leaf, row_of
from passerelle_graphql.compiler.roots import Frame, Given, ReadRoot, given
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import Asked, ResolverInfo, context_of
from passerelle_graphql.declared import fields_of
from passerelle_graphql.fields import resolved
from passerelle_graphql.ids import Node, key_of
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import shape, shown
from passerelle_graphql.schema.values import Base64, base64_in_sql, octets
from passerelle_policies.vocabulary import Kind


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
    signature: Base64 = shown(by=octets, description="Ed25519 (RFC 8032), du constat.")
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


def _export_url(asked: Asked, patient_id: str) -> str:
    return f"{asked.path}/exports/{patient_id}"


@strawberry.type
class PortabilityQuery:
    @resolved("Où emporter tout un dossier : le patient, son représentant ou son ayant droit.")
    def record_export(self, info: ResolverInfo, patient_id: strawberry.ID) -> RecordExportResult:
        key_of(Node.PATIENT, patient_id)
        return RecordExport(url=_export_url(info.context, patient_id))

    @resolved("Le certificat d'un dossier effacé.", cost=5)
    async def erasure_certificate(self, info: ResolverInfo, patient_id: strawberry.ID) -> ErasureCertificateResult:
        context = context_of(info)
        key = key_of(Node.PATIENT, patient_id)
        async with transaction(context) as act:
            held = await erasure.certificate_of(act, key)
            by = await signers(act.connection, context.tenant)
        certificate = shape(ErasureCertificate, asdict(held))
        certificate.public_key = Base64(by.named(held.key_id))
        return certificate


_CERTIFICATE = "certificate"
_KEY = "(select public_key from signer)"


@cache
def _export_frame(_needs: frozenset[str]) -> Frame:
    asked = given(url=bindparam("export_url", type_=Text()))
    return Frame(lambda body: select(body.label("body"), null().label("nothing")).select_from(asked), [asked])


def _export_parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    patient_id = arguments.root["patient_id"]
    key_of(Node.PATIENT, patient_id)
    return {"gateway_path": asked.path, "export_url": _export_url(asked, patient_id)}


def _never(_asked: Asked, _told: object) -> object:
    raise AssertionError("an address is always given")


RECORD_EXPORT = ReadRoot(
    name="recordExport",
    shows="RecordExport",
    fields={"url": leaf(shapes.free_text(Sql("given.url")))},
    frame=_export_frame,
    parameters=_export_parameters,
    otherwise=_never,
)


@cache
def _certificate_frame(_needs: frozenset[str]) -> Frame:
    held = erasure.certificates(bindparam("access_patient_id", type_=Uuid())).cte(_CERTIFICATE)
    is_there = select(held).exists()
    it = judging.judged(Kind.DOSSIER, provided=is_there)
    newest = cast(bindparam("public_key", type_=LargeBinary()), LargeBinary())
    signer = select(public_key_named(held.c.key_id, newest).label("public_key")).select_from(held).cte("signer")
    missing = case((it.verdict.c.allowed, func.json_build_object(literal("missing"), true())))
    return Frame(
        lambda body: select(
            case((and_(it.verdict.c.allowed, is_there), body)).label("body"),
            func.coalesce(it.told_of_refusal(), missing).label("told"),
        ).select_from(it.verdict.outerjoin(held, true())),
        [it.journal_line, signer],
    )


def _certificate_parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    key = key_of(Node.PATIENT, arguments.root["patient_id"])
    return {
        **judging.parameters(asked.context, Kind.DOSSIER, key),
        "gateway_path": asked.path,
        "public_key": asked.context.tenant.keys.public_key,
    }


def _not_certified(asked: Asked, told: Mapping[str, Any]) -> object:
    if "missing" in told:
        raise erasure.not_done()
    raise judging.refusal(asked.context, Kind.DOSSIER, told)


ERASURE_CERTIFICATE = ReadRoot(
    name="erasureCertificate",
    shows="ErasureCertificate",
    fields=fields_of(
        ErasureCertificate,
        row_of(_CERTIFICATE, tuple(Certificate.__dataclass_fields__)),
        public_key=base64_in_sql(Sql(_KEY)),
    ),
    frame=_certificate_frame,
    parameters=_certificate_parameters,
    otherwise=_not_certified,
)


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
