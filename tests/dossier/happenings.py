"""Everything that may happen to a record, and the real accesses in between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from hypothesis import strategies as st
from sqlalchemy import select

from passerelle.audit.tables import journal
from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import (
    care_teams,
    death,
    documents,
    emergencies,
    hindsight,
    lifecycle,
    objections,
    reading,
    relations,
    team_consents,
    visibility,
    withholding,
)
from passerelle.dossier.representation import RepresentationBasis, declare_representative
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import legal_day
from passerelle.kernel.errors import Conflict, InvalidInput, Refused
from passerelle_policies.vocabulary import Mode
from tests.builders import NURSE, World, ins_of, operator, professional
from tests.builders import document as incoming

ACTS = (
    "authorize", "authorize_for_a_week", "withdraw", "block", "unblock", "consent", "withdraw_consent", "publish",
    "publish_hidden", "mask", "unmask", "hide", "show", "hide_from_representatives", "delete", "close", "reopen",
    "suspend", "resume", "break_the_glass", "object", "withdraw_objection", "withhold", "lift", "add_to_team",
    "remove_from_team", "die",
)  # fmt: skip
ON_A_DOCUMENT: dict[str, Callable[[Act, UUID], Awaitable[Any]]] = {
    "mask": visibility.mask,
    "unmask": visibility.unmask,
    "hide": visibility.hide_from_patient,
    "show": partial(visibility.show_to_patient, confirmed=True),
    "hide_from_representatives": visibility.hide_from_representatives,
    "delete": visibility.delete,
}
WHO = ("patient", "representative", "doctor", "nurse", "author")


@dataclass
class Probe:
    """One real access, as it was answered and as the journal tells it."""

    at: datetime
    actor: Actor
    mode: Mode
    document_id: UUID | None
    line: Any


class Region:
    """A patient, those around him, and everything that may happen to his record."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.doctor, self.nurse, self.author = professional(), professional(NURSE), professional()
        self.representative = world.person(ins_of(90_001))
        self.documents: list[UUID] = []

    async def settle(self) -> None:
        born = legal_day(self.world.clock).year - 10
        self.patient_id, self.person = await self.world.patient(born=f"{born}0302")
        async with transaction(self.world.context(self.nurse)) as act:
            self.team_id = await care_teams.create_care_team(act, "Équipe d'essai")
        async with transaction(self.world.context(operator())) as act:
            await declare_representative(
                act,
                self.patient_id,
                self.representative.id,
                basis=RepresentationBasis.MINOR,
                proof="livret de famille",
            )

    def who(self, name: str) -> Actor:
        return {
            "patient": self.person,
            "representative": self.representative,
            "doctor": self.doctor,
            "nurse": self.nurse,
            "author": self.author,
        }[name]

    async def happens(self, what: str, about: Actor, number: int) -> None:
        """An act by whoever may do it; it may well be refused."""
        try:
            await self._done(what, about, self.documents[number % len(self.documents)] if self.documents else uuid4())
        except (Refused, Conflict, InvalidInput):
            return

    async def _done(self, what: str, about: Actor, document_id: UUID) -> None:
        if what in {"publish", "publish_hidden", "publish_another_s"}:
            author = professional() if what == "publish_another_s" else self.author
            paper = incoming(author=author, hidden_from_patient=what == "publish_hidden")
            self.documents.append(await self.world.publish(self.patient_id, paper))
            return
        mode = Mode.BREAK_GLASS if what == "break_the_glass" else Mode.NORMAL
        by = about if what == "break_the_glass" else self._by(what)
        async with transaction(self.world.context(by, mode=mode)) as act:
            if what in ON_A_DOCUMENT:
                await ON_A_DOCUMENT[what](act, document_id)
            else:
                await self._acts(act, about, document_id)[what]()

    def _acts(self, act: Act, about: Actor, document_id: UUID) -> dict[str, Callable[[], Awaitable[Any]]]:
        patient_id, now = self.patient_id, act.now
        return {
            "authorize": lambda: relations.authorize(act, patient_id, about.id),
            "authorize_for_a_week": lambda: relations.authorize(
                act, patient_id, about.id, until=now + timedelta(days=7)
            ),
            "withdraw": lambda: relations.withdraw_authorization(act, patient_id, about.id),
            "block": lambda: relations.block_professional(act, patient_id, about.id),
            "unblock": lambda: relations.unblock_professional(act, patient_id, about.id),
            "consent": lambda: team_consents.consent_to_team(
                act, patient_id, self.team_id, informed_how=team_consents.InformedHow.INTERVIEW, proof="signé"
            ),
            "withdraw_consent": lambda: team_consents.withdraw_team_consent(act, patient_id, self.team_id),
            "close": lambda: lifecycle.close(act, patient_id),
            "reopen": lambda: lifecycle.reopen(act, patient_id, proof="lettre"),
            "suspend": lambda: lifecycle.suspend(act, patient_id, reason="fraude"),
            "resume": lambda: lifecycle.resume(act, patient_id, reason="vérifié"),
            "break_the_glass": lambda: emergencies.break_the_glass(act, patient_id, reason="inconscient"),
            "object": lambda: objections.object_to_emergencies(act, patient_id),
            "withdraw_objection": lambda: objections.withdraw_objection(act, patient_id),
            "withhold": lambda: withholding.withhold(act, document_id, about.id),
            "lift": lambda: withholding.lift(act, document_id, about.id),
            "add_to_team": lambda: care_teams.add_care_team_member(act, self.team_id, about.id),
            "remove_from_team": lambda: care_teams.remove_care_team_member(act, self.team_id, about.id),
            "die": lambda: death.declare(
                act, patient_id, on=legal_day(self.world.clock) - timedelta(days=3), proof="acte de décès"
            ),
        }

    def _by(self, what: str) -> Actor:
        if what in {"hide", "show", "hide_from_representatives", "delete"}:
            return self.author
        if what in {"add_to_team", "remove_from_team"}:
            return self.nurse
        if what in {"suspend", "resume", "die"}:
            return operator()
        return self.person

    async def probes(self, actor: Actor, mode: Mode, document_id: UUID | None) -> Probe:
        """A real access now."""
        context = self.world.context(actor, mode=mode)
        try:
            if document_id is None:
                await reading.open_dossier(context, self.patient_id)
            else:
                await documents.read_document(context, document_id)
        except Refused:
            pass
        async with self.world.tenant.database.transaction() as connection:
            newest = select(journal).where(journal.c.request_id == context.request_id)
            line = (await connection.execute(newest)).one()
        return Probe(at=context.clock.now(), actor=actor, mode=mode, document_id=document_id, line=line)

    def wanted(self, probe: Probe, **more: Any) -> hindsight.Wanted:
        return hindsight.Wanted(
            patient_id=self.patient_id,
            actor=probe.actor,
            known_from=hindsight.KnownFrom.NOT_NEEDED,
            document_id=probe.document_id,
            mode=probe.mode,
            **{"start": probe.at, **more},
        )


steps = st.lists(
    st.tuples(
        st.sampled_from([*ACTS, *ON_A_DOCUMENT, "publish", "authorize"]),
        st.sampled_from(("doctor", "nurse", "author")),
        st.integers(0, 5),
        st.sampled_from((timedelta(seconds=1), timedelta(hours=3), timedelta(days=2), timedelta(days=20))),
        st.sampled_from(WHO),
        st.sampled_from((Mode.NORMAL, Mode.NORMAL, Mode.BREAK_GLASS, Mode.REGULATION_CENTRE)),
        st.booleans(),
    ),
    min_size=6,
    max_size=16,
)
