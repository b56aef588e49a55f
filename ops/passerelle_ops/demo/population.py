"""The invented people move in: everything is done by the use cases that production takes, and so is journalled.

For each patient: his doctor registers him and opens his record with his consent; his carers publish; he names
his attending physician, consents to a team, authorises his pharmacist, blocks a doctor. The people of the story did
so weeks ago, and lived on since (`happenings`). Doing it again changes nothing: identities and documents are
recognised, and relations are laid once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final
from uuid import UUID

from passerelle.audit.sealing import seal
from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import attending, care_teams, lifecycle, publishing, relations, representation, team_consents
from passerelle.identities import patients
from passerelle.identities.directory import Directory, Establishment, Practice, Professional
from passerelle.identities.ins import IdentityStatus
from passerelle_ops.demo import papers, story
from passerelle_ops.demo.board import EXPERTS_TENANT, convene_experts
from passerelle_ops.demo.casting import STORY_TENANT
from passerelle_ops.demo.happenings import happen
from passerelle_ops.demo.people import PHARMACY, Cast, DemoPerson, Household, Part
from passerelle_ops.demo.settler import Settler, day
from passerelle_ops.installation import Installation
from passerelle_policies.vocabulary import DossierState

_AT_ONCE: Final = 4
_MOVED_IN: Final = 90  # days ago, for the people of the story
_TEAM: Final = (Part.SURGEON, Part.NURSE, Part.SOCIAL_WORKER, Part.BLOCKED)

OnPatient = Callable[[str], None]


async def register_professionals(directory: Directory, cast: Cast) -> None:
    """Put the professionals of one network in the directory, and the pharmacies that they work in."""
    await directory.register_establishments(
        [
            Establishment(finess=finess, name=name, basin="officines", tenant_id=cast.tenant_id, category=PHARMACY)
            for finess, name in cast.pharmacies.items()
        ]
    )
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
        structures={each.finess: each.name for _, each in network.establishments()} | cast.pharmacies,
        directory=installation.directory,
    )
    await register_professionals(installation.directory, cast)
    if cast.tenant_id == EXPERTS_TENANT:
        await convene_experts(settler)
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
    # A line that bears a day long past counts as one that was never sealed, until it is.
    await seal(settler.tenant, settler.clock)


async def _patient(settler: Settler, index: int, team_id: UUID | None) -> UUID | None:
    household = settler.cast.households[index]
    is_told = settler.cast.tenant_id == STORY_TENANT and index < len(story.STORIES)
    then = settler.on(_MOVED_IN) if is_told else settler
    patient_id, state = await _open(then, household)
    if state is not DossierState.OPEN:  # it was all done when he died, or closed it
        return team_id
    filed = await _publish(settler, household, patient_id, index, is_told=is_told)
    team_id = await _relate(settler, then, household, patient_id, index, team_id)
    if is_told and team_id is not None:
        await happen(settler, household, patient_id, team_id, filed)
    return team_id


async def _open(settler: Settler, household: Household) -> tuple[UUID, DossierState | None]:
    async with transaction(settler.context(settler.professional(Part.GP))) as act:
        for relative in household.people[1:]:
            await _register(act, relative)
        patient_id = await _register(act, household.patient)
        if await lifecycle.state_of(act, patient_id) is None:
            await lifecycle.open_(
                act, patient_id, basis=lifecycle.Basis.CONSENT, proof="consentement recueilli au cabinet, fiche signée"
            )
        return patient_id, await lifecycle.state_of(act, patient_id)


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


async def _publish(
    settler: Settler, household: Household, patient_id: UUID, index: int, *, is_told: bool
) -> dict[str, UUID]:
    """File what was written about a patient: in the story, on the day when it was. Gives the documents by key."""
    filed: dict[str, UUID] = {}
    turns: dict[tuple[Part, int], list[story.Written]] = {}
    for written in story.documents_of(settler.cast, household, index, is_first=is_told):
        days_ago = min(written.days_ago, _MOVED_IN - 1) if is_told else 0
        turns.setdefault((written.author, days_ago), []).append(written)
    for (author, days_ago), written_by_him in turns.items():
        then = settler.on(days_ago) if is_told else settler
        async with transaction(then.context(settler.professional(author))) as act:
            for written in written_by_him:
                at = day(settler.clock, written.days_ago)
                incoming = papers.written_document(settler.cast, settler.structures, household.patient, written, at)
                filed[written.key] = (await publishing.publish(act, patient_id, incoming)).document_id
    if is_told and index == 0:
        own = papers.own_document(settler.cast.tenant_id, household.patient, day(settler.clock, 5))
        async with transaction(settler.on(5).person(household.patient)) as act:
            await publishing.publish_own(act, patient_id, own)
    return filed


async def _relate(
    settler: Settler, then: Settler, household: Household, patient_id: UUID, index: int, team_id: UUID | None
) -> UUID | None:
    """Lay the patient's relations once, at that time; gives the team that his carers form."""
    async with transaction(settler.person(household.patient)) as act:
        held = await relations.authorizations(act, patient_id)
    if held.relations:
        return UUID(held.team_consents[0].subject.removeprefix("team:")) if held.team_consents else team_id
    if team_id is None:
        team_id = await _team(then)
    if household.mother is not None:
        key = settler.key(household.mother)
        proof = "livret de famille présenté"
        minor = representation.RepresentationBasis.MINOR
        async with transaction(then.operator()) as act:
            await representation.declare_representative(act, patient_id, key, basis=minor, proof=proof)
    async with transaction(then.person(household.patient)) as act:
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
        await attending.declare_attending_physician(act, patient_id, settler.cast.professionals[Part.GP].rpps)
    return team_id


async def _team(settler: Settler) -> UUID:
    async with transaction(settler.context(settler.professional(Part.ONCOLOGIST))) as act:
        leader = settler.cast.professionals[Part.ONCOLOGIST]
        team_id = await care_teams.create_care_team(act, "Équipe de sénologie", establishment=leader.finess)
        for part in _TEAM:
            await care_teams.add_care_team_member(act, team_id, settler.cast.professionals[part].rpps)
    return team_id
