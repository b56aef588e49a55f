"""The guided tour: one visit after another through the real HTTP face, each with what must be seen.

What is expected comes from the legal texts by way of the story, not from the program that is being visited.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import httpx2
from rich.markup import escape

from passerelle_ops.demo import story
from passerelle_ops.demo.people import Part
from passerelle_ops.demo.visit import CLOSE, DOCUMENT, JOURNAL, ME, REOPEN, Visit, fingerprint
from passerelle_ops.settings import Settings
from passerelle_ops.stack.state import StackInfo
from passerelle_ops.terminal import notices, output, say, table

_LOOKUPS_AT_MOST = 80


@dataclass(frozen=True, slots=True)
class Step:
    """One visit: who comes, what is asked, what must be seen, and how to see it."""

    name: str
    actor: str
    asked: str
    expected: str
    seen: Callable[[Visit], str]


@dataclass(frozen=True, slots=True)
class Result:
    """What was seen."""

    step: Step
    seen: str
    seconds: float

    @property
    def passed(self) -> bool:
        return self.seen == self.step.expected


def take_tour(settings: Settings, info: StackInfo) -> int:
    """Take the tour, print it as a table; 0 when every step saw what it must, else 1."""
    results = []
    with Visit(settings, info) as visit:
        for step in steps(visit):
            with notices().status(f"{step.actor} : {step.asked}"):
                results.append(_taken(step, visit))
    rows = [
        [
            "[green]✓[/]" if each.passed else "[red]✗[/]",
            escape(each.step.name),
            escape(each.step.actor),
            escape(each.step.asked),
            escape(each.step.expected),
            escape(each.seen) if each.passed else f"[red]{escape(each.seen)}[/]",
            f"{each.seconds * 1000:.0f} ms",
        ]
        for each in results
    ]
    columns = ["", "Étape", "Qui", "Demande", "Attendu", "Vu", "Durée"]
    output().print(table("Visite guidée de la région", columns, rows))
    failed = sum(1 for each in results if not each.passed)
    say("TOUR_FAILED" if failed else "TOUR_PASSED", failed=failed, steps=len(results))
    return 1 if failed else 0


def _taken(step: Step, visit: Visit) -> Result:
    started = time.perf_counter()
    try:
        seen = step.seen(visit)
    except (httpx2.HTTPError, LookupError, TypeError, ValueError) as stumbled:
        seen = f"{type(stumbled).__name__}: {stumbled}"
    return Result(step, seen, time.perf_counter() - started)


def steps(visit: Visit) -> list[Step]:
    """Every visit, in order."""
    return [*_door(visit), *_record(visit), *_papers(visit), *_trace(visit), *_life(visit)]


def _name(visit: Visit, part: Part) -> str:
    return visit.cast.professionals[part].name


def _door(visit: Visit) -> list[Step]:
    gp, jeanne = _name(visit, Part.GP), visit.cast.patient

    def tampered(v: Visit) -> str:
        token = v.token(Part.GP)
        return v.ask(token[:-6] + ("AAAAAA" if token[-6:] != "AAAAAA" else "BBBBBB"), ME).said()

    def expired(v: Visit) -> str:
        who = v.cast.professionals[Part.GP]
        return v.ask(v.desk.professional(who, valid_for=timedelta(minutes=-10)), ME).said()

    def ins_in_url(v: Visit) -> str:
        query = f'{{patient(by:{{ins:{{oid:"{jeanne.ins.oid}",value:"{jeanne.ins.value}"}}}}){{__typename}}}}'
        return v.get(str(httpx2.URL("/oncomip/graphql", params={"query": query})), v.token(Part.GP)).said()

    def live(v: Visit) -> str:
        return str(v.get("/health/live").status)

    def ready(v: Visit) -> str:
        return str(v.get("/health/ready").status)

    return [
        Step("La plateforme vit", "n’importe qui", "GET /health/live", "200", live),
        Step("La plateforme est prête", "n’importe qui", "GET /health/ready", "200", ready),
        Step("Sans jeton", "un inconnu", "me", "401 TOKEN_MISSING", lambda v: v.ask(None, ME).said()),
        Step("Jeton retouché", "un faussaire", "me", "401 TOKEN_BAD_SIGNATURE", tampered),
        Step("Jeton expiré", gp, "me", "401 TOKEN_EXPIRED", expired),
        Step("Qui suis-je", gp, "me", gp.removeprefix("Dr "), lambda v: str(v.ask(v.token(Part.GP), ME).first["name"])),
        Step(
            "Dans un autre réseau",
            gp,
            "me, en Picardie",
            "403 ACTOR_UNKNOWN_HERE",
            lambda v: v.ask(v.token(Part.GP), ME, tenant="picardie").said(),
        ),
        Step("Un INS dans une URL", gp, "GET patient(by: ins)", "405 INS_OVER_GET", ins_in_url),
    ]


def _record(visit: Visit) -> list[Step]:
    jeanne, child = visit.cast.patient, visit.cast.child
    record = f"le dossier de {jeanne.name}"

    def count(part: Part) -> Callable[[Visit], str]:
        return lambda v: v.document_count(v.token(part), jeanne)

    def ever(v: Visit) -> str:
        return v.document_count(v.token(Part.GP), jeanne, wholeHistory=True)

    def through_software(v: Visit) -> str:
        return v.document_count(v.desk.software(v.cast.professionals[Part.ONCOLOGIST]), jeanne)

    mother = child.mother or child.patient
    return [
        Step("Le médecin traitant", _name(visit, Part.GP), record, f"{story.ATTENDING_SEES} documents", count(Part.GP)),
        Step("… sans limite de date", _name(visit, Part.GP), record, f"{story.ATTENDING_SEES_EVER} documents", ever),
        Step(
            "L’équipe, sous consentement",
            _name(visit, Part.ONCOLOGIST),
            record,
            f"{story.ONCOLOGIST_SEES} documents",
            count(Part.ONCOLOGIST),
        ),
        Step(
            "Son logiciel, en son nom",
            f"DossiMed pour {_name(visit, Part.ONCOLOGIST)}",
            record,
            f"{story.ONCOLOGIST_SEES} documents",
            through_software,
        ),
        Step(
            "L’infirmière de l’équipe",
            _name(visit, Part.NURSE),
            record,
            f"{story.NURSE_SEES} documents",
            count(Part.NURSE),
        ),
        Step(
            "La pharmacienne autorisée",
            _name(visit, Part.PHARMACIST),
            record,
            f"{story.PHARMACIST_SEES} documents",
            count(Part.PHARMACIST),
        ),
        Step("Le champ social", _name(visit, Part.SOCIAL_WORKER), record, "1 document", count(Part.SOCIAL_WORKER)),
        Step("L’auteur seul", _name(visit, Part.RADIOLOGIST), record, "1 document", count(Part.RADIOLOGIST)),
        Step(
            "La patiente",
            jeanne.name,
            "son dossier",
            f"{story.JEANNE_SEES} documents",
            lambda v: v.document_count(v.token(jeanne), jeanne),
        ),
        Step(
            "La mère d’un mineur",
            mother.name,
            f"le dossier de {child.patient.name}",
            f"{story.MOTHER_SEES} documents",
            lambda v: v.document_count(v.token(mother), child.patient),
        ),
        Step(
            "Le médecin sans lien", _name(visit, Part.OUTSIDER), record, "refusé (ACCESS_REFUSED)", count(Part.OUTSIDER)
        ),
        Step("Le médecin bloqué", _name(visit, Part.BLOCKED), record, "refusé (ACCESS_REFUSED)", count(Part.BLOCKED)),
        Step("La secrétaire", _name(visit, Part.SECRETARY), record, "refusé (ACCESS_REFUSED)", count(Part.SECRETARY)),
        Step(
            "Une autre patiente",
            mother.name,
            record,
            "refusé (ACCESS_REFUSED)",
            lambda v: v.document_count(v.token(mother), jeanne),
        ),
    ]


def _papers(visit: Visit) -> list[Step]:
    jeanne = visit.cast.patient
    masked = next(each.title for each in story.JEANNE if each.is_masked)
    hidden = next(each.title for each in story.JEANNE if each.hidden_from_patient)
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
            "L’auteur voit son document masqué", _name(visit, Part.ONCOLOGIST), masked, "oui", sees(masked, oncologist)
        ),
        Step("… les autres non", _name(visit, Part.GP), masked, "non", sees(masked, gp)),
        Step("… la patiente oui", jeanne.name, masked, "oui", sees(masked, lambda v: v.token(jeanne))),
        Step("Avant la consultation d’annonce", jeanne.name, hidden, "non", sees(hidden, lambda v: v.token(jeanne))),
        Step("… mais son médecin le lit", _name(visit, Part.GP), hidden, "oui", sees(hidden, gp)),
        Step("La chaîne des versions", _name(visit, Part.GP), revised, f"{revised} ← {first_version}", chain),
        Step("Un contenu entier", _name(visit, Part.GP), scan, "200, empreinte juste", whole),
        Step(
            "Un contenu en partie", _name(visit, Part.GP), f"{scan}, octets 100 à 299", "206, 200 octets justes", part
        ),
        Step(
            "Un contenu par un médecin sans lien",
            _name(visit, Part.OUTSIDER),
            scan,
            "404 DOCUMENT_UNKNOWN",
            refused_content,
        ),
    ]


def _trace(visit: Visit) -> list[Step]:
    jeanne = visit.cast.patient

    def line(part: Part, *, allowed: bool, software: bool = False) -> Callable[[Visit], str]:
        name = _name(visit, part).removeprefix("Dr ")

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

    gp, outsider = _name(visit, Part.GP), _name(visit, Part.OUTSIDER)
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
        Step(
            "Le journal d’autrui", outsider, f"le journal de {jeanne.name}", "refusé (ACCESS_REFUSED)", reading_others
        ),
        Step(
            "Feuilleter les patients",
            _name(visit, Part.DENTIST),
            "recherches répétées",
            "PATIENT_LOOKUP_TOO_MANY",
            too_many,
        ),
    ]


def _life(visit: Visit) -> list[Step]:
    jeanne = visit.cast.patient

    def act(mutation: str) -> Callable[[Visit], str]:
        def do(v: Visit) -> str:
            answer = v.ask(v.token(jeanne), mutation, {"id": v.patient_id(jeanne)})
            return answer.said(str(answer.first.get("state")))

        return do

    def count(v: Visit) -> str:
        return v.document_count(v.token(Part.GP), jeanne)

    return [
        Step("La patiente ferme son dossier", jeanne.name, "closeDossier", "CLOSED", act(CLOSE)),
        Step(
            "… il ne sert plus personne", _name(visit, Part.GP), "le dossier fermé", "refusé (DOSSIER_NOT_OPEN)", count
        ),
        Step("Elle le rouvre", jeanne.name, "reopenDossier", "OPEN", act(REOPEN)),
        Step(
            "… il est comme avant",
            _name(visit, Part.GP),
            "le dossier rouvert",
            f"{story.ATTENDING_SEES} documents",
            count,
        ),
    ]
