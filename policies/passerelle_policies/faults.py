"""What is wrong with a rule pack, in a code and a French sentence (`faults.toml`)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: its code, the line, parameter, type or file that it is about, and the sentence."""

    code: str
    about: str
    sentence: str


def fault(code: str, about: str, **fields: str) -> Fault:
    """The fault of that code."""
    return Fault(code, about, _sentences()[code].format_map({"about": about, **fields}))


@cache
def _sentences() -> Mapping[str, str]:
    text = files("passerelle_policies").joinpath("faults.toml").read_text("utf-8")
    return {code: str(sentence) for code, sentence in tomllib.loads(text).items()}
