"""What is signed and hashed has one way to be written, the documented one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.audit.verifier import canonical, read_json

NUMBERS = st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=6)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(VALUES)
def test_the_canonical_form_is_one(value: Any) -> None:
    text = canonical(value)
    assert canonical(read_json(text)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, None, "é\n\u2028"]}, '{"a":[true,null,"é\\n\u2028"],"b":1}'),
        (Decimal("1.50"), "1.5"),
        (Decimal("100.00"), "100"),
        (Decimal("-0.0"), "0"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1E-7"), "0.0000001"),
        (Decimal("0.10000000000000000000000000000000001"), "0.10000000000000000000000000000000001"),
        ({"x": Decimal("2.0"), "é": 12345678901234567890}, '{"x":2,"é":12345678901234567890}'),
    ],
)
def test_the_canonical_form_is_the_documented_one(value: Any, text: str) -> None:
    assert canonical(value) == text.encode()
