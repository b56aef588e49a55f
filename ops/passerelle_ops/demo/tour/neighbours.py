"""The neighbours: an announcement in waiting, a consent withdrawn, a guardianship, a death."""

from __future__ import annotations

import time

from passerelle_ops.demo import story
from passerelle_ops.demo.people import DemoPerson, Part
from passerelle_ops.demo.tour.step import BEAT_SECONDS, REFUSED, Step, count, name_of
from passerelle_ops.demo.visit import Visit


def neighbours(visit: Visit) -> list[Step]:
    """What each may see of the records of Jeanne's neighbours."""
    suzanne, karim = visit.cast.household("Suzanne").patient, visit.cast.household("Karim").patient
    colette, roger = visit.cast.household("Colette"), visit.cast.household("Roger")
    guardian, heir = colette.guardian or colette.patient, roger.heir or roger.patient
    gp, oncologist = name_of(visit, Part.GP), name_of(visit, Part.ONCOLOGIST)
    return [
        *_announcement(visit, suzanne),
        Step(
            "Le consentement à l’équipe est retiré",
            name_of(visit, Part.NURSE),
            f"le dossier de {karim.name}",
            REFUSED,
            count(Part.NURSE, karim),
        ),
        Step(
            "… chacun garde ce dont il est l’auteur",
            oncologist,
            f"le dossier de {karim.name}",
            "1 document",
            count(Part.ONCOLOGIST, karim),
        ),
        Step(
            "La tutrice d’une majeure",
            guardian.name,
            f"le dossier de {colette.patient.name}",
            f"{story.GUARDIAN_SEES} documents",
            count(guardian, colette.patient),
        ),
        Step(
            "… qui lit aussi le sien",
            colette.patient.name,
            "son dossier",
            f"{story.GUARDIAN_SEES} documents",
            count(colette.patient, colette.patient),
        ),
        Step(
            "Le dossier d’un défunt",
            gp,
            f"le dossier de {roger.patient.name}",
            REFUSED,
            count(Part.GP, roger.patient),
        ),
        Step(
            "… son ayant droit ne l’ouvre pas",
            heir.name,
            f"le dossier de {roger.patient.name}",
            REFUSED,
            count(heir, roger.patient),
        ),
    ]


def _announcement(visit: Visit, suzanne: DemoPerson) -> list[Step]:
    def told(v: Visit) -> str:
        end = time.monotonic() + BEAT_SECONDS
        while True:
            kinds = {each["kind"] for each in v.notices(suzanne)}
            if {"ANNOUNCEMENT_DUE", "ANNOUNCEMENT_SHOWN"} <= kinds or time.monotonic() > end:
                return " et ".join(sorted(each for each in kinds if each.startswith("ANNOUNCEMENT")))
            time.sleep(0.5)

    def names_nothing(v: Visit) -> str:
        said = " ".join(each["sentence"] for each in v.notices(suzanne) if each["kind"].startswith("ANNOUNCEMENT"))
        named = [each.title for each in story.SUZANNE if each.title.split()[0] in said]
        return ", ".join(named) or "rien"

    return [
        Step(
            "Caché depuis un mois : montré ; depuis 15 jours : non",
            suzanne.name,
            "son dossier",
            f"{story.SUZANNE_SEES} documents",
            count(suzanne, suzanne),
        ),
        Step(
            "… son médecin lit tout",
            name_of(visit, Part.GP),
            f"le dossier de {suzanne.name}",
            f"{story.SUZANNE_S_DOCTOR_SEES} documents",
            count(Part.GP, suzanne),
        ),
        Step("La plateforme l’a avertie", suzanne.name, "ses avis", "ANNOUNCEMENT_DUE et ANNOUNCEMENT_SHOWN", told),
        Step("… sans nommer de document", suzanne.name, "ce que nomment ces avis", "rien", names_nothing),
    ]
