"""What `passerelle journal search` and `journal unusual` show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from rich.markup import escape

from passerelle.audit.journal import NOBODY, Outcome
from passerelle.audit.oversight import Found, Place
from passerelle.audit.patterns import Pattern, Review
from passerelle.dossier.documents import CONTENT
from passerelle.dossier.oversight import sentence_of
from passerelle.kernel.clock import PARIS
from passerelle_ops.terminal import output, print_json, say, table
from passerelle_policies.words import ACT_WORDS

_PATTERNS = {
    Pattern.MANY_PATIENTS: "Beaucoup de patients en un jour",
    Pattern.AT_NIGHT: "La nuit, par qui n’y travaille pas",
    Pattern.SAME_NAME: "Du même nom que le patient",
    Pattern.READ_BY_MANY: "Un dossier que beaucoup lisent",
    Pattern.EMERGENCIES: "Bris de glace répétés",
    Pattern.REFUSALS: "Refus en série",
}


_ACTS = {(str(kind), str(action)): said for (kind, action), said in ACT_WORDS.items()}


def _act(kind: str, action: str) -> str:
    return _ACTS.get(("document" if kind == CONTENT else kind, action), f"{kind} {action}")


def place_text(place: Place) -> str:
    return f"{place[0].isoformat()}/{place[1]}"


def read_place(said: str) -> Place:
    """What `place_text` wrote. ValueError for anything else."""
    at, _, line = said.partition("/")
    instant = datetime.fromisoformat(at)
    if instant.tzinfo is None or not line.isascii() or not line.isdigit():
        raise ValueError(said)
    return instant, int(line)


def found_as_json(found: Sequence[Found], *, is_whole: bool) -> None:
    """Every line, and where the next page begins. The facts of a line stay out: they tell of the document."""
    shown = [
        {"patient": each.patient_id, **{name: said for name, said in asdict(each.line).items() if name != "facts"}}
        for each in found
    ]
    print_json({"lines": shown, "next": None if is_whole or not found else place_text(found[-1].place)})


def show_found(found: Sequence[Found], *, is_whole: bool) -> None:
    if not found:
        say("SEARCH_NOTHING")
        return
    rows = [
        [
            each.line.at.astimezone(PARIS).strftime("%d/%m/%Y %H:%M:%S"),
            escape(f"{each.line.actor_name} ({each.line.actor_id})"),
            escape(each.line.actor_establishment or "—"),
            _act(each.line.kind, each.line.action),
            "—" if each.patient_id == NOBODY else str(each.patient_id),
            str(each.line.document_id or "—"),
            "accordé" if each.line.outcome == Outcome.ALLOWED else f"refusé {each.line.code or ''}",
            escape(each.line.rule),
        ]
        for each in found
    ]
    columns = ("Quand", "Qui", "Structure", "Acte", "Patient", "Document", "Réponse", "Règle")
    output().print(table("Lignes du journal", columns, rows))
    if not is_whole:
        say("SEARCH_GOES_ON", place=place_text(found[-1].place))


def reviews_as_json(reviews: Sequence[Review]) -> None:
    print_json([asdict(each) for each in reviews])


def show_reviews(reviews: Sequence[Review]) -> None:
    rows = [[_PATTERNS[each.pattern], str(each.found)] for each in reviews]
    output().print(table("Accès inhabituels", ("Règle", "Trouvés"), rows))
    for review in reviews:
        if review.furthest:
            shown = [
                [
                    escape(f"{each.name} ({each.rpps})") if each.rpps else "—",
                    escape(each.structure or "—"),
                    str(each.patient_id or "—"),
                    each.day.strftime("%d/%m/%Y") if each.day else "—",
                    f"{each.count} (dès {each.least:g})",
                    sentence_of(each.pattern, each.count, each.usual),
                ]
                for each in review.furthest
            ]
            columns = ("Qui", "Structure", "Patient", "Jour", "Compte", "Pourquoi")
            output().print(table(_PATTERNS[review.pattern], columns, shown))
