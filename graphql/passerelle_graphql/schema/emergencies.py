"""`breakTheGlass` and what goes with it: its end, the patient's objection, and the review."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from functools import cache
from typing import Annotated, Any, TypeAlias

import strawberry
from sqlalchemy import DateTime, Integer, bindparam, case, select

from passerelle.audit.journal import NOBODY
from passerelle.audit.transactions import transaction
from passerelle.dossier import emergencies, emergency_reviews, judging, objections, reading, visits
from passerelle.kernel import errors
from passerelle_graphql.authentication import MODE
from passerelle_graphql.compiler import shapes
from passerelle_graphql.compiler.building import Shape, entity, leaf, listed, needing, row_of
from passerelle_graphql.compiler.roots import Frame, Given, ReadRoot
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import Asked, ResolverInfo, context_of
from passerelle_graphql.declared import fields_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of
from passerelle_graphql.judged_frames import framed, refused
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import in_sql, shape, shown
from passerelle_graphql.schema.authorizations import Ended, EndResult
from passerelle_graphql.schema.enums import ActorKind, Finding
from passerelle_graphql.schema.values import CodedValue, coded, coded_in_sql, identified
from passerelle_policies import nomenclatures
from passerelle_policies.vocabulary import Action, Kind, Mode

_PROFESSIONAL = f"{ActorKind.PROFESSIONAL}:"


def _profession_in_sql(code: Sql) -> Shape:
    return coded_in_sql(
        code, shapes.label_in({each: known.label for each, known in nomenclatures.professions().items()}, code)
    )


@in_sql(_profession_in_sql)
def profession_of(code: str | None) -> CodedValue | None:
    known = nomenclatures.profession(code) if code else None
    return coded(code, known.label if known else None)


@in_sql(lambda subject: leaf(shapes.free_text(Sql(f"regexp_replace({subject}, '^{_PROFESSIONAL}', '')"))))
def rpps_of(subject: str) -> str:
    return subject.removeprefix(_PROFESSIONAL)


@in_sql(lambda found: leaf(shapes.word(Finding)(Sql(f"nullif({found}, '')"))))
def finding_of(found: str | None) -> Finding | None:
    return Finding(found) if found else None


@strawberry.type(description="Un accès en urgence (bris de glace) : qui, pourquoi, jusqu'à quand.")
class EmergencyAccess:
    id: strawberry.ID = shown("access_id", by=identified(Node.EMERGENCY))
    patient_id: strawberry.ID = shown(by=identified(Node.PATIENT))
    rpps: str = shown("subject", by=rpps_of)
    name: str = shown()
    profession: CodedValue | None = shown(by=profession_of)
    structure: str | None = shown("establishment", description="FINESS du lieu d'où il est entré.")
    reason: str | None = shown(
        description="Le motif, tel qu'il l'a donné ; tu à un représentant s'il pouvait dire un acte qui lui est caché."
    )
    network: str | None = shown("origin", description="L'autre réseau où il a brisé la glace ; absent : celui-ci.")
    since: datetime = shown("valid_from")
    until: datetime = shown("valid_until", description="Exclu.")
    review_due_at: datetime = shown()
    reviewed_at: datetime | None = shown()
    finding: Finding | None = shown(by=finding_of, description="Ce que l'examen a trouvé ; absent avant lui.")


def emergency(held: emergencies.EmergencyAccess) -> EmergencyAccess:
    return shape(EmergencyAccess, asdict(held))


@strawberry.type(description="Les accès en urgence à un dossier, du plus récent au plus ancien.")
class EmergencyAccesses:
    nodes: list[EmergencyAccess] = strawberry.field(directives=[counted(20)])


@strawberry.type(description="Un accès en urgence qui attend d'être examiné.")
class EmergencyToReview:
    emergency: EmergencyAccess
    is_overdue: bool


@strawberry.type(description="Ce qui attend d'être examiné, le plus en retard d'abord.")
class EmergencyReviewQueue:
    nodes: list[EmergencyToReview] = strawberry.field(directives=[counted(20)])


@strawberry.type(description="L'opposition du patient à toute ouverture en urgence.")
class EmergencyObjection:
    since: datetime
    ended: int = strawberry.field(description="Combien d'accès en cours ont pris fin à l'instant.")


EmergencyResult: TypeAlias = Annotated[
    EmergencyAccess | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("EmergencyResult")
]
EmergencyAccessesResult: TypeAlias = Annotated[
    EmergencyAccesses | Refusal | InvalidInput | TryLater, strawberry.union("EmergencyAccessesResult")
]
EmergencyReviewQueueResult: TypeAlias = Annotated[
    EmergencyReviewQueue | Refusal | InvalidInput | TryLater, strawberry.union("EmergencyReviewQueueResult")
]
EmergencyObjectionResult: TypeAlias = Annotated[
    EmergencyObjection | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("EmergencyObjectionResult")
]


@strawberry.type
class EmergencyQuery:
    @resolved("Qui a ouvert ce dossier en urgence, et ce que l'examen en a trouvé.", cost=10)
    async def emergency_accesses(
        self, info: ResolverInfo, patient_id: strawberry.ID, first: int | None = None
    ) -> EmergencyAccessesResult:
        context, key = context_of(info), key_of(Node.PATIENT, patient_id)
        size = reading.page_size(context, first)
        async with transaction(context) as act:
            held = await emergencies.emergencies_of(act, key, first=size)
        return EmergencyAccesses(nodes=[emergency(each) for each in held])

    @resolved("Les accès en urgence à examiner dans ce réseau ; pour son délégué à la protection des données.", cost=10)
    async def emergencies_to_review(self, info: ResolverInfo, first: int | None = None) -> EmergencyReviewQueueResult:
        context = context_of(info)
        size = reading.page_size(context, first)
        async with transaction(context) as act:
            waiting = await emergency_reviews.emergencies_to_review(act, first=size)
        return EmergencyReviewQueue(
            nodes=[
                EmergencyToReview(emergency=emergency(each.emergency), is_overdue=each.is_overdue) for each in waiting
            ]
        )


_COLUMNS = tuple(emergencies.EmergencyAccess.__dataclass_fields__)
_OPENED, _WAITING = "opened", "waiting"
_SIZE = bindparam("page_size", type_=Integer())


@cache
def _accesses_frame(needs: frozenset[str]) -> Frame:
    it = judging.judged(Kind.AUTHORIZATIONS)
    found = emergencies.newest(it.patient_id, _SIZE).subquery("found")
    said = case((visits.is_kept_from(it.facts, it.patient_id, found), None), else_=found.c.reason)
    columns = [said.label(name) if name == "reason" else found.c[name] for name in _COLUMNS]
    return framed(it, [select(*columns).cte(_OPENED)] if _OPENED in needs else [])


def _accesses_parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    key = key_of(Node.PATIENT, arguments.root["patient_id"])
    size = reading.page_size(asked.context, arguments.root.get("first"))
    return {**judging.parameters(asked.context, Kind.AUTHORIZATIONS, key), "page_size": size}


EMERGENCY_ACCESSES = ReadRoot(
    name="emergencyAccesses",
    shows="EmergencyAccesses",
    fields={
        "nodes": needing(
            _OPENED,
            listed(
                "EmergencyAccess",
                fields_of(EmergencyAccess, row_of(_OPENED, _COLUMNS)),
                Sql(_OPENED),
                Sql(f"{_OPENED}.valid_from desc, {_OPENED}.access_id"),
            ),
        )
    },
    frame=_accesses_frame,
    parameters=_accesses_parameters,
    otherwise=refused(Kind.AUTHORIZATIONS),
)


@cache
def _queue_frame(needs: frozenset[str]) -> Frame:
    it = judging.judged(Kind.JOURNAL, action=Action.REVIEW)
    now = bindparam("access_now", type_=DateTime(timezone=True))
    found = emergency_reviews.awaiting(_SIZE).where(it.is_allowed()).subquery("found")
    waiting = select(found, (found.c.review_due_at <= now).label("is_overdue")).cte(_WAITING)
    return framed(it, [waiting] if _WAITING in needs else [])


def _queue_parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    size = reading.page_size(asked.context, arguments.root.get("first"))
    nobody = judging.parameters(asked.context, Kind.JOURNAL, NOBODY, action=Action.REVIEW)
    return {**nobody, "page_size": size}


EMERGENCIES_TO_REVIEW = ReadRoot(
    name="emergenciesToReview",
    shows="EmergencyReviewQueue",
    fields={
        "nodes": needing(
            _WAITING,
            listed(
                "EmergencyToReview",
                {
                    "emergency": entity("EmergencyAccess", fields_of(EmergencyAccess, row_of(_WAITING, _COLUMNS))),
                    "isOverdue": leaf(shapes.plain(Sql(f"{_WAITING}.is_overdue"))),
                },
                Sql(_WAITING),
                Sql(f"{_WAITING}.review_due_at, {_WAITING}.access_id"),
            ),
        )
    },
    frame=_queue_frame,
    parameters=_queue_parameters,
    otherwise=refused(Kind.JOURNAL, action=Action.REVIEW),
)


@strawberry.type
class EmergencyMutation:
    @resolved("Briser la glace, en disant pourquoi. Le patient et son médecin traitant en sont avertis.", cost=10)
    async def break_the_glass(self, info: ResolverInfo, patient_id: strawberry.ID, reason: str) -> EmergencyResult:
        context, key = context_of(info), key_of(Node.PATIENT, patient_id)
        if context.mode is Mode.NORMAL and context.actor.kind is ActorKind.PROFESSIONAL:
            # Said before the record is looked at: it tells of the request alone.
            raise errors.InvalidInput("MODE_MISSING", header=MODE, mode=Mode.BREAK_GLASS.value)
        async with transaction(context) as act:
            opened = await emergencies.break_the_glass(act, key, reason)
        info.context.opened(opened)
        return emergency(opened)

    @resolved("Mettre fin à son propre accès en urgence.", cost=10)
    async def end_emergency(self, info: ResolverInfo, patient_id: strawberry.ID) -> EndResult:
        key = key_of(Node.PATIENT, patient_id)
        async with transaction(context_of(info)) as act:
            return Ended(count=await emergencies.end_emergency(act, key))

    @resolved("S'opposer d'avance à toute ouverture en urgence ; les accès en cours prennent fin.", cost=10)
    async def object_to_emergencies(self, info: ResolverInfo, patient_id: strawberry.ID) -> EmergencyObjectionResult:
        key = key_of(Node.PATIENT, patient_id)
        async with transaction(context_of(info)) as act:
            held = await objections.object_to_emergencies(act, key)
        return EmergencyObjection(since=held.since, ended=held.ended)

    @resolved("Retirer cette opposition.", cost=10)
    async def withdraw_objection(self, info: ResolverInfo, patient_id: strawberry.ID) -> EndResult:
        key = key_of(Node.PATIENT, patient_id)
        async with transaction(context_of(info)) as act:
            return Ended(count=await objections.withdraw_objection(act, key))

    @resolved("Dire ce que l'examen d'un accès en urgence a trouvé ; le patient le lit.", cost=10)
    async def review_emergency(
        self,
        info: ResolverInfo,
        id: strawberry.ID,  # noqa: A002 - the graph's name
        finding: Finding,
        comment: str = "",
    ) -> EmergencyResult:
        key = key_of(Node.EMERGENCY, id)
        async with transaction(context_of(info)) as act:
            return emergency(await emergency_reviews.review_emergency(act, key, finding, comment))
