"""Whom a verified token speaks of: a professional, a person, software that acts for a professional, an officer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from passerelle.identities.ins import Ins
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import Refused
from passerelle.kernel.keys import Keys
from passerelle_policies.vocabulary import ActorKind, Mode

STUDENT: Final = "E"
"""Étudiant, of TRE_R09-CategorieProfessionnelle (C: civil, M: militaire, E: étudiant)."""


class BearerKind(StrEnum):
    """What a token proves: an issuer may vouch for some of them only."""

    PROFESSIONAL = "professional"
    PERSON = "person"
    SOFTWARE = "software"
    OFFICER = "officer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One way in which a professional practises: a profession, in a structure.

    `profession` is a code of TRE_G15 (or of TRE_R94/R95), `specialty` of TRE_R38 and its neighbours,
    `finess` the site and `legal_finess` the entity it belongs to. Absent and empty claims are None.
    """

    profession: str | None = None
    category: str | None = None
    specialty: str | None = None
    role: str | None = None
    practice_mode: str | None = None
    sector: str | None = None
    finess: str | None = None
    legal_finess: str | None = None
    structure_name: str | None = None

    @property
    def structure(self) -> str | None:
        """The FINESS number of the site, or of the legal entity when the site has none."""
        return self.finess or self.legal_finess


@dataclass(frozen=True, slots=True, kw_only=True)
class Professional:
    """A professional as the issuer knows him. `rpps` is None for those whom the RPPS does not number."""

    national_id: str
    rpps: str | None
    family_name: str = field(repr=False)
    given_name: str = field(repr=False)
    activities: tuple[Activity, ...]
    may_regulate: bool = False

    @property
    def id(self) -> str:
        """The RPPS number, 11 digits; the national identifier as given for those who have none."""
        return self.rpps or self.national_id

    @property
    def name(self) -> str:
        return f"{self.given_name} {self.family_name}".strip()

    def activity(self, structure: str | None = None) -> Activity | None:
        """The activity in `structure` (FINESS), else the first with a structure, else the first.

        None when `structure` is given and no activity is there.
        """
        if structure is not None:
            return next((each for each in self.activities if structure in (each.finess, each.legal_finess)), None)
        return next((each for each in self.activities if each.structure), next(iter(self.activities), None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A citizen: a patient, or whoever represents one."""

    ins: Ins = field(repr=False)
    family_name: str = field(repr=False)
    given_name: str = field(repr=False)

    @property
    def name(self) -> str:
        return f"{self.given_name} {self.family_name}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Officer:
    """Who holds an office in one network: its data-protection officer (délégué à la protection des données), or a
    health authority (`office`)."""

    network: str
    office: ActorKind = ActorKind.OFFICER
    family_name: str = field(repr=False)
    given_name: str = field(repr=False)

    @property
    def name(self) -> str:
        return f"{self.given_name} {self.family_name}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Software:
    """A client that authenticated its user itself (indirect authentication) and acts from one structure."""

    id: str
    name: str
    version: str
    structure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """A verified token. A `software` bearer has both `software` and the `professional` that it names.

    `mode` is the access mode that the token itself asks for (VIHF); the others leave it normal.
    """

    kind: BearerKind
    issuer: str
    subject: str = field(repr=False)
    expires_at: datetime
    professional: Professional | None = None
    person: Person | None = None
    software: Software | None = None
    officer: Officer | None = None
    mode: Mode = Mode.NORMAL

    @property
    def acting_for(self) -> Professional | None:
        """The professional for whom a software client acts; None for the other kinds."""
        return self.professional if self.kind is BearerKind.SOFTWARE else None

    def actor(self, keys: Keys, structure: str | None = None) -> Actor:
        """Who asks, in the tenant that holds `keys`; `structure` chooses among a professional's activities.

        Refused: STRUCTURE_NOT_IN_TOKEN, when he practises nowhere near `structure`. A student's profession
        is not taken over, so that he has the rights of none (docs/decisions/0023).
        """
        if self.person is not None:
            if structure is not None:
                raise Refused("STRUCTURE_NOT_IN_TOKEN")
            person_key = keys.person_key(self.person.ins.oid, self.person.ins.value)
            return Actor(kind=ActorKind.PERSON, id=person_key, name=self.person.name)
        if self.officer is not None:
            if structure is not None:
                raise Refused("STRUCTURE_NOT_IN_TOKEN")
            return Actor(kind=self.officer.office, id=self.subject, name=self.officer.name)
        assert self.professional is not None  # noqa: S101 - `claims.bearer` builds no fourth form
        activity = self.professional.activity(structure)
        if structure is not None and activity is None:
            raise Refused("STRUCTURE_NOT_IN_TOKEN")
        activity = activity or Activity()
        is_student = activity.category == STUDENT
        return Actor(
            kind=ActorKind.PROFESSIONAL,
            id=self.professional.id,
            name=self.professional.name,
            profession=None if is_student else activity.profession,
            specialty=None if is_student else activity.specialty,
            establishment=activity.structure,
            software=self.software.id if self.software else None,
        )
