"""`dossier`: opening a record, and the acts of its life."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import strawberry
from sqlalchemy import DateTime, Integer, Uuid, bindparam, case, func, select

from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import emergencies, judging, lifecycle, reading
from passerelle_graphql.compiler import shapes
from passerelle_graphql.compiler.building import Builder, found, leaf, needing, row_of
from passerelle_graphql.compiler.roots import Frame, Given, ReadRoot, columns_of, given
from passerelle_graphql.compiler.selections import Selected
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import Asked, ResolverInfo, asked_of, context_of
from passerelle_graphql.declared import fields_of
from passerelle_graphql.fields import PAGE, counted, resolved
from passerelle_graphql.ids import Node, key_of
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import shape, shown
from passerelle_graphql.schema import opened_under
from passerelle_graphql.schema.documents import PAGE_COLUMNS, DocumentConnection, connection, connection_in_sql
from passerelle_graphql.schema.emergencies import EmergencyAccess, emergency
from passerelle_graphql.schema.enums import Basis, DocumentStatus, DossierState, Mode, Relation
from passerelle_graphql.schema.lookahead import ahead, selects
from passerelle_graphql.schema.patients import IDENTITY, Patient, patient_id
from passerelle_graphql.schema.reasons import AccessReason, reason_in_sql, reason_of
from passerelle_graphql.schema.sources import PART, Source, source, sources_in_sql
from passerelle_policies.vocabulary import Kind
from passerelle_tenants.federation import manifest


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
    page_asked: strawberry.Private[PageAsked]

    @resolved("Pourquoi l'acteur peut l'ouvrir.")
    def access(self, info: ResolverInfo) -> AccessReason | None:
        return reason_of(context_of(info), self.rule)

    @resolved("La part de chaque réseau : tous y sont, quoi que tienne le dossier.", counts=counted(10))
    async def sources(self, info: ResolverInfo) -> list[Source]:
        return [source(each) for each in await manifest.sources_of(context_of(info), self.key)]

    @resolved("Les documents, du plus récent au plus ancien.", counts=PAGE)
    async def documents(
        self,
        info: ResolverInfo,
        filter: DocumentFilter | None = None,  # noqa: A002 - the graph's name
        first: int | None = None,
        after: str | None = None,
    ) -> DocumentConnection:
        asked: PageAsked = (filter, first, after, selects(info, "totalCount"))
        page = self.page
        if asked != self.page_asked:
            page = (await _opened(info, self.key, asked)).page
        return connection(page, asked_of(info), is_first=not after)


#: filter, first, after, and whether the total is wanted
PageAsked: TypeAlias = tuple[DocumentFilter | None, int | None, str | None, bool]


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
        asked: PageAsked = (
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


async def _opened(info: ResolverInfo, key: UUID, asked: PageAsked) -> reading.OpenedDossier:
    kept, first, after, with_total = asked
    return await reading.open_dossier(
        context_of(info),
        key,
        kept.wanted() if kept else None,
        first=first,
        after=after,
        with_total=with_total,
    )


#: The arguments of this field are bound by the statement that opens the record.
_DOCUMENTS = "Dossier.documents"


_CONNECTION = needing(
    "page",
    connection_in_sql(
        total=needing("total", leaf(shapes.plain(Sql("select count from total")))),
        since=Sql("(select since from given)"),
    ),
)


def _documents(builder: Builder, selected: Selected) -> Sql:
    builder.binds(_DOCUMENTS, selected)
    return _CONNECTION(builder, selected)


@cache
def _frame(needs: frozenset[str]) -> Frame:
    """Opening a record: with a page of its documents and their total only where the operation asks for them."""
    it = reading.opening()
    verdict = it.judged.verdict
    own = opened_under.own_emergency(verdict, needs)
    also = [it.judged.journal_line, *own]
    window = bindparam("filter_since", type_=DateTime(timezone=True))
    size = bindparam("page_limit", type_=Integer()) - 1
    if "page" in needs:
        found = it.page(reading.SUMMARY).subquery("found")
        page = select(columns_of("page")).select_from(found).cte("page")
        is_first = bindparam("after_id", type_=Uuid()).is_(None)
        also += [page.prefix_with("materialized"), given(since=window, size=size, is_first=is_first)]
    if "total" in needs:
        also.append(select(it.total().label("count")).cte("total"))
    if PART in needs:
        also.append(manifest.sources(select(verdict.c.patient_id).scalar_subquery()).cte(PART))
    return Frame(
        lambda body: select(
            case((verdict.c.allowed, body)).label("body"),
            func.coalesce(it.judged.told_of_refusal(), opened_under.told(own, needs)).label("told"),
        ).select_from(verdict),
        also,
        rows={"page": PAGE_COLUMNS},
    )


def _parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    context, below = asked.context, arguments.below.get(_DOCUMENTS, {})
    wanted = below.get("filter")
    return {
        **reading.open_dossier_parameters(
            context,
            key_of(Node.PATIENT, arguments.root["patient_id"]),
            wanted.wanted() if wanted else reading.UNFILTERED,
            first=below.get("first"),
            after=below.get("after"),
        ),
        **manifest.parameters(context),
        "gateway_path": asked.path,
    }


def _refused(asked: Asked, told: Mapping[str, Any]) -> object:
    raise judging.refusal(asked.context, Kind.DOSSIER, told)


DOSSIER = ReadRoot(
    name="dossier",
    shows="Dossier",
    fields={
        "patient": found(
            "Patient",
            fields_of(Patient, row_of("patient", IDENTITY)),
            Sql("patient where patient.patient_id = verdict.patient_id"),
        ),
        "state": leaf(shapes.word(DossierState)(Sql("verdict.state"))),
        "openedAt": leaf(shapes.instant(Sql("(select opened_at from dossier where patient_id = verdict.patient_id)"))),
        "relations": leaf(shapes.words(Relation)(Sql("verdict.relations"))),
        "emergencyAccess": needing(
            opened_under.OWN,
            found("EmergencyAccess", fields_of(EmergencyAccess, opened_under.ROW), opened_under.ROWS),
        ),
        "access": reason_in_sql(Sql("verdict.rule")),
        "sources": sources_in_sql(),
        "documents": _documents,
    },
    frame=_frame,
    parameters=_parameters,
    otherwise=_refused,
    shape=opened_under.shape,
    beside=opened_under.keep,
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
