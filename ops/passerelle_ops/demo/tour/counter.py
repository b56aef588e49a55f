"""At the counter: the pharmacy record, what is wrong with a basket, and a recall from the authority and back."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from passerelle_ops.demo import counter
from passerelle_ops.demo.people import DemoPerson, Part
from passerelle_ops.demo.tour.step import BEAT_SECONDS, REFUSED, Step, name_of
from passerelle_ops.demo.visit import Answer, Visit

_AT_HOME, _NEIGHBOUR, _ON_DUTY = Part.PHARMACIST, Part.NEIGHBOUR_PHARMACIST, Part.DUTY_PHARMACIST
_FRENCH: Final = {
    "ALLERGY": "allergie",
    "INTERACTION": "interaction",
    "EARLY_RENEWAL": "renouvellement trop tôt",
    "SAME_SUBSTANCE": "même substance",
    "SAME_CLASS": "même classe",
}


def at_the_counter(visit: Visit) -> list[Step]:
    """What each may see of what was dispensed to Jeanne, and do."""
    jeanne, whose = visit.cast.patient, f"les dispensations de {visit.cast.patient.name}"
    in_sight = f"{counter.IN_THE_WINDOW} produits"

    def reads(who: Part | DemoPerson) -> Callable[[Visit], str]:
        def read(v: Visit) -> str:
            answer = _opened(v, who)
            return answer.said(f"{len(answer.first.get('edges') or ())} produits")

        return read

    def elsewhere(v: Visit) -> str:
        nodes = [each["node"] for each in _opened(v, _ON_DUTY).first["edges"]]
        return f"{len(nodes)} produits, {sum(each['dispensedHere'] for each in nodes)} d’ici"

    def beyond(v: Visit) -> str:
        seen = [each["node"]["label"] for each in _opened(v, _ON_DUTY).first["edges"]]
        return "oui" if any(each.startswith(counter.OUT_OF_THE_WINDOW) for each in seen) else "non"

    def attested(who: Part, operation: str, **given: str) -> Callable[[Visit], str]:
        return lambda v: v.do(v.token(who), operation, patientId=v.patient_id(jeanne), **given).said("constatée")

    def warned(v: Visit) -> str:
        v.do(v.token(_AT_HOME), "AttestPresence", patientId=v.patient_id(jeanne), shown="VITALE_CARD")
        answer = _checked(v)
        found = Counter(each["code"] for each in answer.first.get("findings") or ())
        told = [f"{found[code]} {_plural(words, found[code])}" for code, words in _FRENCH.items() if found[code]]
        return answer.said(", ".join(told))

    def passes_over(reason: str) -> Callable[[Visit], str]:
        def over(v: Visit) -> str:
            finding = next(each for each in _checked(v).first["findings"] if each["code"] == "EARLY_RENEWAL")
            said = {"finding": finding["key"], "code": finding["code"], "cip13s": [counter.TAMOXIFEN]}
            done = v.do(v.token(_AT_HOME), "OverrideCheck", patientId=v.patient_id(jeanne), **said, reason=reason)
            if done.code is not None:
                return done.said()
            again = next(each for each in _checked(v).first["findings"] if each["key"] == finding["key"])
            return "motif gardé" if (again["override"] or {}).get("reason") == reason else "motif perdu"

        return over

    home, on_duty = name_of(visit, _AT_HOME), name_of(visit, _ON_DUTY)
    return [
        Step("La patiente n’est pas au comptoir", name_of(visit, _NEIGHBOUR), whose, REFUSED, reads(_NEIGHBOUR)),
        Step(
            "Elle présente sa carte Vitale à la pharmacie de garde",
            on_duty,
            "attestPresence",
            "constatée",
            attested(_ON_DUTY, "AttestPresence", shown="VITALE_CARD"),
        ),
        Step("… où l’on voit ce que d’autres ont délivré", on_duty, whose, f"{in_sight}, 0 d’ici", elsewhere),
        Step("… sauf ce qui est sorti de sa fenêtre", on_duty, counter.OUT_OF_THE_WINDOW, "non", beyond),
        Step("Le médecin traitant ne le lit pas", name_of(visit, Part.GP), whose, REFUSED, reads(Part.GP)),
        Step(
            "Un établissement de santé constate la prise en charge",
            name_of(visit, Part.ONCOLOGIST),
            "attestCare",
            "constatée",
            attested(Part.ONCOLOGIST, "AttestCare", proof="admission en hôpital de jour"),
        ),
        Step("… et lit", name_of(visit, Part.ONCOLOGIST), whose, in_sight, reads(Part.ONCOLOGIST)),
        Step("La patiente aussi", jeanne.name, "ses dispensations", in_sight, reads(jeanne)),
        Step("Un panier de cinq produits est contrôlé", home, "dispensingChecks", counter.WARNINGS, warned),
        Step(
            "… passer outre demande un motif",
            home,
            "overrideCheck, sans motif",
            "refusé (CHECK_OVERRIDE_WITHOUT_REASON)",
            passes_over(" "),
        ),
        Step("… qui est gardé", home, "overrideCheck, motivé", "motif gardé", passes_over("départ en voyage")),
        *_recall(visit),
    ]


def _recall(visit: Visit) -> list[Step]:
    authority, home, jeanne = "l’autorité sanitaire", name_of(visit, _AT_HOME), visit.cast.patient
    reference = f"MED {uuid4().hex[:8]}"
    number = f"tour-{uuid4().hex[:12]}"
    said = {
        "level": "URGENT",
        "message": "Retirer le lot et joindre les patients.",
        "source": "Agence (démonstration)",
        "reference": reference,
        "cip13": counter.TAMOXIFEN,
        "batches": [counter.TAMOXIFEN_BATCH],
    }

    def overdue(v: Visit) -> str:
        recall = _received(v, _NEIGHBOUR, counter.RECALL_REFERENCE, "ESCALATED")
        return "relancé" if recall else "pas encore"

    def received(v: Visit) -> str:
        return "reçu" if _received(v, _AT_HOME, reference, "DELIVERED") else "rien"

    def the_recall(v: Visit) -> str:
        found = _received(v, _AT_HOME, reference)
        if found is None:
            raise LookupError("rappel absent")
        return str(found["id"])

    def dispenses(v: Visit) -> Answer:
        line = {"cip13": counter.PARACETAMOL, "quantity": "1"}
        sent = {"pharmacyNumber": number, "dispensedAt": datetime.now(UTC).isoformat(), "lines": [line]}
        return v.do(v.token(_AT_HOME), "RecordDispensation", patientId=v.patient_id(jeanne), dispensation=sent)

    def patients(v: Visit) -> str:
        found = v.do(v.token(_AT_HOME), "ConcernedPatients", recallId=the_recall(v))
        named = [f"{each['givenNames'][0]} {each['familyName']}" for each in found.first.get("nodes") or ()]
        return found.said(", ".join(named) or "personne")

    def acknowledges(v: Visit) -> str:
        v.do(v.token(_AT_HOME), "AcknowledgeRecall", id=the_recall(v))
        if (recorded := dispenses(v)).code is not None:
            return recorded.said()
        undone = {"pharmacyNumber": number, "reason": "essai de la visite"}
        cancelled = v.do(v.token(_AT_HOME), "CancelDispensation", patientId=v.patient_id(jeanne), **undone)
        return cancelled.said(f"délivré, {'annulé ensuite' if cancelled.first['status'] == 'CANCELLED' else '?'}")

    def followed(v: Visit) -> str:
        told = v.do(v.authority(), "RecallFollowUp", id=the_recall(v))
        v.do(v.authority(), "CloseRecall", id=the_recall(v))
        return told.said(f"{told.first.get('acknowledged')} accusé, {told.first.get('waiting')} en attente")

    return [
        Step(
            "Un rappel laissé sans réponse est relancé", name_of(visit, _NEIGHBOUR), "ses rappels", "relancé", overdue
        ),
        Step(
            "Un lot est rappelé",
            authority,
            "issueRecall",
            "émis",
            lambda v: v.do(v.authority(), "IssueRecall", recall=said).said("émis"),
        ),
        Step("… la pharmacie qui l’a délivré le reçoit", home, "ses rappels", "reçu", received),
        Step(
            "… et ne délivre plus",
            home,
            "recordDispensation",
            "refusé (RECALL_NOT_ACKNOWLEDGED)",
            lambda v: dispenses(v).said(),
        ),
        Step("… elle retrouve ses patients", home, "concernedPatients", jeanne.name, patients),
        Step("… en accuse réception", home, "acknowledgeRecall", "délivré, annulé ensuite", acknowledges),
        Step("… l’autorité le suit, puis le clôt", authority, "recallFollowUp", "1 accusé, 0 en attente", followed),
    ]


def _opened(visit: Visit, who: Part | DemoPerson) -> Answer:
    return visit.do(visit.token(who), "OpenPharmacyRecord", patientId=visit.patient_id(visit.cast.patient), first=50)


def _checked(visit: Visit) -> Answer:
    basket = [{"cip13": each} for each in counter.BASKET]
    patient_id = visit.patient_id(visit.cast.patient)
    return visit.do(visit.token(_AT_HOME), "CheckDispensing", patientId=patient_id, basket=basket)


def _received(visit: Visit, who: Part, reference: str, state: str | None = None) -> dict[str, Any] | None:
    """What a pharmacy received under a reference, once it has come to that state."""
    end = time.monotonic() + BEAT_SECONDS
    while True:
        for each in visit.do(visit.token(who), "Recalls", first=50).first.get("nodes") or ():
            if each["reference"] == reference and state in {None, each["state"]}:
                return dict(each)
        if time.monotonic() > end:
            return None
        time.sleep(0.5)


def _plural(words: str, count: int) -> str:
    first, _, rest = words.partition(" ")
    return f"{first}s {rest}".strip() if count > 1 else words
