"""Names fold, turn the right way and lose their salts; codes are checked; classes of products are told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.pharmacy.reference.cip import is_cip13
from passerelle.pharmacy.reference.names import folded, known_as, substance_name
from passerelle.pharmacy.reference.product_classes import product_class
from passerelle.pharmacy.reference.thesaurus import families_of, levels


@pytest.mark.parametrize(
    ("written", "listed"),
    [
        ("CHLORHYDRATE DE SERTRALINE", "sertraline"),
        ("SERTRALINE (CHLORHYDRATE DE)", "sertraline"),
        ("ÉNALAPRIL (MALÉATE D')", "enalapril"),
        ("MALÉATE D’ÉNALAPRIL", "enalapril"),
        ("FUSIDIQUE (ACIDE)", "acide fusidique"),
        ("AMOXICILLINE TRIHYDRATÉE", "amoxicilline"),
        ("LÉVOTHYROXINE SODIQUE ANHYDRE", "levothyroxine"),
        ("CARBONATE DE CALCIUM", "calcium"),
        ("CALCIUM (CHLORURE DE) DIHYDRATÉ", "calcium"),
        ("VALPROATE DE SODIUM", "acide valproique"),
        ("INSULINE ASPARTE ", "insuline"),
        ("VIRUS DE LA ROUGEOLE (SOUCHE EDMONSTON ENDERS) (VIVANT, ATTÉNUÉ) ", "virus de la rougeole"),
    ],
)
def test_a_substance_is_known_by_the_name_of_the_thesaurus(written: str, listed: str) -> None:
    assert listed in known_as([written])
    assert known_as([written])[0] == substance_name(written)


@given(st.text(max_size=60))
def test_folding_twice_is_folding_once(name: str) -> None:
    once = folded(name)
    assert folded(once) == once
    assert not name.isascii() or folded(name.upper()) == once
    assert set(once) <= set("abcdefghijklmnopqrstuvwxyz0123456789 ")
    assert once == once.strip()
    assert "  " not in once
    for each in known_as([name]):
        assert each
        assert each == folded(each)


@given(st.text("0123456789", min_size=12, max_size=12))
def test_one_check_digit_in_ten_is_right_and_a_wrong_digit_is_found(digits: str) -> None:
    right = [digits + key for key in "0123456789" if is_cip13(digits + key)]
    assert len(right) == 1
    for place in range(13):
        wrong = str((int(right[0][place]) + 1) % 10)
        assert not is_cip13(right[0][:place] + wrong + right[0][place + 1 :])
    assert not is_cip13(right[0] + "0")


@pytest.mark.parametrize(
    ("description", "columns", "expected"),
    [
        ("CONTRE-INDICATION Risque.", {}, [4]),
        ("Association DECONSEILLEE Majoration.", {}, [3]),
        ("Precaution d'emploiPar prudence.", {}, [2]),
        ("À prendre en compte : sédation.", {}, [1]),
        ("CI - ASDEC - APEC Contre-indication avec : …", {}, [4, 3, 1]),
        ("ASDEC - PE Association deconseillee : …", {"pe": "…", "ad": "…"}, [3, 2]),
        ("Selon le cas.", {"ci": " ", "pc": "avec prudence"}, [1]),
        ("CIMETIDINE et autres", {}, []),
        ("", {}, []),
    ],
)
def test_every_level_of_a_pair_is_read(description: str, columns: dict[str, str], expected: list[int]) -> None:
    assert levels(description, columns) == expected


def test_remarks_tell_families_and_members() -> None:
    assert list(families_of("ALFUZOSINE", "Voir aussi : alphabloquants - médicaments abaissant la pression")) == [
        ("alfuzosine", "alphabloquants"),
        ("alfuzosine", "medicaments abaissant la pression"),
    ]
    listed = "Prudence (toujours).(abciximab (c 7e3b fab), sodium (bicarbonate de), or)"
    assert [member for member, _ in families_of("FAMILLE", listed)] == [
        "abciximab c 7e3b fab",
        "bicarbonate de sodium",
        "or",
    ]
    assert list(families_of("FAMILLE", "(coupée, ici")) == [("coupee", "famille"), ("ici", "famille")]
    assert list(families_of("FAMILLE", "Rien à lister.")) == []


@pytest.mark.parametrize(
    ("atc", "name", "substances", "expected"),
    [
        ("J07BC01", "", (), "vaccine"),
        ("L04AB04", "", (), "biologic"),
        ("N02BE01", "VACCIN", ("INSULINE",), "medicine"),
        (None, "REVAXIS, suspension injectable. Vaccin diphtérique", (), "vaccine"),
        (None, "X", ("RITUXIMAB ",), "biologic"),
        (None, "X", ("ÉPOÉTINE ALFA",), "biologic"),
        (None, "DOLIPRANE", ("PARACÉTAMOL",), "medicine"),
    ],
)
def test_the_class_of_a_product(atc: str | None, name: str, substances: tuple[str, ...], expected: str) -> None:
    assert product_class(atc, name, substances) == expected
