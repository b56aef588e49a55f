"""Where a world is played: one patient's record in a real tenant, every step through its use case, by its actor.

What the rules refuse is not done, and the play goes on. The oracle is told of what was accepted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import (
    announcements,
    attending,
    care_teams,
    documents,
    emergencies,
    lifecycle,
    objections,
    publishing,
    relations,
    representation,
    team_consents,
    visibility,
    withholding,
)
from passerelle.dossier.formats.submission import (
    RPPS_DOMAIN,
    Author,
    DocumentMetadata,
    IncomingDocument,
    PatientIdentity,
)
from passerelle.identities import patients
from passerelle.identities.ins import NIR_TEST, IdentityStatus, Ins
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import SetClock
from passerelle.kernel.context import Context, Tenant
from passerelle.kernel.directory import Directory, KnownPractice
from passerelle.kernel.errors import PasserelleError, TryLater
from passerelle.kernel.hl7_time import Hl7Time
from passerelle_ops.bench._oracle import Oracle
from passerelle_ops.bench._worlds import BORN, CAST, CITIZENS, PROFESSIONALS, Paper, Step
from passerelle_policies.vocabulary import ActorKind, Mode, Purpose

FINESS: Final = "310783055"
_ADULT: Final = representation.RepresentationBasis.GUARDIANSHIP
_MINOR: Final = representation.RepresentationBasis.MINOR
#: RPPS numbers of invented professionals begin with 99900.
RPPS: Final = {name: f"99900{800_001 + number}" for number, name in enumerate(PROFESSIONALS)}


def ins_of(world: int, citizen: str) -> Ins:
    """A test INS of its own for each citizen of each world; its key is right."""
    month, order = divmod(world * len(CITIZENS) + CITIZENS.index(citizen), 100_000)
    first = f"2{80 + month // 99:02d}{month % 99 + 1:02d}99{order // 1000:03d}{order % 1000:03d}"
    return Ins(NIR_TEST, f"{first}{97 - int(first) % 97:02d}")


@dataclass(frozen=True, slots=True)
class _Known:
    name: str
    profession: str
    family_name: str = "ESSAI"
    given_name: str = "Dominique"
    specialty: str | None = None
    is_active: bool = True

    def practices_in(self, _: str, /) -> tuple[KnownPractice, ...]:
        return ()


class WholeCast:
    """A directory that knows the professionals of the cast, and no establishment."""

    async def professional(self, rpps: str, /) -> _Known | None:
        name = next((each for each, number in RPPS.items() if number == rpps), None)
        return _Known(name, CAST[name].profession or "") if name else None

    async def establishment(self, _: str, /) -> None:
        return None


class Stage:
    """One record and its people; `world` tells it from the others of the tenant."""

    def __init__(
        self,
        tenant: Tenant,
        clock: SetClock,
        world: int,
        born: str,
        directory: Directory | None = None,
        before: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.tenant, self.clock, self.world, self.born = tenant, clock, world, born
        self.directory: Directory = directory or WholeCast()
        self.oracle = Oracle(born, clock.now())
        self.patient_id = UUID(int=0)
        self.documents: dict[int, UUID] = {}
        self.unique_ids: dict[int, str] = {}
        self._teams: dict[int, UUID] = {}
        self._filed = self._founded = self._turns = 0
        self._before = before
        self.refusal: str | None = None
        """Why the last step was not done."""

    def actor(self, name: str) -> Actor:
        """Someone of the cast."""
        kind, profession = CAST[name].kind, CAST[name].profession
        if kind is ActorKind.PROFESSIONAL:
            return Actor(kind=kind, id=RPPS[name], name=f"Dominique {name.upper()}", profession=profession)
        if kind is ActorKind.PERSON:
            ins = ins_of(self.world, name)
            return Actor(kind=kind, id=self.tenant.keys.person_key(ins.oid, ins.value), name="Alix ESSAI")
        if kind is ActorKind.ESTABLISHMENT:
            return Actor(kind=kind, id=FINESS, name="Hôpital d'essai", establishment=FINESS)
        return Actor(kind=kind, id="essai", name="Exploitant d'essai")

    def context(self, name: str, mode: Mode = Mode.NORMAL) -> Context:
        """A request of someone of the cast."""
        return Context(
            tenant=self.tenant,
            actor=self.actor(name),
            clock=self.clock,
            request_id=uuid4().hex,
            mode=mode,
            purpose=Purpose.CARE,
            directory=self.directory,
        )

    async def begin(self) -> None:
        """Register the citizens, whom the door lets in only then, and open the patient's record."""
        self._before(f"{self.world}/begin")
        ins = ins_of(self.world, "patient")
        traits = patients.Traits(family_name="ESSAI", given_names=("Alix",), birth_date=self.born, sex="F")
        async with transaction(self.context("hospital")) as act:
            self.patient_id = await patients.register(act, [ins], traits, IdentityStatus.QUALIFIED, source="essai")
            for other in ("parent", "stranger"):
                ins, grown = ins_of(self.world, other), replace(traits, birth_date=BORN[0])
                await patients.register(act, [ins], grown, IdentityStatus.QUALIFIED, source="essai")
        async with transaction(self.context("patient")) as act:
            await lifecycle.open_(act, self.patient_id, basis=lifecycle.Basis.CONSENT, proof="signé")

    async def play(self, step: Step, key: str | None = None) -> bool:
        """Let someone try; whether it was done. `key` is what the ids that it draws are drawn from."""
        # What is refused takes its number too, so that every step means the same whatever became of the others.
        filed, founded = self._filed, self._founded
        self._filed += step.verb in {"publish", "replace"}
        self._founded += step.verb == "found_team"
        number = founded if step.verb == "found_team" else filed
        # The same step may come twice in one world: each has its turn, which both twins count alike.
        self._turns += key is None
        self._before(f"{self.world}/{key or f'{step}{number}/{self._turns}'}")
        if step.verb == "wait":
            self.clock.advance(timedelta(minutes=step.minutes))
            self.oracle.now = self.clock.now()
            return True
        self.refusal = None
        try:
            await self._do(step, number)
        except TryLater:  # no rule says so: a world in which a component is away proves nothing
            raise
        except (PasserelleError, KeyError) as refused:  # KeyError: a document or a team that never came to be
            self.refusal = repr(refused)
            return False
        self.oracle.now = self.clock.now()
        self.oracle.accepted(step, number)
        return True

    async def _do(self, step: Step, number: int) -> None:
        if step.verb == "announce":
            await announcements.announce(self.context("operator"))
            return
        if step.verb == "read":
            await documents.read_document(self.context(step.by), self.documents[step.which])
            return
        mode = Mode.BREAK_GLASS if step.verb == "break_glass" else Mode.NORMAL
        async with transaction(self.context(step.by, mode)) as act:
            if step.verb in {"publish", "replace"}:
                self.documents[number] = await self._file(act, step, number)
            elif step.verb == "found_team":
                self._teams[number] = await care_teams.create_care_team(act, "Équipe d'essai")
            elif step.verb in _ON_DOCUMENTS:
                await _ON_DOCUMENTS[step.verb](act, self.documents[step.which])
            elif step.verb in _KEEPING:
                await _KEEPING[step.verb](act, self.documents[step.which], RPPS[step.whom])
            elif step.verb in _ABOUT:
                await _ABOUT[step.verb](act, self.patient_id, RPPS[step.whom])
            else:
                await getattr(self, f"_{step.verb}")(act, step)

    async def _file(self, act: Act, step: Step, number: int) -> UUID:
        paper = step.paper
        assert paper is not None  # noqa: S101 - every such step has one
        unique_id = f"2.25.{self.world * 1000 + number + 1}"
        replaces = self.unique_ids[step.which] if step.verb == "replace" else None
        incoming = _incoming(paper, unique_id, replaces, self.clock, by_hospital=step.by == "hospital")
        published = await publishing.publish(act, self.patient_id, incoming)
        self.unique_ids[number] = unique_id
        return published.document_id

    async def _authorize(self, act: Act, step: Step) -> None:
        until = act.now + timedelta(days=step.days) if step.days is not None else None
        await relations.authorize(act, self.patient_id, RPPS[step.whom], until=until)

    async def _represent(self, act: Act, step: Step) -> None:
        basis = _MINOR if self.clock.now() < self.oracle.of_age else _ADULT
        person_key = self.actor(step.whom).id
        await representation.declare_representative(act, self.patient_id, person_key, basis=basis, proof="livret")

    async def _end_representation(self, act: Act, step: Step) -> None:
        await representation.end_representation(act, self.patient_id, self.actor(step.whom).id)

    async def _join(self, act: Act, step: Step) -> None:
        await care_teams.add_care_team_member(act, self._teams[step.which], RPPS[step.whom])

    async def _leave(self, act: Act, step: Step) -> None:
        await care_teams.remove_care_team_member(act, self._teams[step.which], RPPS[step.whom])

    async def _consent(self, act: Act, step: Step) -> None:
        until = act.now + timedelta(days=step.days) if step.days is not None else None
        how, team = team_consents.InformedHow.INTERVIEW, self._teams[step.which]
        await team_consents.consent_to_team(act, self.patient_id, team, informed_how=how, proof="signé", until=until)

    async def _withdraw_consent(self, act: Act, step: Step) -> None:
        await team_consents.withdraw_team_consent(act, self.patient_id, self._teams[step.which])

    async def _break_glass(self, act: Act, _: Step) -> None:
        await emergencies.break_the_glass(act, self.patient_id, "Patient inconscient")

    async def _end_emergency(self, act: Act, _: Step) -> None:
        await emergencies.end_emergency(act, self.patient_id)

    async def _object(self, act: Act, _: Step) -> None:
        await objections.object_to_emergencies(act, self.patient_id)

    async def _withdraw_objection(self, act: Act, _: Step) -> None:
        await objections.withdraw_objection(act, self.patient_id)

    async def _close(self, act: Act, _: Step) -> None:
        await lifecycle.close(act, self.patient_id)

    async def _reopen(self, act: Act, _: Step) -> None:
        await lifecycle.reopen(act, self.patient_id, proof="signé")

    async def _suspend(self, act: Act, _: Step) -> None:
        await lifecycle.suspend(act, self.patient_id, reason="fraude")

    async def _resume(self, act: Act, _: Step) -> None:
        await lifecycle.resume(act, self.patient_id, reason="levée")


async def _show_to_patient(act: Act, document_id: UUID) -> object:
    return await visibility.show_to_patient(act, document_id, confirmed=True)


async def _show_to_representatives(act: Act, document_id: UUID) -> object:
    return await visibility.show_to_representatives(act, document_id, confirmed=True)


_ON_DOCUMENTS: Final[dict[str, Callable[[Act, UUID], Awaitable[object]]]] = {
    "mask": visibility.mask,
    "unmask": visibility.unmask,
    "hide_from_patient": visibility.hide_from_patient,
    "show_to_patient": _show_to_patient,
    "hide_from_representatives": visibility.hide_from_representatives,
    "show_to_representatives": _show_to_representatives,
    "archive": visibility.archive,
    "unarchive": visibility.unarchive,
    "delete": visibility.delete,
}
_KEEPING: Final[dict[str, Callable[[Act, UUID, str], Awaitable[object]]]] = {
    "withhold": withholding.withhold,
    "lift": withholding.lift,
}
_ABOUT: Final[dict[str, Callable[[Act, UUID, str], Awaitable[object]]]] = {
    "withdraw_authorization": relations.withdraw_authorization,
    "attend": attending.declare_attending_physician,
    "end_attending": attending.end_attending_physician,
    "block": relations.block_professional,
    "unblock": relations.unblock_professional,
}


def _incoming(
    paper: Paper, unique_id: str, replaces: str | None, clock: SetClock, *, by_hospital: bool
) -> IncomingDocument:
    content = f"contenu de {unique_id}".encode()
    at = Hl7Time.parse(f"{clock.now() - timedelta(days=paper.days):%Y%m%d%H%M%S}+0000")
    return IncomingDocument(
        metadata=DocumentMetadata(
            unique_id=unique_id,
            replaces_unique_id=replaces,
            type_code=paper.type_code,
            mime_type="text/plain",
            title="Document d'essai",
            authors=(Author(kind="professional", id=RPPS[paper.author], id_oid=RPPS_DOMAIN, family_name="ESSAI"),),
            structure_id=FINESS if by_hospital else None,
            creation_time=at,
            service_start=at,
            patient=PatientIdentity(),
            masked=paper.masked,
            hidden_from_patient=paper.hidden_from_patient,
            hidden_from_representatives=paper.hidden_from_representatives,
        ),
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
    )
