"""Every code that is raised has its French sentence, whose fields are given where it is raised."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Formatter

from passerelle.kernel.messages import catalogue

ROOT = Path(__file__).resolve().parents[2]
ROOTS = ("platform", "tenants", "graphql", "policies", "ops")
ERRORS = {
    "InvalidInput": set(),
    "LimitExceeded": set(),
    "NotAuthenticated": set(),
    "Refused": {"line"},
    "Conflict": {"line"},
    "TryLater": set(),
    "BrokenIntegrity": set(),
}
SENTENCES = (
    "ops/passerelle_ops/sentences.toml",
    "ops/passerelle_ops/sizing/words.toml",
    "policies/passerelle_policies/sentences.toml",
)
CODE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")


@dataclass(frozen=True)
class Raised:
    code: str
    fields: frozenset[str]
    is_open: bool  # fields are given by a mapping: which, cannot be read here
    where: str


@cache
def raised() -> tuple[Raised, ...]:
    """Every error of ours that is made with its code in so many words."""
    return tuple(found for root in ROOTS for path in sorted((ROOT / root).rglob("*.py")) for found in _in(path))


def _in(path: Path) -> Iterator[Raised]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        code = node.args[0].value
        if name in ERRORS and isinstance(code, str):
            yield Raised(
                code=code,
                fields=frozenset(word.arg for word in node.keywords if word.arg) - ERRORS[name],
                is_open=any(word.arg is None for word in node.keywords),
                where=f"{path.relative_to(ROOT)}:{node.lineno}",
            )


def test_codes_are_in_capitals() -> None:
    assert len(raised()) > 50
    assert not [each for each in raised() if not CODE.fullmatch(each.code)]


def test_every_raised_code_has_a_sentence() -> None:
    assert not [f"{each.code} ({each.where})" for each in raised() if each.code not in catalogue()]


def test_a_sentence_asks_for_no_field_that_its_error_does_not_give() -> None:
    missing = []
    for each in raised():
        asked = {field for _, field, _, _ in Formatter().parse(catalogue().get(each.code, "")) if field}
        if not each.is_open and asked - each.fields:
            missing.append(f"{each.code} ({each.where}): {sorted(asked - each.fields)}")
    assert not missing


def test_sentences_are_sentences() -> None:
    assert not [code for code, sentence in catalogue().items() if not sentence.strip().endswith((".", "!", "?"))]


def test_what_people_read_has_the_apostrophes_of_print() -> None:
    """Catalogues alone: the words of rules are typed by people, a standard's labels are its own."""
    told = [*(ROOT / "platform/passerelle/kernel/messages").glob("*.toml"), *map(ROOT.joinpath, SENTENCES)]
    packs = (ROOT / "policies/passerelle_policies/packs").glob("*/matrix.csv")
    straight = re.compile(r"\w'\w")
    found = {path.name for path in (*told, *packs) if straight.search(path.read_text("utf-8"))}
    assert not found
