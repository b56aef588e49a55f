"""Which class of product a medicine is: `product_classes.toml` says it by ATC code, or by its names without one."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files

from passerelle.pharmacy.reference.names import substance_name, words

MEDICINE, BIOLOGIC, VACCINE = "medicine", "biologic", "vaccine"


def product_class(atc: str | None, name: str = "", substances: Iterable[str] = ()) -> str:
    """medicine, biologic or vaccine; a medicine when neither the code nor the names say otherwise."""
    if atc:
        prefixes = _prefixes()
        lengths = range(len(atc), 0, -1)
        return next((prefixes[atc[:length]] for length in lengths if atc[:length] in prefixes), MEDICINE)
    named = _table()["named"]
    if not set(named[VACCINE]).isdisjoint(words(name)):
        return VACCINE
    if any(_is_named(substance_name(each), mark) for each in substances for mark in named[BIOLOGIC]):
        return BIOLOGIC
    return MEDICINE


def _is_named(substance: str, mark: str) -> bool:
    return substance.endswith(mark[1:]) if mark.startswith("~") else substance.startswith(mark)


@cache
def _prefixes() -> Mapping[str, str]:
    return {prefix: name for name, prefixes in _table()["atc"].items() for prefix in prefixes}


@cache
def _table() -> Mapping[str, Mapping[str, list[str]]]:
    text = files("passerelle.pharmacy.reference").joinpath("product_classes.toml").read_text("utf-8")
    return tomllib.loads(text)
