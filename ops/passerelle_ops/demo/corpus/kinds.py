"""The kinds of document that French practice shares most, each with the sections it is written in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from passerelle_ops.demo.corpus.cases import Case


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a narrative: its head and its rows."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = str | tuple[str, ...] | Table
"""A paragraph, a list, or a table."""


@dataclass(frozen=True, slots=True)
class Section:
    """A section: LOINC code, title, blocks."""

    code: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One type of JDV_J07 with the words, model and sections of its documents."""

    type_code: str
    label: str
    title: str
    sections: Callable[[Case], Sequence[Section]]
    template: str | None = None
    is_loinc: bool = True
    event: Callable[[Case], tuple[str, str] | None] = lambda _case: None
    """CCAM code and words of the act that is documented."""


def _history(case: Case) -> Section:
    return Section("11348-0", "Antécédents", (case.history,))


def _allergies(case: Case) -> Section:
    return Section("48765-2", "Allergies et intolérances", (case.allergies,))


def _treatments(case: Case, title: str = "Traitements en cours") -> Section:
    return Section("10160-0", title, (Table(("Médicament", "Dose", "Rythme"), case.treatments),))


def _results(case: Case) -> Section:
    table = Table(("Examen", "Résultat", "Unité", "Valeurs de référence"), case.results)
    return Section("30954-2", "Résultats d'examens", (table,))


def _problems(case: Case) -> Section:
    return Section("11450-4", "Problèmes actifs", ((f"{case.diagnosis} (CIM-10 : {case.icd10})",),))


def _plan(case: Case) -> Section:
    return Section("18776-5", "Suites à donner", (case.plan,))


def _reason(case: Case) -> Section:
    return Section("29299-5", "Motif", (case.reason + ".",))


def _summary(case: Case) -> Sequence[Section]:
    return (_problems(case), _history(case), _allergies(case), _treatments(case), _results(case), _plan(case))


def _stay(case: Case) -> Sequence[Section]:
    return (
        _reason(case),
        Section("8648-8", "Synthèse médicale du séjour", (f"{case.diagnosis}.", case.course)),
        _results(case),
        _allergies(case),
        _treatments(case, "Traitements à la sortie"),
        _plan(case),
    )


def _entry(case: Case) -> Sequence[Section]:
    return (_reason(case), _problems(case), _history(case), _allergies(case), _treatments(case))


def _imaging(case: Case) -> Sequence[Section]:
    _, examination, findings, conclusion = case.imaging
    return (
        Section("55115-0", "Demande d'examen", (case.reason + ".",)),
        Section("55111-9", "Technique", (examination + ".",)),
        Section("59776-5", "Résultats", (findings,)),
        Section("19005-8", "Conclusion", (conclusion,)),
    )


def _laboratory(case: Case) -> Sequence[Section]:
    table = Table(("Examen", "Résultat", "Unité", "Valeurs de référence"), case.results)
    return (
        Section("18719-5", "Biochimie et hématologie", (table,)),
        Section("48767-8", "Commentaire", ("Résultats validés par le biologiste, à confronter à la clinique.",)),
    )


def _operation(case: Case) -> Sequence[Section]:
    _, operation, report = case.act
    return (
        Section("10219-4", "Diagnostic préopératoire", (case.diagnosis + ".",)),
        Section("29554-3", "Intervention", (operation + ".", report)),
        Section("55109-3", "Anesthésie et suites immédiates", ("Sans incident. Transfert en salle de réveil.",)),
        Section("18776-5", "Consignes postopératoires", (case.plan,)),
    )


def _board(case: Case) -> Sequence[Section]:
    return (
        Section("29299-5", "Motif de présentation", ("Proposition thérapeutique initiale.",)),
        Section("11450-4", "Dossier présenté", (f"{case.diagnosis}.", case.imaging[3], case.course)),
        Section(
            "18776-5",
            "Avis de la réunion de concertation pluridisciplinaire",
            ("Quorum atteint : chirurgien, oncologue médical, radiothérapeute, anatomopathologiste.", case.plan),
        ),
    )


def _consultation(case: Case) -> Sequence[Section]:
    return (
        _reason(case),
        _history(case),
        Section("29545-1", "Examen clinique", ("État général conservé. Constantes stables. " + case.imaging[3],)),
        Section("51848-0", "Conclusion", (f"{case.diagnosis}.",)),
        _plan(case),
    )


def _prescription(case: Case) -> Sequence[Section]:
    return (_treatments(case, "Prescription de médicaments"),)


def _dispensed(case: Case) -> Sequence[Section]:
    return (_treatments(case, "Médicaments délivrés"),)


def _biology_order(case: Case) -> Sequence[Section]:
    return (Section("30954-2", "Examens demandés", (tuple(result[0] for result in case.results),)),)


def _nursing_order(case: Case) -> Sequence[Section]:
    return (Section("18776-5", "Actes infirmiers à domicile", (case.plan[:2],)),)


def _care_plan(case: Case) -> Sequence[Section]:
    return (_problems(case), Section("18776-5", "Programme personnalisé de soins", (case.plan,)), _treatments(case))


def _vaccinations(_case: Case) -> Sequence[Section]:
    table = Table(
        ("Vaccin", "Date", "Lot"),
        (
            ("Diphtérie, tétanos, poliomyélite", "12/03/2015", "T4471B"),
            ("Grippe saisonnière", "24/10/2025", "GR25118"),
            ("Rougeole, oreillons, rubéole", "03/06/2014", "R0090C"),
        ),
    )
    return (Section("11369-6", "Vaccinations", (table,)),)


def _pathology(case: Case) -> Sequence[Section]:
    return (
        Section("22636-5", "Renseignements cliniques", (case.diagnosis + ".",)),
        Section("22634-0", "Examen macroscopique", ("Pièce orientée de 62 x 48 x 30 mm, lésion ferme de 23 mm.",)),
        Section("22637-3", "Conclusion", (f"{case.diagnosis}. Marges saines, la plus proche à 6 mm.",)),
    )


def _emergency(case: Case) -> Sequence[Section]:
    return (_problems(case), _allergies(case), _treatments(case), Section("42348-3", "Directives", ("Non connues.",)))


def _psychiatry(_case: Case) -> Sequence[Section]:
    return (
        Section("29299-5", "Motif de suivi", ("Épisode dépressif d'intensité modérée, suivi depuis huit mois.",)),
        Section("51848-0", "Synthèse", ("Amélioration sous psychothérapie. Sommeil restauré, reprise du travail.",)),
    )


def _appointment(_case: Case) -> Sequence[Section]:
    return (Section("56446-8", "Rendez-vous", ("Consultation le mardi à 10 h 30, bâtiment B, premier étage.",)),)


def _examined(case: Case) -> tuple[str, str] | None:
    return (case.imaging[0], case.imaging[1]) if case.imaging[0] else None


def _operated(case: Case) -> tuple[str, str] | None:
    return (case.act[0], case.act[1]) if case.act[0] else None


_MODEL: Final = "1.2.250.1.213.1.1.1"

KINDS: Final[dict[str, Kind]] = {
    kind.type_code: kind
    for kind in (
        Kind(
            type_code="60591-5",
            label="Synthèse médicale",
            title="Volet de synthèse médicale",
            sections=_summary,
            template=f"{_MODEL}.13",
        ),
        Kind(
            type_code="11490-0",
            label="Lettre de liaison à la sortie d'un établissement de soins",
            title="Lettre de liaison à la sortie",
            sections=_stay,
            template=f"{_MODEL}.29",
        ),
        Kind(
            type_code="18761-7",
            label="Note de transfert (dont lettre de liaison à l'entrée en établissement de soins)",
            title="Lettre de liaison à l'entrée en établissement",
            sections=_entry,
            template=f"{_MODEL}.21",
        ),
        Kind(
            type_code="34112-3", label="CR hospitalier (séjour)", title="Compte rendu d'hospitalisation", sections=_stay
        ),
        Kind(
            type_code="18748-4",
            label="CR d'imagerie médicale",
            title="Compte rendu d'imagerie",
            sections=_imaging,
            template=f"{_MODEL}.45",
            event=_examined,
        ),
        Kind(
            type_code="11502-2",
            label="CR d'examens biologiques",
            title="Compte rendu d'examens biologiques",
            sections=_laboratory,
            template=f"{_MODEL}.55",
        ),
        Kind(
            type_code="34874-8",
            label="CR opératoire",
            title="Compte rendu opératoire",
            sections=_operation,
            event=_operated,
        ),
        Kind(
            type_code="34794-8",
            label="CR de réunion de concertation pluridisciplinaire",
            title="Fiche de réunion de concertation pluridisciplinaire",
            sections=_board,
            template=f"{_MODEL}.8",
        ),
        Kind(
            type_code="18776-5",
            label="Plan personnalisé de soins",
            title="Programme personnalisé de soins",
            sections=_care_plan,
            template=f"{_MODEL}.26",
        ),
        Kind(
            type_code="11488-4",
            label="CR ou fiche de consultation ou de visite",
            title="Compte rendu de consultation",
            sections=_consultation,
        ),
        Kind(
            type_code="57833-6",
            label="Prescription de produits de santé",
            title="Ordonnance de médicaments",
            sections=_prescription,
            template=f"{_MODEL}.39",
        ),
        Kind(
            type_code="60593-1",
            label="Dispensation médicamenteuse",
            title="Dispensation de médicaments",
            sections=_dispensed,
            template=f"{_MODEL}.54",
        ),
        Kind(
            type_code="PRESC-BIO",
            label="Prescription d'actes de biologie médicale",
            title="Ordonnance d'examens de biologie",
            sections=_biology_order,
            is_loinc=False,
        ),
        Kind(
            type_code="PRESC-INF",
            label="Prescription d'actes infirmiers",
            title="Ordonnance de soins infirmiers",
            sections=_nursing_order,
            is_loinc=False,
        ),
        Kind(
            type_code="11369-6",
            label="Historique des vaccinations",
            title="Historique des vaccinations",
            sections=_vaccinations,
            template=f"{_MODEL}.37",
        ),
        Kind(
            type_code="11526-1",
            label="CR d'anatomie et de cytologie pathologiques",
            title="Compte rendu d'anatomopathologie",
            sections=_pathology,
        ),
        Kind(
            type_code="74207-2",
            label="Document de liaison d'urgence",
            title="Dossier de liaison d'urgence",
            sections=_emergency,
            template=f"{_MODEL}.22",
        ),
        Kind(type_code="68599-0", label="Synthèse psychiatrique", title="Synthèse psychiatrique", sections=_psychiatry),
        Kind(
            type_code="56446-8",
            label="Notification de rendez-vous",
            title="Convocation à une consultation",
            sections=_appointment,
        ),
    )
}
"""By type code. 56446-8 is exchanged (JDV_J07) and not taken by a DMP (ASS_X16)."""

SHARED: Final = tuple(code for code in KINDS if code != "56446-8")
"""The types among them that a DMP takes."""
