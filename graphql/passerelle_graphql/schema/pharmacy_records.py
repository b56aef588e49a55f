"""`pharmacyRecord`: the state of a pharmacy record (DP), the acts of its life, and who has the patient before him."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import date, datetime
from functools import cache
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import strawberry
from sqlalchemy import case, select, true

from passerelle.audit.transactions import Act, transaction
from passerelle.pharmacy import access, presence, records
from passerelle_graphql.compiler import shapes
from passerelle_graphql.compiler.building import leaf, row_of
from passerelle_graphql.compiler.roots import Frame, Given, ReadRoot
from passerelle_graphql.context import Asked, ResolverInfo, context_of
from passerelle_graphql.declared import fields_of
from passerelle_graphql.fields import resolved
from passerelle_graphql.ids import Node, key_of
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import in_sql, shape, shown
from passerelle_graphql.schema.enums import PharmacyRecordState, PresenceProof
from passerelle_graphql.schema.patients import patient_id
from passerelle_graphql.schema.values import day
from passerelle_policies.vocabulary import Kind


@in_sql(lambda column: leaf(shapes.word(PharmacyRecordState)(column)))
def state_of(word: str | None) -> PharmacyRecordState | None:
    return PharmacyRecordState(word) if word else None


@strawberry.type(description="L'état d'un dossier pharmaceutique.")
class PharmacyRecord:
    patient_id: strawberry.ID = shown("patient_id", by=patient_id)
    state: PharmacyRecordState | None = shown(by=state_of, description="Absent : il n'y en a pas.")
    informed_at: datetime | None = shown()
    opens_on: date | None = shown(by=day, description="Le jour où il s'ouvre, faute d'opposition.")
    opened_at: datetime | None = shown()
    objected_at: datetime | None = shown()
    objection_ends_on: date | None = shown(by=day, description="Jusque-là, il ne s'ouvre que si la personne le veut.")
    closed_at: datetime | None = shown()


@strawberry.type(description="La personne est devant vous, ou prise en charge chez vous, et c'est constaté.")
class Attestation:
    until: datetime = strawberry.field(description="Exclu.")


PharmacyRecordResult: TypeAlias = Annotated[
    PharmacyRecord | Refusal | InvalidInput | TryLater, strawberry.union("PharmacyRecordResult")
]
PharmacyRecordActResult: TypeAlias = Annotated[
    PharmacyRecord | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("PharmacyRecordActResult")
]
AttestationResult: TypeAlias = Annotated[
    Attestation | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("AttestationResult")
]
_COLUMNS = ("patient_id", *records.SHOWN)


@strawberry.type
class PharmacyRecordQuery:
    @resolved("L'état d'un dossier pharmaceutique, pour la personne et pour qui peut l'ouvrir.", cost=10)
    async def pharmacy_record(self, info: ResolverInfo, patient_id: strawberry.ID) -> PharmacyRecordResult:
        return await _act(info, patient_id, records.state_of)


@cache
def _frame(_needs: frozenset[str]) -> Frame:
    it = access.judged(Kind.PHARMACY_RECORD)
    record = records.shown_at(it.patient_id).cte("record")
    return Frame(
        lambda body: select(
            case((it.verdict.c.allowed, body)).label("body"), it.told_of_refusal().label("refused")
        ).select_from(it.verdict.join(record, true())),
        [it.journal_line, record],
    )


def _parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    key = key_of(Node.PATIENT, arguments.root["patient_id"])
    return access.parameters(asked.context, Kind.PHARMACY_RECORD, key)


def _refused(asked: Asked, told: Mapping[str, Any]) -> object:
    raise access.refusal(asked.context, Kind.PHARMACY_RECORD, told)


PHARMACY_RECORD = ReadRoot(
    name="pharmacyRecord",
    shows="PharmacyRecord",
    fields=fields_of(PharmacyRecord, row_of("record", _COLUMNS)),
    frame=_frame,
    parameters=_parameters,
    otherwise=_refused,
)


async def _act(
    info: ResolverInfo, patient_id: str, done: Callable[[Act, UUID], Awaitable[records.PharmacyRecord]]
) -> PharmacyRecord:
    key = key_of(Node.PATIENT, patient_id)
    async with transaction(context_of(info)) as act:
        after = await done(act, key)
    return shape(PharmacyRecord, {name: getattr(after, name) for name in _COLUMNS})


async def _attest(info: ResolverInfo, patient_id: str, done: Callable[[Act, UUID], Awaitable[datetime]]) -> Attestation:
    key = key_of(Node.PATIENT, patient_id)
    async with transaction(context_of(info)) as act:
        return Attestation(until=await done(act, key))


@strawberry.type
class PharmacyRecordMutation:
    @resolved("Constater que la personne est devant vous, à l'officine.", cost=10)
    async def attest_presence(
        self, info: ResolverInfo, patient_id: strawberry.ID, shown: PresenceProof
    ) -> AttestationResult:
        return await _attest(info, patient_id, lambda act, key: presence.attest_presence(act, key, shown=shown))

    @resolved("Constater que la personne est prise en charge dans votre établissement de santé.", cost=10)
    async def attest_care(self, info: ResolverInfo, patient_id: strawberry.ID, proof: str) -> AttestationResult:
        return await _attest(info, patient_id, lambda act, key: presence.attest_care(act, key, proof=proof))

    @resolved("Ouvrir le dossier pharmaceutique, avec l'accord de la personne.", cost=10)
    async def open_pharmacy_record(
        self, info: ResolverInfo, patient_id: strawberry.ID, proof: str
    ) -> PharmacyRecordActResult:
        return await _act(info, patient_id, lambda act, key: records.open_(act, key, proof=proof))

    @resolved("S'opposer au dossier pharmaceutique : plus personne n'y lit rien.", cost=10)
    async def object_to_pharmacy_record(
        self, info: ResolverInfo, patient_id: strawberry.ID, proof: str = ""
    ) -> PharmacyRecordActResult:
        return await _act(info, patient_id, lambda act, key: records.object_(act, key, proof=proof))

    @resolved("Fermer le dossier pharmaceutique.", cost=10)
    async def close_pharmacy_record(
        self, info: ResolverInfo, patient_id: strawberry.ID, proof: str = ""
    ) -> PharmacyRecordActResult:
        return await _act(info, patient_id, lambda act, key: records.close(act, key, proof=proof))
