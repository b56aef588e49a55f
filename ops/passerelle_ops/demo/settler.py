"""One network while its people move in: who acts, and on which day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

from passerelle.identities.directory import Directory
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import PARIS, Clock, SetClock
from passerelle.kernel.context import Context, Tenant
from passerelle_ops.demo.people import Cast, DemoPerson, Part
from passerelle_policies.roles import setting_of
from passerelle_policies.vocabulary import ActorKind, Purpose


@dataclass(frozen=True, slots=True)
class Settler:
    """One network, at one time."""

    tenant: Tenant
    cast: Cast
    clock: Clock
    structures: Mapping[str, str]
    directory: Directory

    def on(self, days_ago: int, *, hour: int = 10) -> Settler:
        """The same network at that hour in Paris, so many days before today."""
        return replace(self, clock=SetClock(day(self.clock, days_ago).replace(hour=hour)))

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
            setting=setting_of(who.sector),
        )

    def key(self, person: DemoPerson) -> str:
        """How the network names a person without his INS."""
        return self.tenant.keys.person_key(person.ins.oid, person.ins.value)

    def person(self, person: DemoPerson) -> Context:
        """A patient, or who belongs to him, at his own request."""
        actor = Actor(kind=ActorKind.PERSON, id=self.key(person), name=person.name)
        return self.context(actor, Purpose.PATIENT_REQUEST)

    def operator(self) -> Context:
        """The operator, who has checked a proof."""
        actor = Actor(kind=ActorKind.SYSTEM, id="operator.demo", name="Exploitant")
        return self.context(actor, Purpose.ADMINISTRATION)

    def officer(self) -> Context:
        """The network's data-protection officer."""
        actor = Actor(kind=ActorKind.OFFICER, id=f"officer:{self.tenant.id}", name="Déléguée Protection")
        return self.context(actor, Purpose.ADMINISTRATION)


def day(clock: Clock, days_ago: int) -> datetime:
    """Nine in the morning in Paris, so many days ago."""
    then = clock.now().astimezone(PARIS) - timedelta(days=days_ago)
    return then.replace(hour=9, minute=0, second=0, microsecond=0)
