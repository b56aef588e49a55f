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
    for each in found:
        line = each.line
        said = "[green]accordé[/]" if line.outcome == Outcome.ALLOWED else f"[red]refusé[/] {line.code or ''}"
        _print_whole(
            f"[bold]{line.at.astimezone(PARIS):%d/%m/%Y à %H:%M:%S}[/]  {escape(_act(line.kind, line.action))}  {said}",
            [
                ("Qui", f"{line.actor_name} ({line.actor_id})"),
                ("Structure", line.actor_establishment),
                ("Patient", None if each.patient_id == NOBODY else each.patient_id),
                ("Document", line.document_id),
                ("Règle", line.rule),
            ],
        )
    if not is_whole:
        say("SEARCH_GOES_ON", place=place_text(found[-1].place))


def _print_whole(title: str, fields: Sequence[tuple[str, object]]) -> None:
    # A column would fold what people copy from here into another command.
    lines = [title, *(f"  {name:<10} {escape(str(said))}" for name, said in fields if said)]
    output().print("\n".join(lines), soft_wrap=True)


def reviews_as_json(reviews: Sequence[Review]) -> None:
    print_json([asdict(each) for each in reviews])


def show_reviews(reviews: Sequence[Review]) -> None:
    rows = [[_PATTERNS[each.pattern], str(each.found)] for each in reviews]
    output().print(table("Accès inhabituels", ("Règle", "Trouvés"), rows))
    for review in reviews:
        if review.furthest:
            output().print(f"\n[bold]{_PATTERNS[review.pattern]}[/]")
            for each in review.furthest:
                said = f"{sentence_of(each.pattern, each.count, each.usual)} (dès {each.least:g})"
                _print_whole(
                    f"{each.day:%d/%m/%Y}  {said}" if each.day else said,
                    [
                        ("Qui", f"{each.name} ({each.rpps})" if each.rpps else None),
                        ("Structure", each.structure),
                        ("Patient", each.patient_id),
                    ],
                )
