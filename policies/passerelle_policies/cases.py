"""The matrix as a lawyer tries it: questions in French, and the answer that the text gives to each.

`cases/*.yaml` holds groups, each an article and its cases, and the day of them all (`le`) if it is not `DAY`; the words
are those of `words.toml`. They are asked by the tests and by `passerelle policy check`, each of the pack in force on
its own day.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from passerelle_policies.decision import Decision, DocumentFacts, Facts, decide
from passerelle_policies.matrix import Concealment
from passerelle_policies.packs import Overrides, Pack, pack_on, packs
from passerelle_policies.vocabulary import Action, DocumentStatus, Kind, Purpose
from passerelle_policies.words import (
    ACTS,
    ANSWERS,
    CONCEALMENT_WORDS,
    MODES,
    RELATIONS,
    ROLES,
    SETTINGS,
    STATES,
    STATUSES,
)

DAY = date(2026, 11, 21)
"""The day of every case that names none: fixed, so that a case never changes its pack by itself."""

# The safe loader in C where there is one: the cases are read in a tenth of the time.
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_KEYS = {
    "qui",
    "lien",
    "depuis",
    "bloqué",
    "opposition",
    "dossier",
    "mode",
    "le",
    "fait",
    "sur",
    "paramètres",
    "attendu",
    "règle",
}
_WITHHELD = "caché à lui"
_MASKED = CONCEALMENT_WORDS[Concealment.MASKED]
_FROM_PATIENT = CONCEALMENT_WORDS[Concealment.HIDDEN_FROM_PATIENT]
_FROM_REPRESENTATIVES = CONCEALMENT_WORDS[Concealment.HIDDEN_FROM_REPRESENTATIVES]


class InvalidCase(ValueError):
    """A case that cannot be read. The message names the file and what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question in French terms, and the answer that the text gives: `code` is None when it is allowed."""

    article: str
    text: str
    facts: Facts
    kind: Kind
    action: Action
    document: DocumentFacts | None
    overrides: Overrides
    code: str | None
    rule: str | None

    def answer(self) -> Decision:
        """What the rules say."""
        return decide(self.facts, self.kind, self.action, self.document, overrides=self.overrides)

    def agrees(self, answer: Decision) -> bool:
        """Whether that is what the text says, by the rule that the case names if it names one."""
        return answer.code == self.code and self.rule in (None, answer.rule)


@cache
def cases() -> tuple[Case, ...]:
    """Every case. Raises `InvalidCase` on a file or a word that cannot be understood."""
    folder = files("passerelle_policies").joinpath("cases")
    found: list[Case] = []
    for file in sorted(folder.iterdir(), key=lambda each: each.name):
        if file.name.endswith(".yaml"):
            found += read_cases(file.read_text("utf-8"), file.name)
    return tuple(found)


def cases_of(pack: Pack) -> tuple[Case, ...]:
    """The cases of the days on which `pack` is in force."""
    return tuple(each for each in cases() if pack_on(each.facts.day).name == pack.name)


def lines_without_case(pack: Pack, answers: Iterable[Decision]) -> tuple[str, ...]:
    """The lines of the newest rules that answer none of their cases; of older rules, only some lines are tried."""
    if pack.name != packs()[-1].name:
        return ()
    cited = {each.rule for each in answers}
    return tuple(dict.fromkeys(line.rule for line in pack.lines if line.rule not in cited))


def read_cases(text: str, name: str) -> Iterator[Case]:
    """The cases of one file. Raises `InvalidCase`."""
    try:
        for group in yaml.load(text, _Loader):  # noqa: S506 - it is the safe one
            dated = {"le": group["le"]} if "le" in group else {}
            for entry in group["cas"]:
                yield _case(group["article"], entry | dated)
    except KeyError as missing:
        raise InvalidCase(f"{name}: unknown or missing word {missing}") from missing
    except (ValueError, TypeError, yaml.YAMLError) as fault:
        raise InvalidCase(f"{name}: {fault}") from fault


def _case(article: str, entry: Mapping[str, Any]) -> Case:
    unknown = entry.keys() - _KEYS
    if unknown:
        raise ValueError(f"{article}: unknown words {sorted(unknown)}")
    kind, action = ACTS[entry["fait"]]
    relations = _list(entry.get("lien"))
    return Case(
        article=article,
        text=", ".join(f"{name} {_said(value)}" for name, value in entry.items()),
        facts=Facts(
            role=ROLES[entry["qui"]],
            relations=frozenset(RELATIONS[each] for each in relations),
            blocked=bool(entry.get("bloqué")),
            dossier_state=STATES[entry.get("dossier", "ouvert")],
            mode=MODES[entry.get("mode", "normal")],
            purpose=Purpose.CARE,
            day=entry.get("le", DAY),
            emergency_objection=bool(entry.get("opposition")),
            setting=SETTINGS[entry.get("depuis", "lieu inconnu")],
        ),
        kind=kind,
        action=action,
        document=_document(entry["sur"], relations) if "sur" in entry else None,
        overrides=entry.get("paramètres", {}),
        code=ANSWERS[entry["attendu"]],
        rule=entry.get("règle"),
    )


def _document(words: Any, relations: list[str]) -> DocumentFacts:
    """`11488-4` or `[11488-4, masqué, archivé, caché à lui]`. Whoever is `auteur` is the author of this document."""
    type_code, *about = _list(words)
    unknown = set(about) - {_WITHHELD, _MASKED, _FROM_PATIENT, _FROM_REPRESENTATIVES} - set(STATUSES)
    if unknown:
        raise ValueError(f"unknown words {sorted(unknown)} about a document")
    return DocumentFacts(
        type_code=type_code,
        status=next((STATUSES[each] for each in about if each in STATUSES), DocumentStatus.CURRENT),
        masked=_MASKED in about,
        hidden_from_patient=_FROM_PATIENT in about,
        hidden_from_representatives=_FROM_REPRESENTATIVES in about,
        by_actor="auteur" in relations,
        withheld=_WITHHELD in about,
    )


def _list(words: Any) -> list[str]:
    if words is None:
        return []
    return [str(each) for each in words] if isinstance(words, list) else [str(words)]


def _said(value: Any) -> str:
    return " + ".join(_list(value)) if isinstance(value, list) else str(value)
