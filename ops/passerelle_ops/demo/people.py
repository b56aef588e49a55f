"""Invented people: professionals with RPPS numbers of a test range, patients with test INS whose keys are right.

Everything is drawn from a seed of the network's name, so that two machines have the same region. No number can
be a real person's: the RPPS numbers begin with 8997, the INS stand under the test OID and in a commune that
does not exist.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from importlib.resources import files
from random import Random
from typing import Final

from stdnum import luhn

from passerelle.identities.ins import NIR_TEST, Ins

PEOPLE_SEED: Final = "passerelle-demo-1"
_NO_COMMUNE: Final = 990
_FIRST_RELATIVE: Final = 500
_STORY_FAMILY: Final = "Valmont"
_STORY_CASE: Final = "jeanne-18"  # a carcinoma of the breast, in the corpus


class Part(StrEnum):
    """What a professional does in the region. Each network has one of each."""

    GP = "médecin traitant"
    ONCOLOGIST = "oncologue"
    SURGEON = "chirurgien"
    RADIOLOGIST = "radiologue"
    PHARMACIST = "pharmacienne"
    NEIGHBOUR_PHARMACIST = "pharmacien d’une autre officine"
    DUTY_PHARMACIST = "pharmacienne de garde"
    NURSE = "infirmière"
    DENTIST = "chirurgien-dentiste"
    MIDWIFE = "sage-femme"
    PHYSIOTHERAPIST = "masseur-kinésithérapeute"
    SOCIAL_WORKER = "assistante sociale"
    SECRETARY = "secrétaire médicale"
    BLOCKED = "médecin bloqué par la patiente"
    OUTSIDER = "médecin sans lien avec la patiente"


# Where the work is done: types of place of JDV_J02.
_HOSPITAL: Final = "SA01"
_OWN_PRACTICE: Final = "SA07"
PHARMACY: Final = "SA33"
# Profession (TRE_G15, TRE_R94, TRE_R85), savoir-faire (TRE_R38), and place.
_WORK: Final[dict[Part, tuple[str, str | None, str]]] = {
    Part.GP: ("10", "SM54", _OWN_PRACTICE),
    Part.ONCOLOGIST: ("10", "SM36", _HOSPITAL),
    Part.SURGEON: ("10", "SM14", _HOSPITAL),
    Part.RADIOLOGIST: ("10", "SM44", _HOSPITAL),
    Part.PHARMACIST: ("21", None, PHARMACY),
    Part.NURSE: ("60", None, _HOSPITAL),
    Part.DENTIST: ("40", None, _OWN_PRACTICE),
    Part.MIDWIFE: ("50", None, _HOSPITAL),
    Part.PHYSIOTHERAPIST: ("70", None, _OWN_PRACTICE),
    Part.SOCIAL_WORKER: ("41", None, _HOSPITAL),
    Part.SECRETARY: ("331", None, _HOSPITAL),
    Part.BLOCKED: ("10", "SM54", _OWN_PRACTICE),
    Part.OUTSIDER: ("10", "SM54", _OWN_PRACTICE),
    Part.NEIGHBOUR_PHARMACIST: ("21", None, PHARMACY),
    Part.DUTY_PHARMACIST: ("21", None, PHARMACY),
}
#: They came later, and are drawn apart, so that everyone else stays who he was.
_CAME_LATER: Final = (Part.NEIGHBOUR_PHARMACIST, Part.DUTY_PHARMACIST)
_WOMEN_PARTS: Final = frozenset(
    {
        *(Part.RADIOLOGIST, Part.PHARMACIST, Part.DUTY_PHARMACIST, Part.NURSE, Part.MIDWIFE, Part.SOCIAL_WORKER),
        Part.SECRETARY,
    }
)
_DOCTORS: Final = frozenset(
    {Part.GP, Part.ONCOLOGIST, Part.SURGEON, Part.RADIOLOGIST, Part.DENTIST, Part.BLOCKED, Part.OUTSIDER}
)

_NAMES: Final = tomllib.loads(files(__package__).joinpath("names.toml").read_text("utf-8"))
_FAMILY_NAMES: Final = tuple(_NAMES["families"])
_WOMEN: Final = tuple(_NAMES["women"])
_MEN: Final = tuple(_NAMES["men"])
# What the cast is called in the first network, which the printed commands and the tour use.
_CAST: Final[dict[Part, tuple[str, str]]] = {
    Part.GP: ("Claire", "Delmas"),
    Part.ONCOLOGIST: ("Antoine", "Vidal"),
    Part.SURGEON: ("Lucas", "Fabre"),
    Part.RADIOLOGIST: ("Salomé", "Ribaute"),
    Part.PHARMACIST: ("Sofia", "Belkacem"),
    Part.NURSE: ("Julie", "Castagné"),
    Part.DENTIST: ("Paul", "Rieux"),
    Part.MIDWIFE: ("Emma", "Sarda"),
    Part.PHYSIOTHERAPIST: ("Hugo", "Lacaze"),
    Part.SOCIAL_WORKER: ("Nadia", "Ferrand"),
    Part.SECRETARY: ("Martine", "Pujol"),
    Part.BLOCKED: ("Bernard", "Galy"),
    Part.OUTSIDER: ("Inès", "Marty"),
    Part.NEIGHBOUR_PHARMACIST: ("Marc", "Teyssier"),
    Part.DUTY_PHARMACIST: ("Lise", "Combes"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoProfessional:
    """A professional of the demo; `finess` is empty for a practice of his own, `sector` the type of the place."""

    part: Part
    rpps: str
    family_name: str
    given_name: str
    profession: str
    specialty: str | None
    finess: str
    sector: str

    @property
    def name(self) -> str:
        """As people say it: doctors are given their title."""
        title = "Dr " if self.part in _DOCTORS else ""
        return f"{title}{self.given_name} {self.family_name}"

    @property
    def handle(self) -> str:
        """What `passerelle token professional` takes beside an RPPS number."""
        return self.family_name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPerson:
    """A patient or a representative of the demo."""

    ins: Ins
    family_name: str
    given_name: str
    birth_date: str
    sex: str
    birth_place: str

    @property
    def name(self) -> str:
        return f"{self.given_name} {self.family_name}"

    @property
    def handle(self) -> str:
        """What `passerelle token person` takes beside an INS."""
        return self.given_name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Household:
    """A patient, with the mother who represents him when he is a minor, his guardian, or his heir once he died."""

    patient: DemoPerson
    mother: DemoPerson | None = None
    guardian: DemoPerson | None = None
    heir: DemoPerson | None = None

    @property
    def people(self) -> tuple[DemoPerson, ...]:
        """The patient, then whoever belongs to him."""
        others = (self.mother, self.guardian, self.heir)
        return (self.patient, *(each for each in others if each is not None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Everyone of one network. In the first network, the first households are those that the story is about."""

    tenant_id: str
    professionals: dict[Part, DemoProfessional]
    households: tuple[Household, ...]

    @property
    def patient(self) -> DemoPerson:
        """The patient of the story."""
        return self.households[0].patient

    def case_of(self, person: DemoPerson) -> str:
        """The seed of what a patient suffers from: the same case in all that hospitals write about him."""
        return _STORY_CASE if person.family_name == _STORY_FAMILY else f"{self.tenant_id}/{person.ins.value}"

    def household(self, given_name: str) -> Household:
        """The household of a patient of the story. Refused: LookupError when there is none of that name."""
        for each in self.households:
            if each.patient.given_name == given_name:
                return each
        raise LookupError(given_name)

    @property
    def pharmacies(self) -> dict[str, str]:
        """The invented pharmacies: FINESS numbers and names."""
        return {each.finess: f"Pharmacie {each.family_name}" for each in self.in_pharmacies}

    @property
    def in_pharmacies(self) -> list[DemoProfessional]:
        """Whoever works in one."""
        return [each for each in self.professionals.values() if each.sector == PHARMACY]

    @property
    def child(self) -> Household:
        """The first minor and his mother."""
        return next(each for each in self.households if each.mother is not None)


def cast_of(tenant_id: str, establishments: Sequence[str], *, patients: int = 44, is_first: bool = False) -> Cast:
    """Everyone of a network whose hospitals have these FINESS numbers; `is_first` gives them the story's names."""
    draw = Random(f"{PEOPLE_SEED}/{tenant_id}")  # noqa: S311 - invented people, not secrets
    number = sum(ord(letter) for letter in tenant_id) % 100
    apart = Random(f"{PEOPLE_SEED}/{tenant_id}/pharmacies")  # noqa: S311
    families = draw.sample(_FAMILY_NAMES, len(_WORK) - len(_CAME_LATER))
    families += apart.sample([each for each in _FAMILY_NAMES if each not in families], len(_CAME_LATER))
    professionals = {}
    for index, (part, (profession, specialty, sector)) in enumerate(_WORK.items()):
        own = apart if part in _CAME_LATER else draw
        invented = (own.choice(_WOMEN if part in _WOMEN_PARTS else _MEN), families[index])
        given, family = _CAST[part] if is_first else invented
        base = f"8997{number:02d}{index:04d}"
        professionals[part] = DemoProfessional(
            part=part,
            rpps=base + luhn.calc_check_digit(base),
            family_name=family,
            given_name=given,
            profession=profession,
            specialty=specialty,
            finess=_finess(number, index, sector, establishments[0]),
            sector=sector,
        )
    told = _told(number) if is_first else ()
    drawn = [_household(draw, number, index) for index in range(len(told), patients)]
    households = [*told, *drawn]
    return Cast(tenant_id=tenant_id, professionals=professionals, households=tuple(households))


def _finess(network: int, order: int, sector: str, hospital: str) -> str:
    """Where someone works. No real number begins with 99: it is no département."""
    if sector == PHARMACY:
        base = f"99{network:02d}{order:04d}"
        return base + luhn.calc_check_digit(base)
    return hospital if sector == _HOSPITAL else ""


def _told(network: int) -> tuple[Household, ...]:
    """Those whom the story is about, in the order of `story.STORIES`; they are there however few patients are asked."""

    def patient(index: int, given: str, family: str, sex: str, born: date) -> DemoPerson:
        return _person(network, index, given, family, sex, born)

    def relative(index: int, given: str, family: str, sex: str, born: date) -> DemoPerson:
        return _person(network, _FIRST_RELATIVE + index, given, family, sex, born)

    return (
        Household(patient=patient(0, "Jeanne", _STORY_FAMILY, "F", date(1957, 3, 14))),
        Household(
            patient=patient(1, "Noé", "Rouvière", "M", date(2017, 9, 2)),
            mother=relative(1, "Camille", "Rouvière", "F", date(1988, 6, 21)),
        ),
        Household(patient=patient(2, "Suzanne", "Lagarde", "F", date(1949, 5, 8))),
        Household(patient=patient(3, "Karim", "Benali", "M", date(1968, 11, 23))),
        Household(
            patient=patient(4, "Colette", "Aufrère", "F", date(1941, 2, 12)),
            guardian=relative(4, "Hélène", "Aufrère", "F", date(1966, 7, 30)),
        ),
        Household(
            patient=patient(5, "Roger", "Marchal", "M", date(1938, 10, 4)),
            heir=relative(5, "Martin", "Marchal", "M", date(1970, 1, 15)),
        ),
    )


def _household(draw: Random, network: int, index: int) -> Household:
    family, sex = draw.choice(_FAMILY_NAMES), draw.choice("FM")
    given = draw.choice(_WOMEN if sex == "F" else _MEN)
    if index % 10 == 1:
        born = date(2012, 1, 1) + timedelta(days=draw.randrange(365 * 8))
        mother_born = born - timedelta(days=365 * draw.randrange(22, 40))
        return Household(
            patient=_person(network, index, given, family, sex, born),
            mother=_person(network, _FIRST_RELATIVE + index, draw.choice(_WOMEN), family, "F", mother_born),
        )
    born = date(1934, 1, 1) + timedelta(days=draw.randrange(365 * 68))
    return Household(patient=_person(network, index, given, family, sex, born))


def _person(network: int, order: int, given: str, family: str, sex: str, born: date) -> DemoPerson:
    commune = _NO_COMMUNE + network % 10
    first13 = f"{1 if sex == 'M' else 2}{born:%y%m}{network % 95 + 1:02d}{commune}{order + 1:03d}"
    key = 97 - int(first13) % 97
    return DemoPerson(
        ins=Ins(NIR_TEST, f"{first13}{key:02d}"),
        family_name=family,
        given_name=given,
        birth_date=f"{born:%Y%m%d}",
        sex=sex,
        birth_place=first13[5:10],
    )
