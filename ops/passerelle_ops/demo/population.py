"""The invented people move in: everything is done by the use cases that production takes, and so is journalled.

For each patient: his doctor registers him and opens his record with his consent; his carers publish; he names
his attending physician, consents to a team, authorises his pharmacist, blocks a doctor, masks a document. Doing
it again changes nothing: identities and documents are recognised, and relations are laid once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import attending, care_teams, lifecycle, publishing, relations, representation, team_consents
from passerelle.identities import patients
from passerelle.identities.directory import Directory, Practice, Professional
from passerelle.identities.ins import IdentityStatus
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import PARIS, Clock
from passerelle.kernel.context import Context, Tenant
from passerelle_ops.demo import papers, story
from passerelle_ops.demo.casting import STORY_TENANT
from passerelle_ops.demo.people import Cast, DemoPerson, Household, Part
from passerelle_ops.installation import Installation
from passerelle_policies.vocabulary import ActorKind, Purpose

_AT_ONCE: Final = 4
_TEAM: Final = (Part.SURGEON, Part.NURSE, Part.SOCIAL_WORKER, Part.BLOCKED)

OnPatient = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Settler:
    """One network while its people move in."""

    tenant: Tenant
    cast: Cast
    clock: Clock
    structures: dict[str, str]
    directory: Directory

    def context(self, actor: Actor, purpose: Purpose = Purpose.CARE) -> Context:
        return Context(
            tenant=self.tenant,
            actor=actor,
            clock=self.clock,
            request_id=f"demo-{uuid4().hex}",
            purpose=purpose,
            directory=self.directory,
        )

    def professional(self, part: Part) -> Actor:
        """The actor that a professional of the cast is."""
        who = self.cast.professionals[part]
        return Actor(
            kind=ActorKind.PROFESSIONAL,
            id=who.rpps,
            name=f"{who.given_name} {who.family_name}",
            profession=who.profession,
            specialty=who.specialty,
            establishment=who.finess or None,
        )

    def person(self, person: DemoPerson) -> Actor:
        """The actor that a patient or a representative is."""
        key = self.tenant.keys.person_key(person.ins.oid, person.ins.value)
        return Actor(kind=ActorKind.PERSON, id=key, name=person.name)


async def register_professionals(directory: Directory, cast: Cast) -> None:
    """Put the professionals of one network in the directory."""
    await directory.register_professionals(
        [
            Professional(
                rpps=each.rpps,
                family_name=each.family_name,
                given_name=each.given_name,
                profession=each.profession,
                specialty=each.specialty,
                practices=(Practice(tenant_id=cast.tenant_id, finess=each.finess),),
            )
            for each in cast.professionals.values()
        ]
    )


async def settle(installation: Installation, cast: Cast, on_patient: OnPatient) -> None:
    """Let everyone of one network move in; `on_patient` hears of each patient who has."""
    registry = await installation.registry()
    network = registry.network(cast.tenant_id)
    settler = Settler(
        tenant=await registry.tenant(cast.tenant_id),
        cast=cast,
        clock=installation.clock,
        structures={each.finess: each.name for _, each in network.establishments()},
        directory=installation.directory,
    )
    await register_professionals(installation.directory, cast)
    # The story's patient comes first, alone: the team that the others consent to is hers.
    team_id = await _patient(settler, 0, None)
    on_patient(cast.tenant_id)
    turns = asyncio.Semaphore(_AT_ONCE)

    async def in_turn(index: int) -> None:
        async with turns:
            await _patient(settler, index, team_id)
        on_patient(cast.tenant_id)

    async with asyncio.TaskGroup() as group:
        for index in range(1, len(cast.households)):
            group.create_task(in_turn(index))


async def _patient(settler: Settler, index: int, team_id: UUID | None) -> UUID | None:
    household = settler.cast.households[index]
    patient_id = await _open(settler, household)
    await _publish(settler, household, patient_id, index)
    return await _relate(settler, household, patient_id, index, team_id)


async def _open(settler: Settler, household: Household) -> UUID:
    doctor = settler.context(settler.professional(Part.GP))
    async with transaction(doctor) as act:
        if household.mother is not None:
            await _register(act, household.mother)
        patient_id = await _register(act, household.patient)
        if await lifecycle.state_of(act, patient_id) is None:
            await lifecycle.open_(
                act, patient_id, basis=lifecycle.Basis.CONSENT, proof="consentement recueilli au cabinet, fiche signée"
            )
    return patient_id


async def _register(act: Act, person: DemoPerson) -> UUID:
    traits = patients.Traits(
        family_name=person.family_name,
        used_name=person.family_name,
        given_names=(person.given_name,),
        birth_date=person.birth_date,
        sex=person.sex,
        birth_place=person.birth_place,
    )
    return await patients.register(act, [person.ins], traits, IdentityStatus.QUALIFIED, source="demo")


async def _publish(settler: Settler, household: Household, patient_id: UUID, index: int) -> None:
    is_first = settler.cast.tenant_id == STORY_TENANT
    by_author: dict[Part, list[story.Written]] = {}
    for written in story.documents_of(settler.cast, household, index, is_first=is_first):
        by_author.setdefault(written.author, []).append(written)
    for author, papers_of_his in by_author.items():
        async with transaction(settler.context(settler.professional(author))) as act:
            for written in papers_of_his:
                day = _day(settler.clock, written.days_ago)
                incoming = papers.written_document(settler.cast, settler.structures, household.patient, written, day)
                await publishing.publish(act, patient_id, incoming)
    if is_first and index == 0:
        own = papers.own_document(settler.cast.tenant_id, household.patient, _day(settler.clock, 5))
        person = settler.context(settler.person(household.patient), Purpose.PATIENT_REQUEST)
        async with transaction(person) as act:
            await publishing.publish_own(act, patient_id, own)


async def _relate(
    settler: Settler, household: Household, patient_id: UUID, index: int, team_id: UUID | None
) -> UUID | None:
    """Lay the patient's relations once; gives the team that his carers form."""
    person = settler.context(settler.person(household.patient), Purpose.PATIENT_REQUEST)
    async with transaction(person) as act:
        held = await relations.authorizations(act, patient_id)
    if held.relations:
        return UUID(held.team_consents[0].subject.removeprefix("team:")) if held.team_consents else team_id
    if team_id is None:
        team_id = await _team(settler)
    async with transaction(person) as act:
        if household.mother is not None:
            key = settler.person(household.mother).id
            proof = "livret de famille présenté"
            minor = representation.RepresentationBasis.MINOR
            await representation.declare_representative(act, patient_id, key, basis=minor, proof=proof)
        if index % 2 == 0:
            await team_consents.consent_to_team(
                act,
                patient_id,
                team_id,
                informed_how=team_consents.InformedHow.INTERVIEW,
                proof="formulaire signé, numérisé au dossier",
            )
            pharmacist = settler.cast.professionals[Part.PHARMACIST]
            await relations.authorize(act, patient_id, pharmacist.rpps, proof="carte Vitale présentée à l’officine")
        if index % 4 == 0:
            await relations.block_professional(act, patient_id, settler.cast.professionals[Part.BLOCKED].rpps)
        # Last, as it is what tells that all of this was laid.
        await attending.declare_attending_physician(act, patient_id, settler.cast.professionals[Part.GP].rpps)
    return team_id


async def _team(settler: Settler) -> UUID:
    async with transaction(settler.context(settler.professional(Part.ONCOLOGIST))) as act:
        leader = settler.cast.professionals[Part.ONCOLOGIST]
        team_id = await care_teams.create_care_team(act, "Équipe de sénologie", establishment=leader.finess)
        for part in _TEAM:
            await care_teams.add_care_team_member(act, team_id, settler.cast.professionals[part].rpps)
    return team_id


def _day(clock: Clock, days_ago: int) -> datetime:
    """Nine in the morning in Paris, so many days ago."""
    day = clock.now().astimezone(PARIS) - timedelta(days=days_ago)
    return day.replace(hour=9, minute=0, second=0, microsecond=0)
