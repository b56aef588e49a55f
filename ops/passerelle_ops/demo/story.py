"""What was written about whom: the documents of the region's story, and those of everyone else.

The story is Jeanne Valmont's, treated for a cancer in the first network, and that of five neighbours: each lives one
more rule of the texts. What everyone may see is told here by hand, from the legal texts and not from the program: the
guided tour compares the two. What happened to them day by day is in `happenings`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final
from uuid import NAMESPACE_OID, uuid5

from passerelle_ops.demo.people import PEOPLE_SEED, Cast, DemoPerson, Household, Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One document of the demo. `key` names it within its patient; `replaces` is the key of the one before;
    `words` are its text, in place of what the corpus would write; `allergies` what it tells of beside."""

    key: str
    type_code: str
    title: str
    author: Part
    days_ago: int
    is_masked: bool = False
    hidden_from_patient: bool = False
    hidden_from_representatives: bool = False
    replaces: str | None = None
    words: str | None = None
    allergies: tuple[str, ...] = ()


JEANNE: Final = (
    Written(
        key="synthese-2019",
        type_code="34133-9",
        title="Synthèse d’épisode de soins",
        author=Part.BLOCKED,
        days_ago=2_400,
    ),
    Written(
        key="mammographie", type_code="18748-4", title="Mammographie bilatérale", author=Part.RADIOLOGIST, days_ago=75
    ),
    Written(key="biologie", type_code="11502-2", title="Bilan biologique", author=Part.ONCOLOGIST, days_ago=60),
    Written(key="operation", type_code="34874-8", title="Compte rendu opératoire", author=Part.SURGEON, days_ago=50),
    Written(
        key="sortie",
        type_code="11490-0",
        title="Lettre de liaison à la sortie",
        author=Part.SURGEON,
        days_ago=45,
        allergies=("Pénicillines",),
    ),
    Written(key="rcp", type_code="34794-8", title="Fiche RCP de sénologie", author=Part.ONCOLOGIST, days_ago=40),
    Written(key="pps-1", type_code="18776-5", title="Plan personnalisé de soins", author=Part.ONCOLOGIST, days_ago=35),
    Written(
        key="pps-2",
        type_code="18776-5",
        title="Plan personnalisé de soins, révisé",
        author=Part.ONCOLOGIST,
        days_ago=30,
        replaces="pps-1",
    ),
    Written(key="psychologie", type_code="83901-9", title="Bilan psychologique", author=Part.ONCOLOGIST, days_ago=28),
    Written(
        key="oncogenetique",
        type_code="11488-4",
        title="Consultation d’oncogénétique",
        author=Part.ONCOLOGIST,
        days_ago=25,
        is_masked=True,
        words="Consultation d’oncogénétique. Recherche de variant proposée, arbre familial établi.",
    ),
    Written(key="consultation", type_code="11488-4", title="Consultation de suivi", author=Part.GP, days_ago=20),
    Written(key="ordonnance", type_code="57833-6", title="Ordonnance", author=Part.GP, days_ago=20),
    Written(key="dispensation", type_code="60593-1", title="Dispensation", author=Part.PHARMACIST, days_ago=18),
    Written(key="soins", type_code="11506-3", title="Suivi infirmier", author=Part.NURSE, days_ago=15),
    Written(
        key="social", type_code="28653-4", title="Évaluation sociale à domicile", author=Part.SOCIAL_WORKER, days_ago=10
    ),
    Written(
        key="tep",
        type_code="18748-4",
        title="TEP-scanner de contrôle",
        author=Part.ONCOLOGIST,
        days_ago=3,
        hidden_from_patient=True,
        words="Foyer hypermétabolique hépatique unique, à confronter à une IRM. À annoncer en consultation.",
    ),
)
NOE: Final = (
    Written(key="vaccin", type_code="87273-9", title="Vaccination", author=Part.GP, days_ago=120),
    Written(key="consultation", type_code="11488-4", title="Consultation", author=Part.GP, days_ago=30),
    Written(
        key="confidence",
        type_code="11488-4",
        title="Consultation confidentielle",
        author=Part.GP,
        days_ago=12,
        hidden_from_representatives=True,
    ),
)
SUZANNE: Final = (
    Written(key="consultation", type_code="11488-4", title="Consultation", author=Part.GP, days_ago=60),
    Written(
        key="irm",
        type_code="18748-4",
        title="IRM cérébrale",
        author=Part.ONCOLOGIST,
        days_ago=33,
        hidden_from_patient=True,
        words="Lésion frontale droite de 18 mm. À annoncer en consultation.",
    ),
    Written(
        key="biopsie",
        type_code="11526-1",
        title="Biopsie stéréotaxique",
        author=Part.ONCOLOGIST,
        days_ago=15,
        hidden_from_patient=True,
        words="Aspect évocateur d’une métastase. À annoncer en consultation.",
    ),
)
KARIM: Final = (
    Written(key="rcp", type_code="34794-8", title="Fiche RCP d’urologie", author=Part.ONCOLOGIST, days_ago=45),
    Written(key="consultation", type_code="11488-4", title="Consultation", author=Part.GP, days_ago=30),
)
COLETTE: Final = (
    Written(key="consultation", type_code="11488-4", title="Consultation", author=Part.GP, days_ago=50),
    Written(key="soins", type_code="11506-3", title="Suivi infirmier", author=Part.NURSE, days_ago=12),
)
ROGER: Final = (
    Written(key="operation", type_code="34874-8", title="Compte rendu opératoire", author=Part.SURGEON, days_ago=70),
    Written(
        key="confidence",
        type_code="11488-4",
        title="Consultation d’addictologie",
        author=Part.ONCOLOGIST,
        days_ago=60,
        is_masked=True,
    ),
    Written(key="sortie", type_code="11490-0", title="Lettre de liaison à la sortie", author=Part.SURGEON, days_ago=55),
)
STORIES: Final = (JEANNE, NOE, SUZANNE, KARIM, COLETTE, ROGER)
KEPT_FROM_SURGEON: Final = "psychologie"

# Of Jeanne's documents that are current and within the default window of 24 months, 14 come from her carers and one
# from herself. Masked to all but its author and herself (R.1111-49): the consultation of oncogenetics. Not yet shown
# to her (R.1111-53): the PET scan. Not open to nurses and pharmacists (the matrix): the psychological assessment,
# which Jeanne keeps from her surgeon (L.1111-19). In an emergency a physician reads what is not masked (R.1111-48).
JEANNE_SEES: Final = 14
ATTENDING_SEES: Final = 14
ATTENDING_SEES_EVER: Final = 15
ONCOLOGIST_SEES: Final = 15
NURSE_SEES: Final = 13
PHARMACIST_SEES: Final = 13
SOCIAL_WORKER_SEES: Final = 1
RADIOLOGIST_SEES: Final = 1
SURGEON_SEES: Final = 13
EMERGENCY_SEES: Final = 14
MOTHER_SEES: Final = 2
# Her MRI was hidden more than a month ago and is hers to read; her biopsy, two weeks ago: she is told to see a doctor.
SUZANNE_SEES: Final = 2
SUZANNE_S_DOCTOR_SEES: Final = 3
# His team reads nothing more once he withdrew his consent to it (L.1110-4 III); each author keeps his own.
KARIM_S_ONCOLOGIST_SEES: Final = 1
# A protected adult reads her record, and so does her guardian (Code civil, art. 459; L.1111-7).
GUARDIAN_SEES: Final = 2
# Of the three that Roger left, his heir takes away what he had masked from nobody (L.1110-4 V).
HEIR_TAKES: Final = 2
# All that Jeanne may see, of any age: what she added herself, the version that was replaced, what she had masked.
JEANNE_TAKES: Final = 16

_ORDINARY: Final = (
    ("11488-4", "Consultation", Part.GP),
    ("57833-6", "Ordonnance", Part.GP),
    ("11502-2", "Bilan biologique", Part.ONCOLOGIST),
    ("18748-4", "Radiographie", Part.RADIOLOGIST),
    ("11490-0", "Lettre de liaison à la sortie", Part.SURGEON),
    ("34794-8", "Fiche RCP", Part.ONCOLOGIST),
    ("34874-8", "Compte rendu opératoire", Part.SURGEON),
    ("60593-1", "Dispensation", Part.PHARMACIST),
    ("11506-3", "Suivi infirmier", Part.NURSE),
    ("87273-9", "Vaccination", Part.GP),
)


def documents_of(cast: Cast, household: Household, index: int, *, is_first: bool) -> tuple[Written, ...]:
    """What was written about one patient, oldest first."""
    if is_first and index < len(STORIES):
        return STORIES[index]
    return tuple(_ordinary(Random(f"{PEOPLE_SEED}/{cast.tenant_id}/{household.patient.ins.value}")))  # noqa: S311


def _ordinary(draw: Random) -> Iterator[Written]:
    ages = sorted((draw.randrange(5, 1_100) for _ in range(draw.randrange(1, 5))), reverse=True)
    for index, days_ago in enumerate(ages):
        type_code, title, author = draw.choice(_ORDINARY)
        yield Written(
            key=f"{index}",
            type_code=type_code,
            title=title,
            author=author,
            days_ago=days_ago,
            is_masked=draw.random() < 0.06,
        )


def unique_id(tenant_id: str, person: DemoPerson, key: str) -> str:
    """The producer's identifier of a document: the same on every machine, and it tells nothing of the patient."""
    return f"2.25.{uuid5(NAMESPACE_OID, f'{PEOPLE_SEED}/{tenant_id}/{person.ins.value}/{key}').int}"
