"""The table of acts that are worth one another: codes that can be so, each of one act, each act with its source."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from importlib.resources import files
from typing import Any, Final

import pytest

from passerelle.dossier import equivalents
from tests.formats.samples import SHARED, needs_shared

_TABLE: Final[dict[str, Any]] = tomllib.loads(
    files("passerelle.dossier").joinpath("equivalents.toml").read_text("utf-8")
)
_CODES: Final[list[str]] = [code for act in _TABLE["acts"] for code in act["codes"]]
_CCAM: Final = re.compile(r"CCAM:[A-Z]{4}[0-9]{3}")
LOINC, CCAM = "2.16.840.1.113883.6.1", "1.2.250.1.215.300.1"


def _is_loinc(code: str) -> bool:
    """Digits, a hyphen and their check digit (Mod 10)."""
    number, _, check = code.partition("-")
    doubled = [int(each) * (1 if place % 2 else 2) for place, each in enumerate(reversed(number))]
    return check == str(-sum(each // 10 + each % 10 for each in doubled) % 10)


def test_each_code_can_be_one_and_is_of_one_act() -> None:
    assert [each for each, times in Counter(_CODES).items() if times > 1] == []
    for each in _CODES:
        system, _, code = each.partition(":")
        assert _is_loinc(code) if system == "LOINC" else _CCAM.fullmatch(each), each
    assert not _is_loinc("5334-0")
    assert len([each for each in _CODES if each.startswith("LOINC:")]) >= 150
    assert len({act["name"] for act in _TABLE["acts"]}) == len(_TABLE["acts"]) >= 100


def test_each_act_names_its_sources_and_its_chapter() -> None:
    for act in _TABLE["acts"]:
        assert act["source"], act
        assert set(act["source"]) <= set(_TABLE["sources"]), act
        is_imaging = any(each.startswith("CCAM:") for each in act["codes"])
        assert is_imaging or act["chapter"] in _TABLE["chapters"]["LOINC"], act


@needs_shared
def test_what_is_said_to_be_published_by_the_ans_is() -> None:
    """Each act of that source has a code that some value set or sample names; no other has any."""
    published: set[str] = set()
    for folder in ("terminology/jdv-2025", "terminology/tre-2021", "cda"):
        for path in sorted((SHARED / folder).rglob("*.xml")):
            published.update(
                re.findall(r'code="([0-9]{1,5}-[0-9]|[A-Z]{4}[0-9]{3})"', path.read_text("utf-8", "replace"))
            )
    for act in _TABLE["acts"]:
        is_published = any(each.partition(":")[2] in published for each in act["codes"])
        assert is_published == ("ANS" in act["source"]), act["name"]


@pytest.mark.parametrize(
    ("asked", "worth", "not_worth"),
    [
        ("2160-0", "14682-9", "35591-7"),  # in mass or in moles; not what is calculated from it
        ("4548-4", "59261-8", "27353-2"),  # a fraction of haemoglobin; not an estimated mean glucose
        ("58410-2", "6690-2", "718-7"),  # the panel has leucocytes; haemoglobin is measured alone too
        ("777-3", "26515-7", "32623-1"),  # not the mean volume of platelets
        ("3016-3", "11580-8", "29575-8"),  # not the spot of a newborn
        ("ACQK001", "30799-1", "24727-0"),  # with and without contrast are not worth each other
    ],
)
def test_what_is_worth_an_act(asked: str, worth: str, not_worth: str) -> None:
    found = equivalents._worth(asked, CCAM if asked.isalnum() else LOINC).equivalent
    assert f"{LOINC}|{worth}" in found
    assert f"{LOINC}|{not_worth}" not in found
