"""Columns of a bundle as PostgreSQL reads arrays, written at once: a hundred values one by one cost more than the rest.

What an envelope said goes through here: nothing but these shapes reaches an array. Raises ValueError, TypeError.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_HEX_DIGITS: Final = 32


def ids(given: Sequence[str]) -> str:
    """UUIDs, each as 32 hexadecimal digits."""
    digits = "".join(given)
    if bytes.fromhex(digits).hex() != digits or any(len(each) != _HEX_DIGITS for each in given):
        raise ValueError("not the digits of a UUID")
    return _array(given)


def numbers(given: Sequence[int]) -> str:
    if any(type(each) is not int for each in given):
        raise TypeError("not a number")
    return _array([str(each) for each in given])


def words(given: Sequence[str]) -> str:
    """Names of kinds, answers and codes."""
    if not all(each.isidentifier() and each.isascii() for each in set(given)):
        raise ValueError("not a word")
    return _array([f'"{each}"' for each in given])


def _array(given: Sequence[str]) -> str:
    return "{" + ",".join(given) + "}"
