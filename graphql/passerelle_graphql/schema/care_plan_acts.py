"""Care plans and aftercare plans begun, written, handed to the patient, revised."""

from __future__ import annotations

from datetime import date
from typing import Annotated, TypeAlias
from uuid import UUID

import strawberry

from passerelle.audit.transactions import transaction
from passerelle.oncology import aftercare, aftercare_plan, care_plans, plan_lines
from passerelle_graphql.context import ResolverInfo, context_of
from passerelle_graphql.fields import resolved
from passerelle_graphql.ids import Node, key_of
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.schema.care_plans import CarePlan, shaped
from passerelle_graphql.schema.enums import CarePlanKind, CarePlanLineKind


@strawberry.input(description="Un code d'une nomenclature.")
class PlanCodeInput:
    code: str
    system: str = strawberry.field(description="OID de la nomenclature.")
    label: str

    def said(self) -> plan_lines.Coded:
        return plan_lines.Coded(code=self.code, system=self.system, label=self.label)


@strawberry.input(description="Qui intervient : son numéro RPPS, ou son nom.")
class PlanPerformerInput:
    name: str | None = None
    rpps: str | None = None
    place: str | None = None


@strawberry.input(description="Ce qui est prévu. Une date s'écrit AAAA, AAAA-MM ou AAAA-MM-JJ.")
class CarePlanLineInput:
    kind: CarePlanLineKind
    number: int | None = strawberry.field(default=None, description="La ligne qu'elle poursuit ; absent : nouvelle.")
    what: PlanCodeInput | None = None
    words: str | None = None
    is_done: bool = False
    rank: str | None = None
    starts: str | None = None
    ends: str | None = None
    planned_from: str | None = None
    planned_to: str | None = None
    is_regular: bool | None = None
    rhythm: str | None = None
    mode: PlanCodeInput | None = None
    side_effects: str | None = None
    comment: str | None = None
    performers: list[PlanPerformerInput] = strawberry.field(default_factory=list)

    def said(self) -> plan_lines.Line:
        return plan_lines.Line(
            number=self.number,
            kind=self.kind,
            what=self.what.said() if self.what else None,
            mode=self.mode.said() if self.mode else None,
            performers=tuple(
                plan_lines.Performer(name=each.name, rpps=each.rpps, place=each.place) for each in self.performers
            ),
            **{name: getattr(self, name) for name in plan_lines.PLAIN},
        )


@strawberry.input(description="Ce par quoi commence un programme de soins qu'aucune fiche RCP ne donne.")
class CarePlanBeginningInput:
    topography: PlanCodeInput = strawberry.field(description="La localisation de la tumeur (CIM-10).")
    morphology: PlanCodeInput | None = strawberry.field(default=None, description="CIM-O-3.")
    by_screening: bool = strawberry.field(default=False, description="Découverte par dépistage.")
    is_child: bool = False
    board_on: date | None = strawberry.field(default=None, description="La date de la RCP qu'il suit.")

    def said(self) -> care_plans.Beginning:
        return care_plans.Beginning(
            topography=self.topography.said(),
            morphology=self.morphology.said() if self.morphology else None,
            by_screening=self.by_screening,
            is_child=self.is_child,
            board_on=self.board_on,
        )


@strawberry.input(description="Une étape du suivi ; avec un nombre de mois, elle se répète, jusqu'à un terme ou non.")
class AftercareStepInput:
    what: str
    first_on: date
    who: str | None = None
    every_months: int | None = None
    until: date | None = None


@strawberry.input(description="Qui appeler, et comment le joindre.")
class AftercareContactInput:
    name: str
    reach: str
    role: str | None = None


@strawberry.input(description="Tout le plan de l'après-cancer.")
class AftercareInput:
    steps: list[AftercareStepInput]
    contacts: list[AftercareContactInput] = strawberry.field(default_factory=list)
    warning_signs: list[str] = strawberry.field(default_factory=list)
    comment: str | None = None

    def said(self) -> aftercare_plan.AftercarePlan:
        return aftercare_plan.AftercarePlan(
            steps=tuple(
                aftercare_plan.Step(
                    what=each.what,
                    who=each.who,
                    first_on=each.first_on.isoformat(),
                    every_months=each.every_months,
                    until=each.until.isoformat() if each.until else None,
                )
                for each in self.steps
            ),
            contacts=tuple(
                aftercare_plan.Contact(name=each.name, reach=each.reach, role=each.role) for each in self.contacts
            ),
            warning_signs=tuple(self.warning_signs),
            comment=self.comment,
        )


CarePlanResult: TypeAlias = Annotated[
    CarePlan | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("CarePlanResult")
]


@strawberry.type
class CarePlanMutation:
    @resolved("Commencer un programme de soins (PPS) qu'aucune fiche RCP ne donne, d'un cas ou d'aucun.", cost=20)
    async def begin_care_plan(
        self,
        info: ResolverInfo,
        patient_id: strawberry.ID,
        beginning: CarePlanBeginningInput,
        case_id: strawberry.ID | None = None,
    ) -> CarePlanResult:
        patient, of_case = key_of(Node.PATIENT, patient_id), _case_of(case_id)
        context = context_of(info)
        async with transaction(context) as act:
            return shaped(context, await care_plans.begin(act, patient, beginning.said(), of_case))

    @resolved("Écrire tout ce que prévoit un programme de soins en cours.", cost=20)
    async def write_care_plan(
        self,
        info: ResolverInfo,
        patient_id: strawberry.ID,
        id: strawberry.ID,  # noqa: A002 - the graph's name
        revision: int,
        lines: list[CarePlanLineInput],
    ) -> CarePlanResult:
        patient, plan = key_of(Node.PATIENT, patient_id), key_of(Node.CARE_PLAN, id)
        context = context_of(info)
        async with transaction(context) as act:
            written = await care_plans.write(act, patient, plan, revision, [each.said() for each in lines])
            return shaped(context, written)

    @resolved("Commencer un plan de l'après-cancer (PPAC), d'un cas ou d'aucun.", cost=20)
    async def begin_aftercare_plan(
        self, info: ResolverInfo, patient_id: strawberry.ID, case_id: strawberry.ID | None = None
    ) -> CarePlanResult:
        patient, of_case = key_of(Node.PATIENT, patient_id), _case_of(case_id)
        context = context_of(info)
        async with transaction(context) as act:
            return shaped(context, await aftercare.begin(act, patient, of_case))

    @resolved("Écrire tout un plan de l'après-cancer en cours.", cost=20)
    async def write_aftercare_plan(
        self,
        info: ResolverInfo,
        patient_id: strawberry.ID,
        id: strawberry.ID,  # noqa: A002 - the graph's name
        revision: int,
        aftercare_plan: AftercareInput,
    ) -> CarePlanResult:
        patient, plan = key_of(Node.PATIENT, patient_id), key_of(Node.CARE_PLAN, id)
        context = context_of(info)
        async with transaction(context) as act:
            return shaped(context, await aftercare.write(act, patient, plan, revision, aftercare_plan.said()))

    @resolved("Remettre au patient la version en cours, et la classer dans son dossier : elle ne change plus.", cost=60)
    async def issue_care_plan(
        self,
        info: ResolverInfo,
        patient_id: strawberry.ID,
        id: strawberry.ID,  # noqa: A002 - the graph's name
        revision: int,
        kind: CarePlanKind = CarePlanKind.CARE_PLAN,
    ) -> CarePlanResult:
        patient, plan = key_of(Node.PATIENT, patient_id), key_of(Node.CARE_PLAN, id)
        context, issue = context_of(info), _ACTS[kind].issue
        async with transaction(context) as act:
            return shaped(context, await issue(act, patient, plan, revision))

    @resolved("Commencer la version qui suit celle qui a été remise.", cost=20)
    async def revise_care_plan(
        self,
        info: ResolverInfo,
        patient_id: strawberry.ID,
        id: strawberry.ID,  # noqa: A002 - the graph's name
        kind: CarePlanKind = CarePlanKind.CARE_PLAN,
    ) -> CarePlanResult:
        patient, plan = key_of(Node.PATIENT, patient_id), key_of(Node.CARE_PLAN, id)
        context, revise = context_of(info), _ACTS[kind].revise
        async with transaction(context) as act:
            return shaped(context, await revise(act, patient, plan))


_ACTS = {CarePlanKind.CARE_PLAN: care_plans, CarePlanKind.AFTERCARE_PLAN: aftercare}


def _case_of(case_id: str | None) -> UUID | None:
    return None if case_id is None else key_of(Node.BOARD_CASE, case_id)
