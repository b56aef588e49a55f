"""Names of substances and medicines: without accents, turned the right way, rid of salts and water.

The list of medicines writes « SERTRALINE (CHLORHYDRATE DE) » where the thesaurus of interactions writes SERTRALINE.
`salts.toml` holds what is stripped, and the names that no rule gives.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

_LETTERS = str.maketrans({"œ": "oe", "Œ": "oe", "æ": "ae", "Æ": "ae", "ß": "ss", "ø": "o", "Ø": "o", "µ": "u"})
_NOT_A_WORD = re.compile(r"[^a-z0-9]+")
_TURNED = re.compile(r"^([^()]+?)\s*\(([^()]*\b(?:acide|de|d['’]))\s*\)\s*([^()]*)$", re.IGNORECASE)


def folded(name: str) -> str:
    """Small letters and digits, one blank between words: « Œstradiol, gélule » is `oestradiol gelule`."""
    parts = unicodedata.normalize("NFKD", name.translate(_LETTERS))
    plain = "".join(letter for letter in parts if not unicodedata.combining(letter))
    return _NOT_A_WORD.sub(" ", plain.lower()).strip()


def substance_name(name: str) -> str:
    """Folded, and turned the right way: « FUSIDIQUE (ACIDE) » is `acide fusidique`."""
    turned = _TURNED.match(name.strip())
    return folded(f"{turned[2]} {turned[1]} {turned[3]}" if turned else name)


def known_as(names: Iterable[str]) -> list[str]:
    """Every folded name under which a thesaurus may list a substance, given its names; the fullest first."""
    found: dict[str, None] = {}
    for name in names:
        for form in _stripped(substance_name(name)):
            found.setdefault(form)
            for other in _salts()["also"].get(form, ()):
                found.setdefault(other)
            for beginning, other in _salts()["begins"].items():
                if form.startswith(f"{beginning} "):
                    found.setdefault(other)
    return list(found)


def words(text: str) -> list[str]:
    """The folded words of a text, each once, in their order."""
    return list(dict.fromkeys(folded(text).split()))


def _stripped(name: str) -> list[str]:
    """The name, then all that is left of it when salts and water are taken away, in whichever order."""
    if not name:
        return []
    ends, begins = _stripped(_rid_of_the_end(name)), _stripped(_rid_of_the_beginning(name))
    return list(dict.fromkeys([name, *ends, *begins]))


def _rid_of_the_end(name: str) -> str:
    for ending in _salts()["after"]:
        if name.endswith(f" {ending}"):
            return name.removesuffix(ending).rstrip()
    return ""


def _rid_of_the_beginning(name: str) -> str:
    salt, _, rest = name.partition(" ")
    link, _, kernel = rest.partition(" ")
    return kernel if salt in _salts()["before"] and link in ("de", "d") else ""


@cache
def _salts() -> dict[str, Any]:
    read = tomllib.loads(files("passerelle.pharmacy.reference").joinpath("salts.toml").read_text("utf-8"))
    # The longest ending first, so that « magnesium dihydrate » goes as one.
    read["after"].sort(key=len, reverse=True)
    read["before"] = frozenset(read["before"])
    return read
