"""Patients in treatment and those who care for them: plans begun, written and handed out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import UUID

from sqlalchemy import select

from passerelle.audit.tables import outbox
from passerelle.audit.transactions import transaction
from passerelle.dossier import attending, lifecycle
from passerelle.dossier.tables import document
from passerelle.identities import patients
from passerelle.identities.ins import IdentityStatus
from passerelle.kernel.actors import Actor
from passerelle.notices.tables import notice
from passerelle.oncology import aftercare, care_plans
from passerelle.oncology.aftercare_plan import AftercarePlan, Contact, Step
from passerelle.oncology.care_plans import Beginning
from passerelle.oncology.plan_items import Kind
from passerelle.oncology.plan_lines import Coded, Line, Performer
from passerelle.oncology.plan_versions import Plan
from passerelle.oncology.tables import care_plan, care_plan_reminder
from tests.builders import ins_of, professional
from tests.oncology.cases.meetings import Meetings

KEPT = (care_plan, care_plan_reminder, document, outbox, notice)
PLACE = "310783055"
BREAST = Coded(code="C50.2", system="2.16.840.1.113883.6.3", label="Quadrant supéro-interne du sein")
BEGINNING = Beginning(topography=BREAST, by_screening=True)
RADIOTHERAPY = Coded(code="C15313", system="2.16.840.1.113883.3.26.1.1", label="radiothérapie")
LINES = (
    Line(
        kind=Kind.TREATMENT,
        what=RADIOTHERAPY,
        words="50 Gy en 25 séances",
        rank="1",
        planned_from="2026-12-01",
        planned_to="2027-01",
        performers=(Performer(name="Centre de radiothérapie", place="Clinique d'essai"),),
    ),
    Line(kind=Kind.SUPPORT_CARE, words="Diététicienne", comment="Au domicile"),
)
FOLLOW_UP = AftercarePlan(
    steps=(
        Step(what="Mammographie", who="Radiologue", first_on="2027-03-31", every_months=6, until="2028-06-30"),
        Step(what="Consultation", who="Médecin traitant", first_on="2027-01-15"),
    ),
    contacts=(Contact(name="Infirmière de coordination", reach="05 00 00 00 00"),),
    warning_signs=("Une fièvre de plus de 38 °C",),
    comment="Gardez ce plan avec vous.",
)
_numbers = count(50_000)


@dataclass(slots=True)
class Caring(Meetings):
    """A network where patients are treated."""

    async def treated(self) -> Treated:
        """A patient whose identity is whole, his record open, and his attending physician."""
        ins = ins_of(next(_numbers))
        traits = patients.Traits(
            family_name="ESSAI", given_names=("Alix",), birth_date="19800115", sex="F", birth_place="51215"
        )
        async with transaction(self.context(self.feeder)) as act:
            patient_id = await patients.register(act, [ins], traits, IdentityStatus.QUALIFIED, source="essai")
        person, doctor = self.person(ins), professional(establishment=PLACE)
        async with transaction(self.context(person)) as act:
            await lifecycle.open_(act, patient_id, basis=lifecycle.Basis.CONSENT, proof="signé")
            await attending.declare_attending_physician(act, patient_id, doctor.id)
        return Treated(self, patient_id, person, doctor)

    async def kept_of_plans(self) -> dict[str, list[str]]:
        """All that a refusal must not change."""
        async with self.tenant.database.transaction() as connection:
            return {each.name: sorted(map(str, (await connection.execute(select(each))).all())) for each in KEPT}


@dataclass(frozen=True, slots=True)
class Treated:
    """A patient and who follows him."""

    world: Caring
    patient_id: UUID
    person: Actor
    doctor: Actor

    async def begun(self, by: Actor | None = None, **more: Any) -> Plan:
        plan: Plan = await self.world.do(by or self.doctor, care_plans.begin, self.patient_id, BEGINNING, **more)
        return plan

    async def written(self, *lines: Line) -> Plan:
        plan = await self.begun()
        return await self.write(plan, *(lines or LINES))

    async def write(self, plan: Plan, *lines: Line, by: Actor | None = None) -> Plan:
        done: Plan = await self.world.do(
            by or self.doctor, care_plans.write, self.patient_id, plan.plan_id, plan.revision, lines
        )
        return done

    async def issue(self, plan: Plan, by: Actor | None = None) -> Plan:
        done: Plan = await self.world.do(
            by or self.doctor, care_plans.issue, self.patient_id, plan.plan_id, plan.revision
        )
        return done

    async def revise(self, plan: Plan, by: Actor | None = None) -> Plan:
        done: Plan = await self.world.do(by or self.doctor, care_plans.revise, self.patient_id, plan.plan_id)
        return done

    async def followed(self, said: AftercarePlan = FOLLOW_UP) -> Plan:
        """An aftercare plan that was handed to him."""
        world, patient_id = self.world, self.patient_id
        begun: Plan = await world.do(self.doctor, aftercare.begin, patient_id)
        written: Plan = await world.do(self.doctor, aftercare.write, patient_id, begun.plan_id, 1, said)
        done: Plan = await world.do(self.doctor, aftercare.issue, patient_id, begun.plan_id, written.revision)
        return done

    async def followed_anew(self, plan: Plan, said: AftercarePlan) -> Plan:
        """Its next version."""
        world, patient_id = self.world, self.patient_id
        draft: Plan = await world.do(self.doctor, aftercare.revise, patient_id, plan.plan_id)
        written: Plan = await world.do(self.doctor, aftercare.write, patient_id, plan.plan_id, draft.revision, said)
        done: Plan = await world.do(self.doctor, aftercare.issue, patient_id, plan.plan_id, written.revision)
        return done

    async def versions(self) -> list[Any]:
        """Every version of his plans, as it lies in the table."""
        async with self.world.tenant.database.transaction() as connection:
            asked = select(care_plan).where(care_plan.c.patient_id == self.patient_id)
            return [*await connection.execute(asked.order_by(care_plan.c.plan_id, care_plan.c.version))]

    async def documents(self) -> list[Any]:
        """What is filed in his record, oldest first."""
        async with self.world.tenant.database.transaction() as connection:
            asked = select(document).where(document.c.patient_id == self.patient_id)
            return [*await connection.execute(asked.order_by(document.c.chain_id, document.c.chain_position))]
