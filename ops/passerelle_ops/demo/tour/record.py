"""What each one sees of a record, and of its documents."""

from __future__ import annotations

from passerelle_ops.demo import story
from passerelle_ops.demo.people import DemoPerson, Part
from passerelle_ops.demo.tour.step import REFUSED, Step, count, name_of
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

    def opens(name: str, who: Part, seen: str, **filters: object) -> Step:
        return Step(name, name_of(visit, who), asked, seen, count(who, jeanne, **filters))

    return [
        Step("Retrouver sa patiente", name_of(visit, Part.GP), "patient, par INS", "trouvée", found),
        opens("Le médecin traitant", Part.GP, f"{story.ATTENDING_SEES} documents"),
        opens("… sans limite de date", Part.GP, f"{story.ATTENDING_SEES_EVER} documents", wholeHistory=True),
        opens("L’équipe, sous consentement", Part.ONCOLOGIST, f"{story.ONCOLOGIST_SEES} documents"),
        Step(
            "Son logiciel, en son nom",
            f"DossiMed pour {name_of(visit, Part.ONCOLOGIST)}",
            asked,
            f"{story.ONCOLOGIST_SEES} documents",
            through_software,
        ),
        opens("Le chirurgien de l’équipe, à qui elle en garde un", Part.SURGEON, f"{story.SURGEON_SEES} documents"),
        opens("L’infirmière de l’équipe", Part.NURSE, f"{story.NURSE_SEES} documents"),
        opens("La pharmacienne autorisée", Part.PHARMACIST, f"{story.PHARMACIST_SEES} documents"),
        opens("Le champ social", Part.SOCIAL_WORKER, "1 document"),
        opens("L’auteur seul", Part.RADIOLOGIST, "1 document"),
        Step("La patiente", jeanne.name, "son dossier", f"{story.JEANNE_SEES} documents", count(jeanne, jeanne)),
        Step(
            "La mère d’un mineur",
            mother.name,
            f"le dossier de {child.patient.name}",
            f"{story.MOTHER_SEES} documents",
            count(mother, child.patient),
        ),
        opens("Le médecin sans lien", Part.OUTSIDER, REFUSED),
        opens("Le médecin bloqué", Part.BLOCKED, REFUSED),
        opens("La secrétaire", Part.SECRETARY, REFUSED),
        Step("Une autre patiente", mother.name, asked, REFUSED, count(mother, jeanne)),
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

    def sees(name: str, who: Part | DemoPerson, title: str, answer: str) -> Step:
        def seen(v: Visit) -> str:
            return "oui" if title in {each["title"] for each in v.documents(v.token(who), jeanne)} else "non"

        return Step(name, who.name if isinstance(who, DemoPerson) else name_of(visit, who), title, answer, seen)

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
        sees("L’auteur voit son document masqué", Part.ONCOLOGIST, masked, "oui"),
        sees("… les autres non", Part.GP, masked, "non"),
        sees("… la patiente oui", jeanne, masked, "oui"),
        sees("Un document gardé d’un seul", Part.SURGEON, kept, "non"),
        sees("… les autres médecins oui", Part.GP, kept, "oui"),
        sees("Avant la consultation d’annonce", jeanne, hidden, "non"),
        sees("… mais son médecin le lit", Part.GP, hidden, "oui"),
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
