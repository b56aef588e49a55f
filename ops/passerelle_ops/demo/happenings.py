"""What happened to the people of the story before today, each thing on its day.

Everything is done by the use cases that production takes, under a clock that is put to that day: only its hands are
moved, and the journal says when each thing was done. What has happened does not happen again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final, TypeAlias
from uuid import UUID

from passerelle.audit.transactions import transaction
from passerelle.dossier import (
    access,
    death,
    emergencies,
    emergency_reviews,
    heirs,
    objections,
    relations,
    representation,
    team_consents,
    withholding,
)
from passerelle.kernel.clock import legal_day
from passerelle_ops.demo import story
from passerelle_ops.demo.board import meet
from passerelle_ops.demo.counter import at_the_counter
from passerelle_ops.demo.people import Household, Part
from passerelle_ops.demo.settler import Settler
from passerelle_policies.vocabulary import Action, Kind, Mode, Relation

EMERGENCY_REASON: Final = "Malaise à domicile, patiente inconsciente, traitement en cours inconnu"


Happening: TypeAlias = Callable[[Settler, Household, UUID, UUID], Awaitable[None]]


async def happen(
    settler: Settler, household: Household, patient_id: UUID, team_id: UUID, filed: Mapping[str, UUID]
) -> None:
    """What happened to one household of the story; `filed` gives its documents by their keys."""
    if household.patient == settler.cast.patient:
        await at_the_counter(settler, patient_id)
        await meet(settler, patient_id, filed)
        await _keep_from_surgeon(settler, household, filed[story.KEPT_FROM_SURGEON])
    for each in _HAPPENINGS.get(household.patient.given_name, ()):
        await each(settler, household, patient_id, team_id)


async def _keep_from_surgeon(settler: Settler, household: Household, document_id: UUID) -> None:
    surgeon = settler.cast.professionals[Part.SURGEON]
    async with transaction(settler.on(27).person(household.patient)) as act:
        await withholding.withhold(act, document_id, surgeon.rpps)


async def _emergency(settler: Settler, household: Household, patient_id: UUID, _team: UUID) -> None:
    """A night six days ago; the officer found it justified two days later."""
    async with transaction(settler.on(2).person(household.patient)) as act:
        if await emergencies.emergencies_of(act, patient_id, first=1):
            return
    then = settler.on(6, hour=3)
    async with transaction(replace(then.context(then.professional(Part.OUTSIDER)), mode=Mode.BREAK_GLASS)) as act:
        opened = await emergencies.break_the_glass(act, patient_id, EMERGENCY_REASON)
    async with transaction(settler.on(4).officer()) as act:
        await emergency_reviews.review_emergency(act, opened.access_id, emergency_reviews.Finding.JUSTIFIED)


async def _withdrawal_and_objection(settler: Settler, household: Household, patient_id: UUID, team: UUID) -> None:
    """He let the team in, changed his mind, and objected to any opening in an emergency."""
    async with transaction(settler.person(household.patient)) as act:
        await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.READ)
        if await objections.objecting_since(act, patient_id) is not None:
            return
    async with transaction(settler.on(46).person(household.patient)) as act:
        await team_consents.consent_to_team(
            act,
            patient_id,
            team,
            informed_how=team_consents.InformedHow.INTERVIEW,
            proof="formulaire signé, numérisé au dossier",
        )
    async with transaction(settler.on(10).person(household.patient)) as act:
        await team_consents.withdraw_team_consent(act, patient_id, team)
        await objections.object_to_emergencies(act, patient_id)


async def _guardianship(settler: Settler, household: Household, patient_id: UUID, _team: UUID) -> None:
    async with transaction(settler.person(household.patient)) as act:
        held = (await relations.authorizations(act, patient_id)).relations
    if household.guardian is None or any(each.what == Relation.REPRESENTATIVE for each in held):
        return
    async with transaction(settler.on(40).operator()) as act:
        await representation.declare_representative(
            act,
            patient_id,
            settler.key(household.guardian),
            basis=representation.RepresentationBasis.GUARDIANSHIP,
            proof="jugement de tutelle, copie certifiée",
        )


async def _death_and_heir(settler: Settler, household: Household, patient_id: UUID, _team: UUID) -> None:
    async with transaction(settler.on(15).operator()) as act:
        await death.declare(act, patient_id, on=legal_day(settler.on(20).clock), proof="acte de décès")
        if household.heir is not None:
            await heirs.declare_heir(
                act,
                patient_id,
                settler.key(household.heir),
                link=heirs.HeirLink.SUCCESSOR,
                motive=heirs.HeirMotive.CAUSE_OF_DEATH,
                proof="acte de notoriété",
            )


_HAPPENINGS: Final[dict[str, tuple[Happening, ...]]] = {
    "Jeanne": (_emergency,),
    "Karim": (_withdrawal_and_objection,),
    "Colette": (_guardianship,),
    "Roger": (_death_and_heir,),
}
