"""What the arithmetic starts from: a TOML file whose every figure has a unit, an origin and a source."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from passerelle.kernel.errors import InvalidInput

_TEXTS = ("unit", "origin", "source", "meaning")


class Origin(StrEnum):
    """How much a figure is worth."""

    MEASURED = "measured"  # here, by a bench or by hand: `source` says which and on what machine
    SET = "set"  # by our own code or rule packs
    PUBLISHED = "published"  # by others
    ASSUMED = "assumed"  # by us: to be replaced first


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One figure; `source` and `meaning` are French, as the command shows them."""

    name: str
    value: float
    unit: str
    origin: Origin
    source: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """How many people, spread evenly over how many networks."""

    name: str
    patients: int
    networks: int
    meaning: str


@dataclass(frozen=True, slots=True)
class Inputs:
    """A file that was read: its figures by name, and the populations that are sized."""

    figures: Mapping[str, Input]
    populations: Sequence[Population]

    def __getitem__(self, name: str) -> float:
        return self.figures[name].value


@cache
def ours() -> Inputs:
    """The inputs that come with this version."""
    return _read(tomllib.loads(files(__package__).joinpath("inputs.toml").read_text("utf-8")))


def inputs_of(path: Path) -> Inputs:
    """A file of that shape; what it leaves out is ours.

    Refused: SIZING_NOT_READ, SIZING_UNKNOWN (a figure that nothing uses), SIZING_FIGURE (one that lacks its unit,
    origin, source or meaning, is not above zero, or has another unit than ours), SIZING_POPULATIONS.
    """
    try:
        given = _read(tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as refused:
        raise InvalidInput("SIZING_NOT_READ") from refused
    for name, figure in given.figures.items():
        if name not in ours().figures:
            raise InvalidInput("SIZING_UNKNOWN", name=name[:60])
        if figure.unit != ours().figures[name].unit:
            raise InvalidInput("SIZING_FIGURE", name=name)
    return Inputs({**ours().figures, **given.figures}, given.populations or ours().populations)


def _read(document: Mapping[str, Any]) -> Inputs:
    rows = document.get("populations", [])
    if not isinstance(rows, list):
        raise InvalidInput("SIZING_POPULATIONS")
    figures = {name: _figure(name, given) for name, given in document.items() if name != "populations"}
    return Inputs(figures, tuple(_population(each) for each in rows))


def _figure(name: str, given: Any) -> Input:
    if not isinstance(given, dict) or given.keys() != {"value", *_TEXTS} or not _is_number(given["value"]):
        raise InvalidInput("SIZING_FIGURE", name=name[:60])
    if not all(isinstance(given[each], str) and given[each] for each in _TEXTS) or given["origin"] not in list(Origin):
        raise InvalidInput("SIZING_FIGURE", name=name[:60])
    return Input(name=name, **{**given, "value": float(given["value"]), "origin": Origin(given["origin"])})


def _population(given: Any) -> Population:
    names = {"name": str, "patients": int, "networks": int, "meaning": str}
    if not isinstance(given, dict) or given.keys() != names.keys():
        raise InvalidInput("SIZING_POPULATIONS")
    if any(type(given[name]) is not kind or not given[name] for name, kind in names.items()):
        raise InvalidInput("SIZING_POPULATIONS")
    if given["patients"] < 0 or given["networks"] < 0:
        raise InvalidInput("SIZING_POPULATIONS")
    return Population(**given)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0
