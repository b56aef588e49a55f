"""The specialties that a quorum counts by, and what the directory says of a professional's.

`specialties.csv` gives, for codes of TRE_R38, the words that whoever bears the code may sit under, the usual one first.
A physician whose code is not in it, or who has none, sits under the word that is said for him.
"""

from __future__ import annotations

import csv
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Final

from passerelle.kernel.directory import KnownProfessional
from passerelle.kernel.errors import InvalidInput
from passerelle_policies.roles import role_of
from passerelle_policies.vocabulary import ActorKind, Role


class Specialty(StrEnum):
    SURGEON = "surgeon"
    MEDICAL_ONCOLOGIST = "medical_oncologist"
    RADIOTHERAPIST = "radiotherapist"
    PATHOLOGIST = "pathologist"
    RADIOLOGIST = "radiologist"
    NUCLEAR_PHYSICIAN = "nuclear_physician"
    ORGAN_SPECIALIST = "organ_specialist"
    HAEMATOLOGIST = "haematologist"
    PAEDIATRICIAN = "paediatrician"
    PAEDIATRIC_ONCOLOGIST = "paediatric_oncologist"
    GERIATRICIAN = "geriatrician"
    GENETICIST = "geneticist"
    PALLIATIVE_PHYSICIAN = "palliative_physician"
    INTERNIST = "internist"
    ANAESTHETIST = "anaesthetist"
    BIOLOGIST = "biologist"
    GENERAL_PRACTITIONER = "general_practitioner"
    OTHER_PHYSICIAN = "other_physician"
    PHARMACIST = "pharmacist"
    DENTIST = "dentist"
    NURSE = "nurse"
    PSYCHOLOGIST = "psychologist"
    OTHER_PROFESSIONAL = "other_professional"


_PSYCHOLOGIST: Final = "93"
_OF_ROLE: Final = {
    Role.PHARMACIST: Specialty.PHARMACIST,
    Role.DENTIST: Specialty.DENTIST,
    Role.NURSE: Specialty.NURSE,
}
PHYSICIANS: Final = frozenset(Specialty) - {
    *_OF_ROLE.values(),
    Specialty.PSYCHOLOGIST,
    Specialty.OTHER_PROFESSIONAL,
}
"""Those that a quorum counts: it is made of physicians."""


def settled(known: KnownProfessional, said: Specialty | None) -> Specialty:
    """The word that he sits under: what is said for him, or what the directory says.

    Refused: SPECIALTY_NOT_HIS for a word that the directory contradicts, SPECIALTY_MISSING where neither says one.
    """
    his = _words_of(known)
    if said is None:
        if not his:
            raise InvalidInput("SPECIALTY_MISSING")
        return his[0]
    if said not in (his or PHYSICIANS):
        raise InvalidInput("SPECIALTY_NOT_HIS")
    return said


def _words_of(known: KnownProfessional) -> tuple[Specialty, ...]:
    """The words that the directory allows; none where a physician's says nothing that we know."""
    role = role_of(known.profession, ActorKind.PROFESSIONAL)
    if role is Role.PHYSICIAN:
        return _by_code().get(known.specialty or "", ())
    other = Specialty.PSYCHOLOGIST if known.profession == _PSYCHOLOGIST else Specialty.OTHER_PROFESSIONAL
    return (_OF_ROLE.get(role, other),)


@cache
def _by_code() -> dict[str, tuple[Specialty, ...]]:
    with files(__package__).joinpath("specialties.csv").open(encoding="utf-8") as lines:
        return {row["code"]: tuple(map(Specialty, row["words"].split())) for row in csv.DictReader(lines)}
