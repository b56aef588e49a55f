"""The header of a plan that is issued: whose it is, who hands it out, which version it is.

What an earlier hand wrote into the draft (who cares for the patient, where the board met) stays, but for whom the
patient keeps out. Source: CI-SIS, volets Structuration minimale and CANCER-PPS.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from passerelle.audit.transactions import Act
from passerelle.dossier.blocking import blocked_subjects
from passerelle.identities import patients
from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle.oncology import header as cda
from passerelle.oncology.coded import Id, Moment, Organisation, Participation, Time
from passerelle.oncology.people import People, instant, patient_of
from passerelle.oncology.plan_versions import Plan
from passerelle.oncology.sheet_header import ATTENDING_ROLE, attending_physician, named, subject_of


def document_id(plan_id: UUID, version: int) -> Id:
    """The identifier of the document that a version becomes."""
    return Id(root=named(plan_id, f"version/{version}"))


def set_id(plan_id: UUID) -> Id:
    """What all versions of a plan have in common."""
    return Id(root=named(plan_id, "set"))


async def draft_header(act: Act, patient_id: UUID, plan_id: UUID, title: str) -> cda.Header:
    """The header of a plan that is begun by hand. Refused: PATIENT_UNKNOWN, PLACE_MISSING."""
    known = await patients.by_id(act, patient_id)
    if known is None:
        raise Conflict("PATIENT_UNKNOWN")
    people = People(act)
    place = await _place(act, people)
    at = instant(act.now)
    attending = await attending_physician(act, patient_id)
    cares = [await people.participant("INF", attending, place, ATTENDING_ROLE)] if attending else []
    return cda.Header(
        id=document_id(plan_id, 1),
        set_id=set_id(plan_id),
        version=1,
        title=title,
        created=Moment(value=at),
        patient=patient_of(known),
        authors=(await people.who("author", act.context.actor.subject, place, time=Time(value=at)),),
        custodian=Organisation(ids=place.ids, name=place.name),
        participants=tuple(cares),
        encounter=_encounter(at, place),
    )


async def issued_header(act: Act, plan: Plan, kept: cda.Header) -> cda.Header:
    """The header under which the actor issues a version. Refused: as `draft_header`."""
    fresh = await draft_header(act, plan.patient_id, plan.plan_id, kept.title or "")
    kept_out = await blocked_subjects(act, plan.patient_id, act.now)
    author = fresh.authors[0]
    at = fresh.created.value if fresh.created else None
    performer = replace(author, part="performer", type_code="PRF", time=None)
    before: tuple[cda.Related, ...] = ()
    if plan.version > 1:
        before = (cda.Related(type_code="RPLC", ids=(document_id(plan.plan_id, plan.version - 1),)),)
    return replace(
        kept,
        id=document_id(plan.plan_id, plan.version),
        set_id=fresh.set_id,
        version=plan.version,
        created=fresh.created,
        patient=fresh.patient,
        authors=fresh.authors,
        custodian=fresh.custodian,
        legal_authenticator=replace(author, part="legalAuthenticator", signature="S"),
        participants=tuple(each for each in kept.participants if not _is_out(each, kept_out)),
        acts=(cda.Act(time=Time(low=Moment(value=at)), performers=(performer,)),),
        related=(*(each for each in kept.related if each.type_code != "RPLC"), *before),
        encounter=fresh.encounter,
    )


def _is_out(participation: Participation, kept_out: frozenset[str]) -> bool:
    return subject_of(participation) in kept_out


def _encounter(at: str, place: Organisation) -> cda.Encounter:
    facility = Organisation(ids=place.ids, code=place.code, name=place.name, addresses=place.addresses)
    return cda.Encounter(time=Time(low=Moment(value=at)), facility=facility)


async def _place(act: Act, people: People) -> Organisation:
    """Where the actor acts: the establishment that he acts for, else where the directory has him in practice."""
    actor, context = act.context.actor, act.context
    finess = actor.establishment
    if finess is None:
        known = await context.directory.professional(actor.id)
        practices = {each.finess for each in known.practices_in(context.tenant.id) if each.finess} if known else set()
        finess = min(practices, default=None)
    if finess is None:
        raise InvalidInput("PLACE_MISSING")
    return await people.establishment(finess)
