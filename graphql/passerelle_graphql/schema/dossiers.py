"""`dossier`: opening a record, and the acts of its life."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import strawberry

from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import emergencies, lifecycle, reading
from passerelle_graphql.context import ResolverInfo, asked_of, context_of
from passerelle_graphql.ids import Node, key_of
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.schema.documents import DocumentConnection, connection
from passerelle_graphql.schema.emergencies import EmergencyAccess, emergency
from passerelle_graphql.schema.enums import Basis, DocumentStatus, DossierState, Mode, Relation
from passerelle_graphql.fields import PAGE, resolved
from passerelle_graphql.schema.lookahead import ahead, selects
from passerelle_graphql.schema.patients import Patient, patient_id
from passerelle_graphql.read_model import shape, shown
from passerelle_graphql.schema.reasons import AccessReason, reason_of


@strawberry.input(description="Ce qu'on garde des documents. Sans dates : les 24 derniers mois.")
class DocumentFilter:
    types: list[str] | None = strawberry.field(default=None, description="Codes de type (JDV_J07).")
    classes: list[str] | None = strawberry.field(default=None, description="Codes de classe.")
    statuses: list[DocumentStatus] | None = strawberry.field(default=None, description="Par défaut : CURRENT.")
    authors: list[str] | None = strawberry.field(default=None, description="Numéros RPPS.")
    structures: list[str] | None = strawberry.field(default=None, description="FINESS de la structure de l'auteur.")
    facility_types: list[str] | None = strawberry.field(default=None, description="Secteurs d'activité (JDV_J02).")
    since: datetime | None = strawberry.field(default=None, description="Acte à partir de cet instant.")
    until: datetime | None = strawberry.field(default=None, description="Acte avant cet instant.")
    whole_history: bool = strawberry.field(default=False, description="Sans la fenêtre par défaut.")

    def wanted(self) -> reading.DocumentFilter:
        """The same, as the domain takes it."""
        given: dict[str, Any] = {}
        if self.statuses is not None:
            given["statuses"] = tuple(each.value for each in self.statuses)
        return reading.DocumentFilter(
            type_codes=tuple(self.types or ()),
            class_codes=tuple(self.classes or ()),
            author_ids=tuple(self.authors or ()),
            structure_ids=tuple(self.structures or ()),
            facility_types=tuple(self.facility_types or ()),
            since=self.since,
            until=self.until,
            whole_history=self.whole_history,
            **given,
        )


@strawberry.type(description="Un dossier ouvert par l'acteur : l'identité, et les documents qu'il peut voir.")
class Dossier:
    patient: Patient
    state: DossierState | None
    opened_at: datetime | None
    relations: list[Relation] = strawberry.field(description="Ce qui lie l'acteur à ce patient aujourd'hui.")
    emergency_access: EmergencyAccess | None = strawberry.field(
        description="L'accès en urgence sous lequel l'acteur l'a ouvert, tant qu'il dure."
    )
    key: strawberry.Private[UUID]
    rule: strawberry.Private[str]
    page: strawberry.Private[reading.DocumentPage]
    page_asked: strawberry.Private[Asked]

    @resolved("Pourquoi l'acteur peut l'ouvrir.")
    def access(self, info: ResolverInfo) -> AccessReason | None:
        return reason_of(context_of(info), self.rule)

    @resolved("Les documents, du plus récent au plus ancien.", counts=PAGE)
    async def documents(
        self,
        info: ResolverInfo,
        filter: DocumentFilter | None = None,  # noqa: A002 - the graph's name
        first: int | None = None,
        after: str | None = None,
    ) -> DocumentConnection:
        asked: Asked = (filter, first, after, selects(info, "totalCount"))
        page = self.page
        if asked != self.page_asked:
            page = (await _opened(info, self.key, asked)).page
        return connection(page, asked_of(info), is_first=after is None)


#: filter, first, after, and whether the total is wanted
Asked: TypeAlias = tuple[DocumentFilter | None, int | None, str | None, bool]


@strawberry.type(description="L'état d'un dossier après un acte.")
class DossierChange:
    patient_id: strawberry.ID = shown("patient_id", by=patient_id)
    state: DossierState = shown()
    opened_at: datetime | None = shown()
    closed_at: datetime | None = shown()
    objection_until: datetime | None = shown(description="Fin du délai d'opposition.")
    purge_after: datetime | None = shown(description="Fin de la conservation.")


DossierResult: TypeAlias = Annotated[Dossier | Refusal | InvalidInput | TryLater, strawberry.union("DossierResult")]
DossierActResult: TypeAlias = Annotated[
    DossierChange | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("DossierActResult")
]


@strawberry.type
class DossierQuery:
    @resolved("Ouvrir un dossier : une seule lecture, une ligne au journal.", cost=10)
    async def dossier(self, info: ResolverInfo, patient_id: strawberry.ID) -> DossierResult:
        key = key_of(Node.PATIENT, patient_id)
        below = ahead(info, "Dossier", "documents")
        arguments = below.arguments if below else {}
        asked: Asked = (
            arguments.get("filter"),
            arguments.get("first"),
            arguments.get("after"),
            below is not None and "totalCount" in below.names,
        )
        opened = await _opened(info, key, asked)
        context, own = context_of(info), None
        if context.mode is Mode.BREAK_GLASS and Relation.EMERGENCY in opened.relations:
            own = await emergencies.own_emergency(context, key)
            info.context.opened(own)
        return Dossier(
            patient=shape(Patient, opened.identity),
            state=DossierState(opened.state) if opened.state else None,
            opened_at=opened.opened_at,
            relations=[Relation(each) for each in opened.relations],
            emergency_access=emergency(own) if own else None,
            key=key,
            rule=opened.rule,
            page=opened.page,
            page_asked=asked,
        )


async def _opened(info: ResolverInfo, key: UUID, asked: Asked) -> reading.OpenedDossier:
    kept, first, after, with_total = asked
    return await reading.open_dossier(
        context_of(info),
        key,
        kept.wanted() if kept else None,
        first=first,
        after=after,
        with_total=with_total,
    )


_Done: TypeAlias = Callable[[Act, UUID], Awaitable[lifecycle.Dossier]]


async def _act(info: ResolverInfo, patient_id: str, done: _Done) -> DossierChange:
    key = key_of(Node.PATIENT, patient_id)
    async with transaction(context_of(info)) as act:
        after = await done(act, key)
    return shape(DossierChange, {name: getattr(after, name) for name in lifecycle.Dossier.__dataclass_fields__})


@strawberry.type
class DossierMutation:
    @resolved("Le patient est informé ; le délai d'opposition court.", cost=10)
    async def inform_dossier(self, info: ResolverInfo, patient_id: strawberry.ID, proof: str) -> DossierActResult:
        return await _act(info, patient_id, lambda act, key: lifecycle.inform(act, key, proof=proof))

    @resolved("Ouvrir : avec le consentement du patient, ou au terme du délai d'opposition.", cost=10)
    async def open_dossier(
        self, info: ResolverInfo, patient_id: strawberry.ID, basis: Basis, proof: str
    ) -> DossierActResult:
        return await _act(info, patient_id, lambda act, key: lifecycle.open_(act, key, basis=basis, proof=proof))

    @resolved("Suspendre, pour fraude ou incident.", cost=10)
    async def suspend_dossier(self, info: ResolverInfo, patient_id: strawberry.ID, reason: str) -> DossierActResult:
        return await _act(info, patient_id, lambda act, key: lifecycle.suspend(act, key, reason=reason))

    @resolved("Reprendre un dossier suspendu.", cost=10)
    async def resume_dossier(self, info: ResolverInfo, patient_id: strawberry.ID, reason: str) -> DossierActResult:
        return await _act(info, patient_id, lambda act, key: lifecycle.resume(act, key, reason=reason))

    @resolved("Fermer, à la demande du patient.", cost=10)
    async def close_dossier(self, info: ResolverInfo, patient_id: strawberry.ID, reason: str = "") -> DossierActResult:
        return await _act(info, patient_id, lambda act, key: lifecycle.close(act, key, reason=reason))

    @resolved("Rouvrir pendant la conservation.", cost=10)
    async def reopen_dossier(self, info: ResolverInfo, patient_id: strawberry.ID, proof: str) -> DossierActResult:
        return await _act(info, patient_id, lambda act, key: lifecycle.reopen(act, key, proof=proof))

    @resolved("Détruire la clé d'un dossier fermé, et avec elle ses contenus.", cost=10)
    async def purge_dossier(
        self, info: ResolverInfo, patient_id: strawberry.ID, basis: Basis, proof: str
    ) -> DossierActResult:
        return await _act(info, patient_id, lambda act, key: lifecycle.purge(act, key, basis=basis, proof=proof))
