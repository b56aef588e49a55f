"""The codes of a presentation (CIP), of a speciality (CIS) and of a hospital's unit (UCD), and whether they can be so.

The public lists do not name units: a UCD is never found in them, and is told by its system.
"""

from __future__ import annotations

import re

_CIP13 = re.compile(r"\A[0-9]{13}\Z")
_CIP7 = re.compile(r"\A[0-9]{7}\Z")
_UCD7 = re.compile(r"\A9[0-9]{6}\Z")
_UCD13, _LONG = "34008", 13
_CIS = re.compile(r"\A[0-9]{8}\Z")


def is_cip13(code: str) -> bool:
    """Thirteen digits whose last is the check digit of the others (GS1: weights 1 and 3, modulo 10)."""
    if not _CIP13.match(code):
        return False
    return (sum(map(int, code[::2])) + 3 * sum(map(int, code[1::2]))) % 10 == 0


def is_cip7(code: str) -> bool:
    """Seven digits: the national part of a CIP13, as it was alone before 2009."""
    return bool(_CIP7.match(code))


def is_cis(code: str) -> bool:
    """Eight digits."""
    return bool(_CIS.match(code))


def is_ucd(code: str) -> bool:
    """A unit of dispensing in hospitals: thirteen digits of its own range with their check digit, or seven."""
    return code.startswith(_UCD13) and is_cip13(code) if len(code) == _LONG else bool(_UCD7.match(code))


def said_code(code: str) -> str:
    """A code as people name it, with the system that it is of."""
    return f"{'UCD' if is_ucd(code) else 'CIP'} {code}"
