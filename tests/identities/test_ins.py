"""The INS: keys, warnings, what a patient may be known by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.identities.ins import (
    INS_C,
    NIA,
    NIR,
    NIR_DEMO,
    NIR_TEST,
    IdentityStatus,
    Ins,
    check,
    current,
    is_test_oid,
    key_of,
)

departments = st.one_of(st.integers(1, 99).map(lambda n: f"{n:02d}"), st.sampled_from(["2A", "2B"]))
numbers = st.builds(
    lambda sex, year, month, department, rest: f"{sex}{year:02d}{month:02d}{department}{rest:06d}",
    st.sampled_from("12"),
    st.integers(0, 99),
    st.integers(1, 12),
    departments,
    st.integers(0, 999_999),
)


@given(numbers)
def test_the_right_key_is_accepted_and_every_other_one_is_told(number: str) -> None:
    right = key_of(number)
    assert check(Ins(NIR, number + right)) == []
    wrong = f"{(int(right) + 1) % 100:02d}"
    assert check(Ins(NIR, number + wrong)) == ["INS_KEY_WRONG"]
    assert check(Ins(NIR, number)) == ["INS_WITHOUT_KEY"]


@given(numbers)
def test_the_key_is_that_of_the_reference_formula(number: str) -> None:
    digits = number[:5] + number[5:7].replace("2A", "19").replace("2B", "18") + number[7:]
    assert int(key_of(number)) == 97 - int(digits) % 97


@pytest.mark.parametrize(
    ("value", "warnings"),
    [
        ("279035121518989", []),  # patient of the ANS samples
        ("279035121518988", ["INS_KEY_WRONG"]),
        ("2 79 03 51 215 189 89", []),
        ("253072a07300443", []),
        ("2401192050628", ["INS_WITHOUT_KEY"]),
        ("0218805328320789819507", ["INS_MALFORMED"]),
        ("", ["INS_MALFORMED"]),
        ("27903512151898٩", ["INS_MALFORMED"]),
    ],
)
def test_what_is_said_of_a_matricule(value: str, warnings: list[str]) -> None:
    assert check(Ins(NIR, value)) == warnings


@given(st.text(max_size=30), st.sampled_from([NIR, NIA, NIR_TEST, NIR_DEMO, INS_C, "1.2.3"]))
def test_no_value_breaks_the_check(value: str, oid: str) -> None:
    warnings = check(Ins(oid, value))
    assert set(warnings) <= {"INS_MALFORMED", "INS_WITHOUT_KEY", "INS_KEY_WRONG", "INS_C_DEAD"}


def test_a_dead_or_local_or_malformed_identifier_names_nobody() -> None:
    dead, local, malformed = Ins(INS_C, "0218805328320789819507"), Ins("1.2.3", "42"), Ins(NIR, "inconnu")
    assert current((dead, local, malformed)) is None
    assert check(dead) == ["INS_C_DEAD"]
    assert check(local) == []


def test_production_goes_before_test() -> None:
    real, test = Ins(NIA, "279035121518989"), Ins(NIR_TEST, "279035121518989")
    assert current((test, real)) == real
    assert [is_test_oid(each.oid) for each in (real, test)] == [False, True]


def test_two_notations_of_one_ins_share_their_number() -> None:
    assert Ins(NIR, "2401192050628").number == Ins(NIR, "2 40 11 92 050 628 12").number


@pytest.mark.parametrize("number", ["", "123", "279035121518989", "27903512151X9"])
def test_a_key_is_for_thirteen_characters(number: str) -> None:
    with pytest.raises(ValueError, match="13 characters"):
        key_of(number)


@pytest.mark.parametrize(
    ("code", "has_ins", "status"),
    [
        ("PROV", False, IdentityStatus.PROVISIONAL),
        ("PROV", True, IdentityStatus.RETRIEVED),
        ("VALI", False, IdentityStatus.VALIDATED),
        (" vali ", True, IdentityStatus.QUALIFIED),
        ("QUAL", False, None),
        ("DOUTE", True, None),
        ("", True, None),
    ],
)
def test_the_status_behind_a_reliability_code(code: str, has_ins: bool, status: IdentityStatus | None) -> None:
    assert IdentityStatus.of_reliability(code, has_ins=has_ins) is status
