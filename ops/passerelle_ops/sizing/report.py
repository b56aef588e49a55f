"""What `passerelle sizing` shows: tables for people, the same figures as JSON, and the table of docs/scaling.md."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final

from rich.markup import escape

from passerelle_ops.sizing.arithmetic import ceilings, sized
from passerelle_ops.sizing.inputs import Inputs, Origin
from passerelle_ops.terminal import output, table

_DIGITS: Final = 3
_ORIGINS: Final = {
    Origin.MEASURED: "mesuré",
    Origin.SET: "réglé",
    Origin.PUBLISHED: "publié",
    Origin.ASSUMED: "[yellow]supposé[/]",
}
_UNITS: Final = {
    "octets": "o", "octets/s": "o/s", "1/year": "par an", "1/s": "/s",
    "1": "", "s": "s", "h": "h", "ms": "ms", "µs": "µs",
}  # fmt: skip
_COUNTED: Final = {"cores": "cœur", "objects": "objet", "year": "an"}
#: What a size is divided by, its letter, and its French word for what is not octets.
_SCALES: Final = (
    (1e15, "P", "billiards"),
    (1e12, "T", "billions"),
    (1e9, "G", "milliards"),
    (1e6, "M", "millions"),
    (1e3, "k", ""),
)


def as_document(inputs: Inputs) -> dict[str, Any]:
    """Inputs, figures by population, and ceilings, rounded as they are shown."""
    return {
        "inputs": {
            name: {"value": each.value, "unit": each.unit, "origin": each.origin.value, "source": each.source}
            for name, each in inputs.figures.items()
        },
        "populations": {
            each.name: {
                "patients": each.patients,
                "networks": each.networks,
                "figures": {one.name: {"value": _rounded(one.value), "unit": one.unit} for one in sized(inputs, each)},
            }
            for each in inputs.populations
        },
        "ceilings": {each.name: _rounded(each.patients) for each in ceilings(inputs)},
    }


def as_markdown(inputs: Inputs) -> str:
    """The two tables of docs/scaling.md."""
    names = [each.name for each in inputs.populations]
    lines = [f"| figure | unit | {' | '.join(names)} |", f"| --- | --- |{' ---: |' * len(names)}"]
    for same in zip(*(sized(inputs, each) for each in inputs.populations), strict=True):
        values = (_written(each.value) for each in same)
        lines.append(f"| `{same[0].name}` | {same[0].unit} | {' | '.join(values)} |")
    lines += ["", "| one server is outgrown by | patients |", "| --- | ---: |"]
    lines += [f"| `{each.name}` | {_written(each.patients)} |" for each in ceilings(inputs)]
    return "\n".join(lines) + "\n"


def show(inputs: Inputs) -> None:
    """The figures of each population, and what one server carries."""
    rows = [
        (words()[same[0].name], *(scaled(each.value, each.unit) for each in same))
        for same in zip(*(sized(inputs, each) for each in inputs.populations), strict=True)
    ]
    columns = ("Chiffre", *(escape(each.name) for each in inputs.populations))
    caption = "\n".join(f"{escape(each.name)} : {escape(each.meaning)}" for each in inputs.populations)
    output().print(table("Ce qu’il faut", columns, rows, caption=caption))
    limits = [(words()[each.name], scaled(each.patients, "1")) for each in ceilings(inputs)]
    output().print(table("Patients d’un réseau que porte un serveur à lui", ("Ce qui l’arrête", "Patients"), limits))


def show_inputs(inputs: Inputs) -> None:
    """Each input with its origin and its source."""
    rows = (
        (name, escape(each.meaning), scaled(each.value, each.unit), _ORIGINS[each.origin], escape(each.source))
        for name, each in inputs.figures.items()
    )
    columns = ("Nom", "Sens", "Valeur", "Origine", "Source")
    output().print(table("D’où partent les calculs", columns, rows, whole=("Nom", "Valeur")))


@cache
def words() -> Mapping[str, str]:
    return {
        name: str(each)
        for name, each in tomllib.loads(files(__package__).joinpath("words.toml").read_text("utf-8")).items()
    }


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _written(value: float) -> str:
    """Three digits and the letter of the scale."""
    rounded = _rounded(value)
    size, letter, _ = _scale(rounded)
    return f"{_rounded(rounded / size):g} {letter}".strip()


def scaled(value: float, unit: str) -> str:
    """Three digits, in the scale and with the comma of French."""
    rounded = _rounded(value)
    if unit == "share":
        return f"{_comma(rounded * 100)} %"
    size, letter, word = _scale(rounded)
    if unit.startswith("octets"):
        return f"{_comma(rounded / size)} {letter}{_UNITS[unit]}"
    if not word:
        size = 1.0
    number = _comma(rounded / size) if word else f"{rounded:,.10g}".replace(",", " ").replace(".", ",")
    scale = word if rounded / size >= 2 else word.removesuffix("s")
    return " ".join(filter(None, (number, scale, _named(unit, rounded, is_scaled=bool(word)))))


def _named(unit: str, value: float, *, is_scaled: bool) -> str:
    """What is counted, as French has it: singular below two, and « d’objets » behind a million."""
    if (one := _COUNTED.get(unit)) is None:
        return _UNITS[unit]
    if is_scaled:
        return f"{'de ' if one.startswith('c') else 'd’'}{one}s"
    return one if value < 2 else f"{one}s"


def _scale(value: float) -> tuple[float, str, str]:
    return next((each for each in _SCALES if value >= each[0]), (1.0, "", ""))


def _comma(value: float) -> str:
    return f"{_rounded(value):g}".replace(".", ",")


def names_shown(inputs: Inputs) -> Sequence[str]:
    """Whatever needs its words."""
    first = inputs.populations[0]
    return [*(each.name for each in sized(inputs, first)), *(each.name for each in ceilings(inputs))]
