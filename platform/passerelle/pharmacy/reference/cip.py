"""The codes of a presentation (CIP) and of a speciality (CIS), and whether they can be what they claim."""

from __future__ import annotations

import re

_CIP13 = re.compile(r"\A[0-9]{13}\Z")
_CIP7 = re.compile(r"\A[0-9]{7}\Z")
_CIS = re.compile(r"\A[0-9]{8}\Z")


def is_cip13(code: str) -> bool:
    """Thirteen digits whose last is the check digit of the others (GS1: weights 1 and 3, modulo 10)."""
    if not _CIP13.match(code):
        return False
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(code))
    return total % 10 == 0


def is_cip7(code: str) -> bool:
    """Seven digits: the national part of a CIP13, as it was alone before 2009."""
    return bool(_CIP7.match(code))


def is_cis(code: str) -> bool:
    """Eight digits."""
    return bool(_CIS.match(code))
