"""What each one sees of a record, and of its documents."""

from __future__ import annotations

from collections.abc import Callable

from passerelle_ops.demo import story
from passerelle_ops.demo.people import Part
from passerelle_ops.demo.tour.step import Step, count, name_of
from passerelle_ops.demo.visit import DOCUMENT, Visit, fingerprint


def record(visit: Visit) -> list[Step]:
    """Jeanne's record, opened by each of those around her."""
    jeanne, child = visit.cast.patient, visit.cast.child
    asked = f"le dossier de {jeanne.name}"

    def through_software(v: Visit) -> str:
        return v.document_count(v.desk.software(v.cast.professionals[Part.ONCOLOGIST]), jeanne)

    mother = child.mother or child.patient

    def found(v: Visit) -> str:
        answer = v.look_up(v.token(Part.GP), jeanne.ins)
        return answer.said("trouvée" if answer.first.get("id") == v.patient_id(jeanne) else "une autre")

    return [
        Step("Retrouver sa patiente", name_of(visit, Part.GP), "patient, par INS", "trouvée", found),
        Step(
            "Le médecin traitant",
            name_of(visit, Part.GP),
            asked,
            f"{story.ATTENDING_SEES} documents",
            count(Part.GP, jeanne),
        ),
        Step(
            "… sans limite de date",
            name_of(visit, Part.GP),
            asked,
            f"{story.ATTENDING_SEES_EVER} documents",
            count(Part.GP, jeanne, wholeHistory=True),
        ),
        Step(
            "L’équipe, sous consentement",
            name_of(visit, Part.ONCOLOGIST),
            asked,
            f"{story.ONCOLOGIST_SEES} documents",
            count(Part.ONCOLOGIST, jeanne),
        ),
        Step(
            "Son logiciel, en son nom",
            f"DossiMed pour {name_of(visit, Part.ONCOLOGIST)}",
            asked,
            f"{story.ONCOLOGIST_SEES} documents",
            through_software,
        ),
        Step(
            "Le chirurgien de l’équipe, à qui elle en garde un",
            name_of(visit, Part.SURGEON),
            asked,
            f"{story.SURGEON_SEES} documents",
            count(Part.SURGEON, jeanne),
        ),
        Step(
            "L’infirmière de l’équipe",
            name_of(visit, Part.NURSE),
            asked,
            f"{story.NURSE_SEES} documents",
            count(Part.NURSE, jeanne),
        ),
        Step(
            "La pharmacienne autorisée",
            name_of(visit, Part.PHARMACIST),
            asked,
            f"{story.PHARMACIST_SEES} documents",
            count(Part.PHARMACIST, jeanne),
        ),
        Step(
            "Le champ social",
            name_of(visit, Part.SOCIAL_WORKER),
            asked,
            "1 document",
            count(Part.SOCIAL_WORKER, jeanne),
        ),
        Step("L’auteur seul", name_of(visit, Part.RADIOLOGIST), asked, "1 document", count(Part.RADIOLOGIST, jeanne)),
        Step(
            "La patiente",
            jeanne.name,
            "son dossier",
            f"{story.JEANNE_SEES} documents",
            count(jeanne, jeanne),
        ),
        Step(
            "La mère d’un mineur",
            mother.name,
            f"le dossier de {child.patient.name}",
            f"{story.MOTHER_SEES} documents",
            count(mother, child.patient),
        ),
        Step(
            "Le médecin sans lien",
            name_of(visit, Part.OUTSIDER),
            asked,
            "refusé (ACCESS_REFUSED)",
            count(Part.OUTSIDER, jeanne),
        ),
        Step(
            "Le médecin bloqué",
            name_of(visit, Part.BLOCKED),
            asked,
            "refusé (ACCESS_REFUSED)",
            count(Part.BLOCKED, jeanne),
        ),
        Step(
            "La secrétaire",
            name_of(visit, Part.SECRETARY),
            asked,
            "refusé (ACCESS_REFUSED)",
            count(Part.SECRETARY, jeanne),
        ),
        Step(
            "Une autre patiente",
            mother.name,
            asked,
            "refusé (ACCESS_REFUSED)",
            count(mother, jeanne),
        ),
    ]


def papers(visit: Visit) -> list[Step]:
    """What is masked, hidden, kept from one; versions and contents."""
    jeanne = visit.cast.patient
    masked = next(each.title for each in story.JEANNE if each.is_masked)
    hidden = next(each.title for each in story.JEANNE if each.hidden_from_patient)
    kept = next(each.title for each in story.JEANNE if each.key == story.KEPT_FROM_SURGEON)
    revised = next(each.title for each in story.JEANNE if each.replaces)
    first_version = next(each.title for each in story.JEANNE if each.key == "pps-1")
    scan = next(each.title for each in story.JEANNE if each.key == "mammographie")

    def sees(title: str, token: Callable[[Visit], str]) -> Callable[[Visit], str]:
        return lambda v: "oui" if title in {each["title"] for each in v.documents(token(v), jeanne)} else "non"

    def oncologist(v: Visit) -> str:
        return v.token(Part.ONCOLOGIST)

    def gp(v: Visit) -> str:
        return v.token(Part.GP)

    def titled(v: Visit, title: str) -> dict[str, str]:
        found = next((each for each in v.documents(gp(v), jeanne) if each["title"] == title), None)
        if found is None:
            raise LookupError("document absent de la liste")
        return found

    def chain(v: Visit) -> str:
        answer = v.ask(gp(v), DOCUMENT, {"id": titled(v, revised)["id"]})
        return answer.said(" ← ".join(sorted((each["title"] for each in answer.first["versions"]), reverse=True)))

    def whole(v: Visit) -> str:
        entry = titled(v, scan)
        status, octets = v.content(gp(v), entry["contentUrl"])
        return f"{status}, empreinte {'juste' if fingerprint(octets) == entry['sha256'] else 'fausse'}"

    def part(v: Visit) -> str:
        entry = titled(v, scan)
        _, octets = v.content(gp(v), entry["contentUrl"])
        status, piece = v.content(gp(v), entry["contentUrl"], ranges="bytes=100-299")
        return f"{status}, {len(piece)} octets {'justes' if piece == octets[100:300] else 'faux'}"

    def refused_content(v: Visit) -> str:
        return v.get(titled(v, scan)["contentUrl"], v.token(Part.OUTSIDER)).said()

    return [
        Step(
            "L’auteur voit son document masqué",
            name_of(visit, Part.ONCOLOGIST),
            masked,
            "oui",
            sees(masked, oncologist),
        ),
        Step("… les autres non", name_of(visit, Part.GP), masked, "non", sees(masked, gp)),
        Step("… la patiente oui", jeanne.name, masked, "oui", sees(masked, lambda v: v.token(jeanne))),
        Step(
            "Un document gardé d’un seul",
            name_of(visit, Part.SURGEON),
            kept,
            "non",
            sees(kept, lambda v: v.token(Part.SURGEON)),
        ),
        Step("… les autres médecins oui", name_of(visit, Part.GP), kept, "oui", sees(kept, gp)),
        Step("Avant la consultation d’annonce", jeanne.name, hidden, "non", sees(hidden, lambda v: v.token(jeanne))),
        Step("… mais son médecin le lit", name_of(visit, Part.GP), hidden, "oui", sees(hidden, gp)),
        Step("La chaîne des versions", name_of(visit, Part.GP), revised, f"{revised} ← {first_version}", chain),
        Step("Un contenu entier", name_of(visit, Part.GP), scan, "200, empreinte juste", whole),
        Step(
            "Un contenu en partie", name_of(visit, Part.GP), f"{scan}, octets 100 à 299", "206, 200 octets justes", part
        ),
        Step(
            "Un contenu par un médecin sans lien",
            name_of(visit, Part.OUTSIDER),
            scan,
            "404 DOCUMENT_UNKNOWN",
            refused_content,
        ),
    ]
