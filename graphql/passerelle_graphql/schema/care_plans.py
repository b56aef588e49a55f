"""`carePlans`: a patient's care plans (PPS) and aftercare plans (PPAC), line by line; one statement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import date, datetime
from functools import cache
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import strawberry

from passerelle.dossier import access as dossier_access
from passerelle.kernel.context import Context
from passerelle.oncology import aftercare_plan, care_plan, plan_lines, plan_status, plan_versions
from passerelle_graphql.compiler import shapes
from passerelle_graphql.compiler.building import (
    Shape,
    leaf,
    listed,
    needing,
    row_of,
    unless_null,
)
from passerelle_graphql.compiler.rendering import made
from passerelle_graphql.compiler.roots import Frame, Given, ReadRoot
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import Asked, ResolverInfo, context_of
from passerelle_graphql.declared import fields_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of, node_id
from passerelle_graphql.judged_frames import framed, refused
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import in_sql, shape, shown
from passerelle_graphql.schema.board_agenda import case_id, rpps
from passerelle_graphql.schema.enums import CarePlanKind, CarePlanLineKind, CarePlanState
from passerelle_graphql.schema.values import identified, instant
from passerelle_policies.vocabulary import Kind


@in_sql(lambda key: unless_null(key, leaf(shapes.quoted_id(Node.DOCUMENT)(key))))
def filed_id(key: UUID | None) -> strawberry.ID | None:
    """The id of a document, when there is one."""
    return None if key is None else node_id(Node.DOCUMENT, key)


@in_sql(lambda subject: unless_null(subject, leaf(shapes.free_text(Sql(f"split_part({subject}, ':', 2)")))))
def rpps_or_none(subject: str | None) -> str | None:
    """The RPPS number of a subject, when there is one."""
    return None if subject is None else rpps(subject)


@in_sql(lambda at: unless_null(at, leaf(shapes.instant(at))))
def instant_or_none(value: datetime | None) -> datetime | None:
    """An instant, when there is one."""
    return value


@strawberry.type(description="Un code d'une nomenclature.")
class PlanCode:
    code: str
    system: str = strawberry.field(description="OID de la nomenclature.")
    label: str


@strawberry.type(description="Qui intervient, et où.")
class PlanPerformer:
    name: str | None
    rpps: str | None
    place: str | None


@strawberry.type(description="Ce qui est prévu. Une date s'écrit AAAA, AAAA-MM ou AAAA-MM-JJ, selon ce qui est connu.")
class CarePlanLine:
    number: int = strawberry.field(description="Pour la poursuivre en réécrivant le programme.")
    kind: CarePlanLineKind
    what: PlanCode | None
    words: str | None
    is_done: bool
    rank: str | None
    starts: str | None
    ends: str | None
    planned_from: str | None
    planned_to: str | None
    is_regular: bool | None
    rhythm: str | None
    mode: PlanCode | None
    side_effects: str | None
    comment: str | None
    performers: list[PlanPerformer] = strawberry.field(directives=[counted(2)])


@strawberry.type(description="Une étape du suivi : ce qui est à faire, par qui, quand.")
class AftercareStep:
    what: str
    who: str | None
    first_on: date
    every_months: int | None
    until: date | None
    days: list[date] = strawberry.field(directives=[counted(10)], description="Les jours qu'elle donne.")


@strawberry.type(description="Qui appeler.")
class AftercareContact:
    name: str
    role: str | None
    reach: str = strawberry.field(description="Comment le joindre.")


@strawberry.type(description="Le suivi après le traitement.")
class AftercareSchedule:
    steps: list[AftercareStep] = strawberry.field(directives=[counted(10)])
    contacts: list[AftercareContact] = strawberry.field(directives=[counted(5)])
    warning_signs: list[str] = strawberry.field(directives=[counted(5)])
    comment: str | None


@strawberry.type(description="Une version d'un programme de soins (PPS) ou d'un plan de l'après-cancer (PPAC).")
class CarePlan:
    id: strawberry.ID = shown("plan_id", by=identified(Node.CARE_PLAN))
    version: int = shown()
    kind: CarePlanKind = shown(by=CarePlanKind)
    state: CarePlanState = shown(by=CarePlanState)
    case_id: strawberry.ID | None = shown(by=case_id, description="Le cas dont il suit la fiche.")
    revision: int = shown(description="À redonner pour écrire.")
    written_by: str = shown(by=rpps, description="Numéro RPPS.")
    written_at: datetime = shown(by=instant)
    issued_by: str | None = shown(by=rpps_or_none, description="Numéro RPPS.")
    issued_at: datetime | None = shown(by=instant_or_none, description="Quand il a été remis au patient.")
    document_id: strawberry.ID | None = shown(by=filed_id, description="Le document, dans le dossier.")
    board_on: str | None = strawberry.field(description="La date de la RCP qu'il suit.")
    lines: list[CarePlanLine] | None = strawberry.field(directives=[counted(20)], description="D'un PPS.")
    aftercare: AftercareSchedule | None = strawberry.field(description="D'un PPAC.")


@strawberry.type(
    description="De chaque programme, la version remise au patient, et celle en cours pour qui peut la rédiger."
)
class CarePlans:
    nodes: list[CarePlan] = strawberry.field(directives=[counted(5)])


CarePlansResult: TypeAlias = Annotated[
    CarePlans | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("CarePlansResult")
]


def board_on_of(_context: Context, kind: str, content: Mapping[str, Any]) -> str | None:
    """The day of the board that a plan follows."""
    if kind != CarePlanKind.CARE_PLAN:
        return None
    return plan_lines.shown_day(plan_status.board_day(care_plan.CarePlan.from_json(content)))


def lines_of(_context: Context, kind: str, content: Mapping[str, Any]) -> list[CarePlanLine] | None:
    """What a care plan plans."""
    if kind != CarePlanKind.CARE_PLAN:
        return None
    return [_line(each) for each in plan_lines.lines(care_plan.CarePlan.from_json(content))]


def aftercare_of(context: Context, kind: str, content: Mapping[str, Any]) -> AftercareSchedule | None:
    """What an aftercare plan follows up."""
    if kind != CarePlanKind.AFTERCARE_PLAN:
        return None
    plan = aftercare_plan.AftercarePlan.from_json(content)
    years = dossier_access.number(context, "oncology.aftercare_years_max")
    return AftercareSchedule(
        steps=[
            AftercareStep(
                what=each.what,
                who=each.who,
                first_on=date.fromisoformat(each.first_on),
                every_months=each.every_months,
                until=date.fromisoformat(each.until) if each.until else None,
                days=list(aftercare_plan.days_of(each, years)),
            )
            for each in plan.steps
        ],
        contacts=[AftercareContact(name=each.name, role=each.role, reach=each.reach) for each in plan.contacts],
        warning_signs=list(plan.warning_signs),
        comment=plan.comment,
    )


def _line(given: plan_lines.Line) -> CarePlanLine:
    said = {name: getattr(given, name) for name in plan_lines.PLAIN}
    return CarePlanLine(
        number=given.number or 0,
        kind=given.kind,
        what=_code(given.what),
        mode=_code(given.mode),
        performers=[PlanPerformer(**asdict(each)) for each in given.performers],
        **said,
    )


def _code(given: plan_lines.Coded | None) -> PlanCode | None:
    return PlanCode(**asdict(given)) if given else None


def shaped(context: Context, plan: plan_versions.Plan) -> CarePlan:
    """A version as the graph shows it."""
    made = shape(CarePlan, {name: getattr(plan, name) for name in plan_versions.COLUMNS})
    said = (context, plan.kind, plan.content)
    made.board_on, made.lines, made.aftercare = board_on_of(*said), lines_of(*said), aftercare_of(*said)
    return made


@strawberry.type
class CarePlanQuery:
    @resolved(
        "Les programmes de soins (PPS) et les plans de l'après-cancer (PPAC) d'un patient, le dernier écrit d'abord. "
        "Avec un cas : ceux de ce cas, pour qui y a part aussi.",
        cost=20,
    )
    async def care_plans(
        self, info: ResolverInfo, patient_id: strawberry.ID, case_id: strawberry.ID | None = None
    ) -> CarePlansResult:
        context = context_of(info)
        plans = await plan_versions.of_patient(context, *_asked_of(patient_id, case_id))
        return CarePlans(nodes=[shaped(context, each) for each in plans])


def _asked_of(patient_id: str, case_id: str | None) -> tuple[UUID, UUID | None]:
    return key_of(Node.PATIENT, patient_id), None if case_id is None else key_of(Node.BOARD_CASE, case_id)


_PLAN = "plan"
_ROW = row_of(_PLAN, plan_versions.COLUMNS)


def _late(field: str, make: Callable[..., object]) -> Shape:
    return made("CarePlan", field, make, _ROW["kind"], _ROW["content"])


@cache
def _frame(needs: frozenset[str]) -> Frame:
    it = plan_versions.plans_read(_PLAN)
    return framed(it.judged, [it.rows] if _PLAN in needs else [])


def _parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    patient, of_case = _asked_of(arguments.root["patient_id"], arguments.root.get("case_id"))
    return plan_versions.read_parameters(asked.context, patient, of_case)


CARE_PLANS = ReadRoot(
    name="carePlans",
    shows="CarePlans",
    fields={
        "nodes": needing(
            _PLAN,
            listed(
                "CarePlan",
                fields_of(
                    CarePlan,
                    _ROW,
                    board_on=_late("boardOn", board_on_of),
                    lines=_late("lines", lines_of),
                    aftercare=_late("aftercare", aftercare_of),
                ),
                Sql(_PLAN),
                Sql(f"{_ROW['written_at']} desc, {_ROW['plan_id']}, {_ROW['version']} desc"),
            ),
        )
    },
    frame=_frame,
    parameters=_parameters,
    otherwise=refused(Kind.CARE_PLAN),
)
