"""Invented people and documents, made through the use cases that production takes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from passerelle.audit.journal import Chosen, JournalLine
from passerelle.audit.transactions import transaction
from passerelle.dossier import lifecycle, publishing, relations, traces
from passerelle.dossier.formats.submission import (
    RPPS_DOMAIN,
    Author,
    DocumentMetadata,
    IncomingDocument,
    PatientIdentity,
)
from passerelle.identities import patients
from passerelle.identities.directory import Practice
from passerelle.identities.ins import NIR_TEST, IdentityStatus, Ins
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import SetClock
from passerelle.kernel.contents import Contents
from passerelle.kernel.context import Context, Tenant
from passerelle.kernel.database import Database
from passerelle.kernel.directory import Directory
from passerelle.kernel.hl7_time import Hl7Time
from passerelle.kernel.keys import Keys
from passerelle.notices import inbox
from passerelle_policies.vocabulary import ActorKind, Mode, Purpose, Setting

_numbers = count(1)

PHYSICIAN, PHARMACIST, NURSE, DENTIST = "10", "21", "60", "40"
INVENTED = "99900"  # RPPS numbers of invented professionals begin with this


@dataclass(frozen=True, slots=True)
class Invented:
    """The directory entry of an invented professional."""

    name: str
    profession: str
    is_active: bool = True
    specialty: str | None = None
    works_at: str = ""

    @property
    def family_name(self) -> str:
        return self.name

    @property
    def given_name(self) -> str:
        return ""

    def practices_in(self, _: str) -> tuple[Practice, ...]:
        return (Practice(tenant_id="essai", finess=self.works_at),) if self.works_at else ()


class InventedDirectory:
    """Knows whomever `professional` invented, and no establishment."""

    def __init__(self) -> None:
        self.professionals: dict[str, Invented] = {}

    async def professional(self, rpps: str) -> Invented | None:
        return self.professionals.get(rpps)

    async def establishment(self, finess: str) -> None:
        return None


DIRECTORY = InventedDirectory()


def ins_of(number: int) -> Ins:
    """A well-formed test INS with its right key: a woman born in 1980, the number being her order of birth."""
    first = f"28001990{number:05d}"
    return Ins(NIR_TEST, f"{first}{97 - int(first) % 97:02d}")


def professional(
    profession: str = PHYSICIAN,
    *,
    name: str = "Dr Essai",
    establishment: str | None = None,
    setting: Setting = Setting.NONE,
    specialty: str | None = None,
) -> Actor:
    rpps = f"{INVENTED}{next(_numbers):06d}"
    DIRECTORY.professionals[rpps] = Invented(name, profession, specialty=specialty, works_at=establishment or "")
    return Actor(
        kind=ActorKind.PROFESSIONAL,
        id=rpps,
        name=name,
        profession=profession,
        specialty=specialty,
        establishment=establishment,
        setting=setting,
    )


def at_the_counter(pharmacy: str | None = None) -> Actor:
    """A pharmacist of a community pharmacy, of another one each time unless told which."""
    pharmacy = pharmacy or f"3107{next(_numbers):05d}"
    return professional(PHARMACIST, name="Pharmacien Essai", establishment=pharmacy, setting=Setting.PHARMACY)


def in_hospital(profession: str = PHYSICIAN, establishment: str = "310783055") -> Actor:
    """A professional who acts from a health establishment."""
    return professional(profession, establishment=establishment, setting=Setting.HEALTH_ESTABLISHMENT)


def operator() -> Actor:
    """The network itself, at work."""
    return Actor(kind=ActorKind.SYSTEM, id="essai", name="Exploitant d'essai")


def structure(finess: str = "310783055") -> Actor:
    return Actor(kind=ActorKind.ESTABLISHMENT, id=finess, name="Hôpital d'essai", establishment=finess)


def document(
    *,
    author: Actor | None = None,
    type_code: str = "11488-4",
    title: str = "Compte rendu d'essai",
    at: str = "20261110093000+0100",
    content: bytes | None = None,
    unique_id: str | None = None,
    replaces: str | None = None,
    **more: Any,
) -> IncomingDocument:
    """A document as a reader would give it; its content is plain text."""
    unique_id = unique_id or f"2.25.{uuid4().int}"
    octets = content if content is not None else f"contenu de {unique_id}".encode()
    authors = (
        (Author(kind="professional", id=author.id, id_oid=RPPS_DOMAIN, family_name=author.name),) if author else ()
    )
    return IncomingDocument(
        metadata=DocumentMetadata(
            unique_id=unique_id,
            replaces_unique_id=replaces,
            type_code=type_code,
            mime_type="text/xml",
            title=title,
            authors=authors,
            structure_id="310783055",
            creation_time=Hl7Time.parse(at),
            service_start=Hl7Time.parse(at),
            patient=PatientIdentity(),
            **more,
        ),
        content=octets,
        sha256=hashlib.sha256(octets).hexdigest(),
    )


def network(database: Database, premises: Path, **more: Any) -> Tenant:
    """A test network over a database of its own; its contents and its keys lie below a folder."""
    return Tenant(
        id="essai",
        name="Réseau d'essai",
        is_test=True,
        database=database,
        contents=Contents((premises / "contents").as_uri()),
        keys=Keys.create(premises / "tenant.key"),
        **more,
    )


@dataclass(slots=True)
class World:
    """One tenant with a clock that stands still, and short ways to make things happen in it."""

    tenant: Tenant
    clock: SetClock
    feeder: Actor = field(default_factory=structure)
    directory: Directory = DIRECTORY

    def context(self, actor: Actor, *, mode: Mode = Mode.NORMAL, purpose: Purpose = Purpose.CARE) -> Context:
        return Context(
            tenant=self.tenant,
            actor=actor,
            clock=self.clock,
            request_id=uuid4().hex,
            mode=mode,
            purpose=purpose,
            directory=self.directory,
        )

    def person(self, ins: Ins, name: str = "Patiente Essai") -> Actor:
        return Actor(kind=ActorKind.PERSON, id=self.tenant.keys.person_key(ins.oid, ins.value), name=name)

    async def patient(
        self, ins: Ins | None = None, *, open_: bool = True, born: str = "19800115"
    ) -> tuple[UUID, Actor]:
        """A registered patient with a qualified identity and, unless told otherwise, an open record."""
        ins = ins or ins_of(next(_numbers))
        traits = patients.Traits(family_name=f"ESSAI{ins.value[8:13]}", given_names=("Alix",), birth_date=born, sex="F")
        async with transaction(self.context(self.feeder)) as act:
            patient_id = await patients.register(act, [ins], traits, IdentityStatus.QUALIFIED, source="builder")
        person = self.person(ins)
        if open_:
            async with transaction(self.context(person)) as act:
                await lifecycle.open_(act, patient_id, basis=lifecycle.Basis.CONSENT, proof="signé le jour même")
        return patient_id, person

    async def authorize(self, patient_id: UUID, person: Actor, doctor: Actor) -> None:
        async with transaction(self.context(person)) as act:
            await relations.authorize(act, patient_id, doctor.id)

    async def publish(self, patient_id: UUID, incoming: IncomingDocument, by: Actor | None = None) -> UUID:
        async with transaction(self.context(by or self.feeder)) as act:
            return (await publishing.publish(act, patient_id, incoming)).document_id

    async def journal(self, reader: Actor, patient_id: UUID) -> list[JournalLine]:
        """The newest lines of a record's journal as its reader has them; to read them writes one more."""
        async with transaction(self.context(reader)) as act:
            found = await traces.read_traces(act, patient_id, Chosen(), first=100)
        return [JournalLine(**{name: each[name] for name in JournalLine.__dataclass_fields__}) for each in found.lines]

    async def notices(self, who: Actor) -> list[str]:
        """The kinds of what waits in someone's inbox, newest first."""
        async with transaction(self.context(who)) as act:
            return [str(each.kind) for each in (await inbox.page(act, first=50)).notices]
