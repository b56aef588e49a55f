"""The habilitation matrix as it is written: one line, one sentence of law.

A cell holds one word, several joined by `|`, or `*` for all. `types` holds document type codes (34133-9) or named
sets: `dmp:*` (ASS_X16), `class:11` (a class), `group:social` (a set of the pack); `-` where no document is meant.
`setting` names the places that the line is acted upon from. `even_if` names the concealments that the line reaches
through. `dossier` is `open` when the line holds only on an open record, `any` otherwise. `when` names a yes-or-no
parameter without which the line sleeps. A `deny` line takes away, under the same relation, what the `allow` lines
give. `sentence` says the line in the third person, to the patient and the data-protection officer; `to_professional`
says it to whom it lets in.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeVar

from passerelle_policies.vocabulary import Action, Kind, Mode, Relation, Role, Setting

ANY = "*"
NO_TYPE = "-"

_Word = TypeVar("_Word", bound=StrEnum)


class InvalidPack(ValueError):
    """A rule pack that cannot be read. The message names the file and the line."""


class Concealment(StrEnum):
    """What may stand between a document and who may otherwise see it."""

    PLAIN = "plain"  # nothing
    MASKED = "masked"
    HIDDEN_FROM_PATIENT = "hidden_from_patient"
    HIDDEN_FROM_REPRESENTATIVES = "hidden_from_representatives"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the matrix, cells expanded to sets of words. `when` is empty or the name of a parameter."""

    rule: str
    roles: frozenset[Role]
    relations: frozenset[Relation]
    settings: frozenset[Setting]
    kind: Kind
    types: tuple[str, ...]
    actions: frozenset[Action]
    modes: frozenset[Mode]
    even_if: frozenset[Concealment]
    needs_open_dossier: bool
    when: str
    effect: Literal["allow", "deny"]
    is_established: bool
    source: str
    sentence: str
    to_professional: str


COLUMNS = (
    "rule",
    "role",
    "relation",
    "setting",
    "kind",
    "types",
    "action",
    "mode",
    "even_if",
    "dossier",
    "when",
    "effect",
    "established",
    "source",
    "sentence",
    "to_professional",
)


def read_matrix(text: str, name: str) -> tuple[Line, ...]:
    """The lines of a matrix file. Raises `InvalidPack` on an unknown word, a missing column or a rule given twice."""
    rows = csv.DictReader(text.splitlines())
    if tuple(rows.fieldnames or ()) != COLUMNS:
        raise InvalidPack(f"{name}: the columns must be {', '.join(COLUMNS)}")
    lines: list[Line] = []
    seen: set[str] = set()
    for row in rows:
        try:
            line = _line(row)
        except (ValueError, AttributeError) as fault:
            raise InvalidPack(f"{name}, line {rows.line_num}: {fault}") from fault
        if line.rule in seen:
            raise InvalidPack(f"{name}, line {rows.line_num}: rule {line.rule} stands twice")
        seen.add(line.rule)
        lines.append(line)
    return tuple(lines)


def amended(lines: Iterable[Line], removed: Collection[str], by: Iterable[Line], name: str) -> tuple[Line, ...]:
    """The lines of an extended pack without `removed`, each replaced where it stands by the line of its name, then the
    new ones. Raises `InvalidPack` on a removal of what is not there, or an amendment that changes nothing."""
    changed = {line.rule: line for line in by}
    before = {line.rule: line for line in lines}
    for rule in removed:
        if rule not in before or rule in changed:
            raise InvalidPack(f"{name}: {rule} cannot be removed")
    for rule, line in changed.items():
        if before.get(rule) == line:
            raise InvalidPack(f"{name}: {rule} stands as it did, leave it out")
    kept = [changed.get(rule, line) for rule, line in before.items() if rule not in removed]
    return (*kept, *(line for rule, line in changed.items() if rule not in before))


def terms_matching(terms: Iterable[str], type_code: str, sets: Collection[str]) -> bool:
    """Whether one of `terms` is the type itself or one of the named `sets` it belongs to."""
    return any(term == type_code or term in sets for term in terms)


def _line(row: dict[str, str]) -> Line:
    effect = row["effect"]
    if effect not in ("allow", "deny"):
        raise ValueError(f"effect {effect!r} is neither allow nor deny")
    if row["dossier"] not in ("open", "any"):
        raise ValueError(f"dossier {row['dossier']!r} is neither open nor any")
    if row["established"] not in ("yes", "no"):
        raise ValueError(f"established {row['established']!r} is neither yes nor no")
    for needed in ("rule", "source", "sentence"):
        if not row[needed].strip():
            raise ValueError(f"{needed} is empty")
    concealments = frozenset(Concealment) if row["even_if"] == ANY else _words(row["even_if"], Concealment)
    return Line(
        rule=row["rule"],
        roles=_words(row["role"], Role),
        relations=_words(row["relation"], Relation),
        settings=_words(row["setting"], Setting),
        kind=Kind(row["kind"]),
        types=() if row["types"] == NO_TYPE else tuple(row["types"].split("|")),
        actions=_words(row["action"], Action),
        modes=_words(row["mode"], Mode),
        even_if=concealments | {Concealment.PLAIN},
        needs_open_dossier=row["dossier"] == "open",
        when=row["when"],
        effect="allow" if effect == "allow" else "deny",
        is_established=row["established"] == "yes",
        source=row["source"],
        sentence=row["sentence"],
        to_professional=row["to_professional"].strip(),
    )


def _words(cell: str, vocabulary: type[_Word]) -> frozenset[_Word]:
    if cell == ANY:
        return frozenset(vocabulary)
    return frozenset(vocabulary(word) for word in cell.split("|") if word)
