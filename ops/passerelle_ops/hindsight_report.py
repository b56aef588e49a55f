"""What `passerelle policy explain --actor` and `policy replay` show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from rich.markup import escape

from passerelle.dossier.hindsight import Answer, KnownFrom, Wanted
from passerelle.dossier.recorded import Unanswerable
from passerelle.dossier.replay import Cell, Change, Replay
from passerelle.kernel.clock import PARIS
from passerelle_ops.terminal import output, say, table
from passerelle_policies import nomenclatures
from passerelle_policies.decision import DocumentFacts, Facts
from passerelle_policies.packs import Pack, pack_named
from passerelle_policies.vocabulary import DossierState, PharmacyRecordState, Relation
from passerelle_policies.words import (
    ACT_WORDS,
    CONCEALMENT_WORDS,
    MODE_WORDS,
    RELATION_WORDS,
    ROLE_WORDS,
    STATES,
    STATUS_WORDS,
    answer_word,
)

_STATE_WORDS: dict[DossierState | PharmacyRecordState | None, str] = {state: said for said, state in STATES.items()}
_KNOWN_FROM = {
    KnownFrom.JOURNAL: "telle que le journal l’a notée à son dernier accès avant ce jour",
    KnownFrom.DIRECTORY: "telle que l’annuaire la donne aujourd’hui",
}
_APART = {
    Unanswerable.NO_DECISION: "ce n’était pas une décision des règles",
    Unanswerable.FACTS_MISSING: "la ligne ne garde pas tous les faits",
    Unanswerable.WORDS_UNKNOWN: "la ligne a des mots que cette version ne connaît pas",
    Unanswerable.PACK_UNKNOWN: "le paquet de la ligne n’est pas dans cette version",
}
_SHOWN = 40


def answers_as_json(wanted: Wanted, answers: Sequence[Answer]) -> dict[str, object]:
    """Every answer as a JSON object."""
    return {
        "actor": wanted.actor.subject,
        "profession": wanted.actor.profession,
        "profession_known_from": wanted.known_from,
        "patient": wanted.patient_id,
        "document": wanted.document_id,
        "answers": [
            {
                "at": each.at.astimezone(PARIS).isoformat(),
                "until": each.until.astimezone(PARIS).isoformat() if each.until else None,
                "mode": each.mode,
                "allowed": each.decision.allowed,
                "rule": each.decision.rule,
                "code": each.decision.code,
                "source": each.decision.source,
                "pack": each.decision.pack,
                "sentence": each.decision.sentence,
                "facts": {**asdict(each.facts), "relations": sorted(each.facts.relations)},
                "document": asdict(each.document) if each.document else None,
                "presumed": list(each.presumed),
                "facts_varied": each.varied,
            }
            for each in answers
        ],
    }


def show_answers(wanted: Wanted, answers: Sequence[Answer]) -> None:
    """Who was told what in which mode and when, then one table for each answer with all that it was taken on."""
    if len(answers) > 1:
        output().print(table("Réponses", ["Du", "Au", "Mode", "Réponse", "Règle"], map(_row, answers)))
    for answer in answers:
        shown = table(_title(answer), ["", ""], _rows(wanted, answer))
        shown.show_header = False
        output().print(shown)
    say("HINDSIGHT_LIMITS")


def _row(answer: Answer) -> list[str]:
    until = _told(answer.until) if answer.until else "—"
    return [_told(answer.at), until, MODE_WORDS[answer.mode], _answer(answer), escape(answer.decision.rule)]


def _answer(answer: Answer) -> str:
    decision = answer.decision
    return f"[{'green' if decision.allowed else 'red'}]{answer_word(decision.code)}[/]"


def _told(at: datetime) -> str:
    return f"{at.astimezone(PARIS):%d/%m/%Y à %H:%M:%S}"


def _title(answer: Answer) -> str:
    mode = f"mode {MODE_WORDS[answer.mode]}"
    if answer.until is None:
        return f"Le {_told(answer.at)}, {mode}"
    return f"Du {_told(answer.at)} au {_told(answer.until)}, {mode}"


def _rows(wanted: Wanted, answer: Answer) -> list[list[str]]:
    decision, facts = answer.decision, answer.facts
    rows = [
        ["Réponse", _answer(answer)],
        ["Règle", escape(decision.rule)],
        ["Texte", escape(decision.source) or "—"],
        ["Paquet", f"{escape(decision.pack)}, en vigueur depuis le {pack_named(decision.pack).effective:%d/%m/%Y}"],
        ["Pourquoi", escape(decision.sentence) or "Aucun document de ce nom n’était alors dans ce dossier."],
        ["Qualité", _quality(wanted, facts)],
        ["Liens", _relations(facts.relations) + (" ; bloqué par le patient" if facts.blocked else "")],
        ["Dossier", _STATE_WORDS[facts.dossier_state] + (" ; opposition aux urgences" * facts.emergency_objection)],
        ["Mode", MODE_WORDS[answer.mode]],
    ]
    if answer.document is not None:
        rows.append(["Document", _paper(answer.document)])
    if answer.varied:
        rows.append(["Ensuite", "D’autres faits ont suivi, sans changer la réponse : ceux-ci sont ceux du début."])
    if answer.presumed:
        rows.append(["Présumé", f"[yellow]{', '.join(answer.presumed)} : l’historique ne le dit pas[/]"])
    return rows


def _quality(wanted: Wanted, facts: Facts) -> str:
    known = _KNOWN_FROM.get(wanted.known_from)
    return ROLE_WORDS[facts.role] + (f" ({known})" if known else "")


def _relations(relations: Sequence[Relation] | frozenset[Relation]) -> str:
    held = [RELATION_WORDS[each] for each in Relation if each in relations and each is not Relation.NONE]
    return ", ".join(held) or RELATION_WORDS[Relation.NONE]


def _paper(document: DocumentFacts) -> str:
    said = [_type(document.type_code), STATUS_WORDS[document.status]]
    said += [said for concealment, said in CONCEALMENT_WORDS.items() if getattr(document, concealment, False)]
    said += ["écrit par lui"] * document.by_actor + ["caché à lui par le patient"] * document.withheld
    return escape(" ; ".join(said))


def _type(code: str) -> str:
    known = nomenclatures.document_type(code)
    return f"{known.label} ({code})" if known else code


def replay_as_json(pack: Pack, found: Replay) -> dict[str, object]:
    """What a replay found, as a JSON object."""
    return {
        "pack": pack.name,
        "lines": found.lines,
        "asked_again": found.asked,
        "gained": found.gained,
        "lost": found.lost,
        "changes": [
            {
                "role": cell.role,
                "relations": list(cell.relations),
                "kind": cell.kind,
                "action": cell.action,
                "type": cell.type_code,
                **asdict(change),
            }
            for cell, change in _by_weight(found)
        ],
        "astray": {"count": found.astray, "lines": found.astray_lines},
        "apart": {each.value: found.apart[each] for each in Unanswerable},
    }


def show_replay(pack: Pack, found: Replay) -> None:
    """Who would gain or lose what, the largest changes first; then what could not be asked again."""
    changes = _by_weight(found)
    if changes:
        columns = ["Qualité", "Liens", "Acte", "Type de document", "Gagnés", "Perdus", "Lignes"]
        shown = table(f"Sous {pack.name}", columns, [_change(cell, each) for cell, each in changes[:_SHOWN]])
        output().print(shown)
    if len(changes) > _SHOWN:
        say("REPLAY_MORE", more=len(changes) - _SHOWN)
    apart = [[_APART[each], str(times)] for each, times in found.apart.most_common()]
    if apart:
        output().print(table("Lignes laissées de côté", ["Pourquoi", "Lignes"], apart))
    if found.astray:
        say("REPLAY_ASTRAY", astray=found.astray, lines=", ".join(map(str, found.astray_lines)))
    say("REPLAY_DONE", asked=found.asked, gained=found.gained, lost=found.lost)
    say("REPLAY_LIMITS")


def _by_weight(found: Replay) -> list[tuple[Cell, Change]]:
    return sorted(found.changes.items(), key=lambda each: (-each[1].gained - each[1].lost, str(each[0])))


def _change(cell: Cell, change: Change) -> list[str]:
    return [
        ROLE_WORDS[cell.role],
        _relations(cell.relations),
        ACT_WORDS.get((cell.kind, cell.action), f"{cell.kind} {cell.action}"),
        escape(_type(cell.type_code)) if cell.type_code else "—",
        str(change.gained),
        str(change.lost),
        ", ".join(map(str, change.lines)),
    ]
