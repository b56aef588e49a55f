"""What the journal tells the patient, and what closing a record changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from passerelle_ops.demo import story
from passerelle_ops.demo.people import Part
from passerelle_ops.demo.tour.step import REFUSED, Step, count, name_of
from passerelle_ops.demo.visit import CLOSE, JOURNAL, REOPEN, Visit

_LOOKUPS_AT_MOST: Final = 80


def trace(visit: Visit) -> list[Step]:
    """The journal of a record."""
    jeanne = visit.cast.patient

    def line(part: Part, *, allowed: bool, software: bool = False) -> Callable[[Visit], str]:
        name = name_of(visit, part).removeprefix("Dr ")

        def look(v: Visit) -> str:
            found = any(
                each["actor"]["name"] == name
                and each["allowed"] is allowed
                and (not software or bool(each["actor"]["software"]))
                for each in v.journal(jeanne)
            )
            return "au journal" if found else "absent du journal"

        return look

    def reading_others(v: Visit) -> str:
        return v.ask(v.token(Part.OUTSIDER), JOURNAL, {"id": v.patient_id(jeanne)}).said()

    def too_many(v: Visit) -> str:
        token = v.token(Part.DENTIST)
        for _ in range(_LOOKUPS_AT_MOST):
            answer = v.look_up(token, jeanne.ins)
            if answer.code is not None:
                return str(answer.code)
        return f"{_LOOKUPS_AT_MOST} recherches sans limite"

    gp, outsider = name_of(visit, Part.GP), name_of(visit, Part.OUTSIDER)
    return [
        Step("L’accès du médecin traitant", jeanne.name, f"journal : {gp}", "au journal", line(Part.GP, allowed=True)),
        Step(
            "Le refus du médecin sans lien",
            jeanne.name,
            f"journal : {outsider}",
            "au journal",
            line(Part.OUTSIDER, allowed=False),
        ),
        Step(
            "Le logiciel est nommé",
            jeanne.name,
            "journal : DossiMed",
            "au journal",
            line(Part.ONCOLOGIST, allowed=True, software=True),
        ),
        Step("Le journal d’autrui", outsider, f"le journal de {jeanne.name}", REFUSED, reading_others),
        Step(
            "Feuilleter les patients",
            name_of(visit, Part.DENTIST),
            "recherches répétées",
            "PATIENT_LOOKUP_TOO_MANY",
            too_many,
        ),
    ]


def life(visit: Visit) -> list[Step]:
    """A record is closed and opened again."""
    jeanne = visit.cast.patient

    def act(mutation: str) -> Callable[[Visit], str]:
        def do(v: Visit) -> str:
            answer = v.ask(v.token(jeanne), mutation, {"id": v.patient_id(jeanne)})
            return answer.said(str(answer.first.get("state")))

        return do

    return [
        Step("La patiente ferme son dossier", jeanne.name, "closeDossier", "CLOSED", act(CLOSE)),
        Step(
            "… il ne sert plus personne",
            name_of(visit, Part.GP),
            "le dossier fermé",
            "refusé (DOSSIER_NOT_OPEN)",
            count(Part.GP, jeanne),
        ),
        Step("Elle le rouvre", jeanne.name, "reopenDossier", "OPEN", act(REOPEN)),
        Step(
            "… il est comme avant",
            name_of(visit, Part.GP),
            "le dossier rouvert",
            f"{story.ATTENDING_SEES} documents",
            count(Part.GP, jeanne),
        ),
    ]
