"""A night in the emergency room: refused, told how, opened, shown, told of, examined, ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from passerelle_ops.demo import story
from passerelle_ops.demo.happenings import EMERGENCY_REASON
from passerelle_ops.demo.people import DemoPerson, Part
from passerelle_ops.demo.tour.step import REFUSED, Step, count, name_of
from passerelle_ops.demo.visit import BREAK_GLASS, Visit

_OUTSIDER: Final = Part.OUTSIDER


def emergency(visit: Visit) -> list[Step]:
    """Break-glass, from the refusal to the review."""
    jeanne, karim = visit.cast.patient, visit.cast.household("Karim").patient
    doctor, asked = name_of(visit, _OUTSIDER), f"le dossier de {visit.cast.patient.name}"

    def how(v: Visit) -> str:
        refusal = v.do(v.token(_OUTSIDER), "OpenDossier", patientId=v.patient_id(jeanne))
        ways = " ".join(refusal.first.get("howToGetAccess") or ())
        return refusal.said() + (", « brisez la glace »" if "brisez la glace" in ways else "")

    def by_mode_alone(v: Visit) -> str:
        return v.do(v.token(_OUTSIDER), "OpenDossier", mode=BREAK_GLASS, patientId=v.patient_id(jeanne)).said()

    def opened(v: Visit) -> str:
        seen = v.do(v.token(_OUTSIDER), "OpenDossier", mode=BREAK_GLASS, patientId=v.patient_id(jeanne))
        shown = ((seen.json.get("extensions") or {}).get("access") or {}).get("opened") or ()
        documents = (seen.first.get("documents") or {}).get("edges") or ()
        header = seen.response.headers.get("passerelle-mode")
        return f"{len(documents)} documents, {header}, {len(shown)} dossier ouvert"

    def ended(v: Visit) -> str:
        done = v.do(v.token(_OUTSIDER), "EndEmergency", mode=BREAK_GLASS, patientId=v.patient_id(jeanne))
        return done.said(f"{done.first.get('count')} accès terminé")

    return [
        Step("La refusée apprend comment entrer", doctor, asked, "refusé (ACCESS_REFUSED), « brisez la glace »", how),
        Step("Se dire en urgence ne suffit pas", doctor, f"{asked}, en urgence", REFUSED, by_mode_alone),
        Step("… ni sans motif", doctor, "breakTheGlass, sans motif", "refusé (REASON_MISSING)", _break(jeanne, " ")),
        Step("Elle brise la glace", doctor, "breakTheGlass, motivé", "ouvert", _break(jeanne)),
        Step(
            "… la réponse le dit",
            doctor,
            f"{asked}, en urgence",
            f"{story.EMERGENCY_SEES} documents, break_glass, 1 dossier ouvert",
            opened,
        ),
        *_told(visit, jeanne),
        Step("Elle y met fin", doctor, "endEmergency", "1 accès terminé", ended),
        Step("… la porte est refermée", doctor, f"{asked}, en urgence", REFUSED, by_mode_alone),
        Step(
            "Un patient s’y est opposé d’avance",
            doctor,
            f"breakTheGlass, {karim.name}",
            REFUSED,
            _break(karim),
        ),
        Step(
            "… son médecin traitant le lit toujours",
            name_of(visit, Part.GP),
            karim.name,
            "2 documents",
            count(Part.GP, karim),
        ),
    ]


def _break(person: DemoPerson, reason: str = EMERGENCY_REASON) -> Callable[[Visit], str]:
    def broken(v: Visit) -> str:
        given = {"patientId": v.patient_id(person), "reason": reason}
        return v.do(v.token(_OUTSIDER), "BreakTheGlass", mode=BREAK_GLASS, **given).said("ouvert")

    return broken


def _told(visit: Visit, jeanne: DemoPerson) -> list[Step]:
    """Who is told of it, and who examines it."""
    doctor = name_of(visit, _OUTSIDER).removeprefix("Dr ")

    def notice(who: Part | DemoPerson) -> Callable[[Visit], str]:
        def look(v: Visit) -> str:
            found = [each for each in v.notices(who) if each["kind"] == "BREAK_GLASS" and doctor in each["sentence"]]
            return "avertie" if len(found) > 1 else f"{len(found)} avis"

        return look

    def first_in_journal(v: Visit) -> str:
        journal = v.do(v.token(jeanne), "Journal", patientId=v.patient_id(jeanne), first=1).first
        newest = (journal.get("emergencies") or [{}])[0]
        named, why = (newest.get("actor") or {}).get("name"), newest.get("why") or ""
        return f"{named}, {'expliqué' if 'danger immédiat' in why else f'« {why} »'}"

    def waiting(v: Visit) -> list[dict[str, Any]]:
        queue = v.do(v.officer(), "EmergenciesToReview", first=20).first.get("nodes") or ()
        return [each["emergency"] for each in queue if each["emergency"]["patientId"] == v.patient_id(jeanne)]

    def queued(v: Visit) -> str:
        return ", ".join(sorted({each["name"] for each in waiting(v)})) or "rien"

    def reviewed(v: Visit) -> str:
        done = [v.do(v.officer(), "ReviewEmergency", id=each["id"], finding="JUSTIFIED") for each in waiting(v)]
        return ", ".join(sorted({each.said(str(each.first.get("finding"))) for each in done})) or "rien"

    def known_to_patient(v: Visit) -> str:
        held = v.do(v.token(jeanne), "EmergencyAccesses", patientId=v.patient_id(jeanne), first=20).first["nodes"]
        unseen = sum(each["finding"] is None for each in held)
        return f"{'tous' if len(held) > 1 else 'un seul'}, {unseen} sans examen"

    officer = "la déléguée à la protection des données"
    return [
        Step("… la patiente est avertie", jeanne.name, "ses avis", "avertie", notice(jeanne)),
        Step("… son médecin traitant aussi", name_of(visit, Part.GP), "ses avis", "avertie", notice(Part.GP)),
        Step("Les urgences d’abord, et pourquoi", jeanne.name, "son journal", f"{doctor}, expliqué", first_in_journal),
        Step("L’accès attend son examen", officer, "emergenciesToReview", doctor, queued),
        Step("… elle l’examine", officer, "reviewEmergency", "JUSTIFIED", reviewed),
        Step(
            "… la patiente voit chaque accès et son examen",
            jeanne.name,
            "emergencyAccesses",
            "tous, 0 sans examen",
            known_to_patient,
        ),
    ]
