"""Single values from outside: trimmed, bounded, and read by the conventions of the CI-SIS.

Sources: CI-SIS, volet Structuration minimale des documents de santé; ANS, identifiants des professionnels
et des structures (IdNat_PS, IdNat_Struct); JDV_J58 for visibility.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from passerelle.dossier.formats.submission import RPPS_DOMAIN, STRUCTURE_DOMAIN
from passerelle.kernel.errors import InvalidInput, LimitExceeded

MAX_KEY: Final = 256
"""Characters of an identifier or code: an OID of 64, a circumflex and what producers add, twice over."""
MAX_TEXT: Final = 1000

_UNSTORABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_PROFESSION: Final = re.compile(r"G15_(\d{1,3})(?:/(\w+))?", re.ASCII)
_CONFIDENTIALITY: Final = frozenset({"N", "R", "V"})
_REPRESENTATIVES: Final = frozenset({"INVISIBLE_REPRESENTANTS_LEGAUX", "INVISIBLE_REP_LEGAUX"})


def text(value: str | None, field: str, *, limit: int = MAX_TEXT) -> str | None:
    """`value` with its blanks collapsed; None when nothing is left.

    Refused: VALUE_TOO_LONG over `limit` characters, VALUE_MALFORMED for a character that is no text.
    """
    if value is None:
        return None
    collapsed = " ".join(value.split())
    if not collapsed:
        return None
    if len(collapsed) > limit:
        raise LimitExceeded("VALUE_TOO_LONG", field=field, limit=limit)
    if _UNSTORABLE.search(collapsed):
        raise InvalidInput("VALUE_MALFORMED", field=field)
    return collapsed


def key(value: str | None, field: str) -> str | None:
    """An identifier or a code: like `text`, with the shorter limit."""
    return text(value, field, limit=MAX_KEY)


def professional_id(oid: str | None, value: str) -> str:
    """The 11-digit RPPS number when `value` is one, with or without its prefix 8; else `value`."""
    if oid == RPPS_DOMAIN and len(value) == 12 and value[0] == "8" and value.isascii() and value.isdigit():
        return value[1:]
    return value


def structure_id(oid: str | None, value: str) -> str:
    """The 9-character FINESS number when `value` is one with its prefix 1; else `value`."""
    if oid == STRUCTURE_DOMAIN and len(value) == 10 and value[0] == "1":
        return value[1:]
    return value


class Profession(NamedTuple):
    """A profession of TRE_G15 and a specialty (savoir-faire) within it."""

    code: str | None
    specialty: str | None


def profession(code: str | None) -> Profession:
    """Split `G15_10/SM26` into `10` and `SM26`; a code of another list stays whole."""
    match = _PROFESSION.fullmatch(code or "")
    return Profession(match[1], match[2]) if match else Profession(code, None)


class Visibility(NamedTuple):
    """What the confidentiality codes of a document say."""

    confidentiality: str = "N"
    masked: bool = False
    hidden_from_patient: bool = False
    hidden_from_representatives: bool = False


def visibility(codes: Iterable[str]) -> Visibility:
    """Read confidentiality codes (JDV_J58, and the HL7v2 spelling of the third visibility code).

    Refused: VISIBILITY_CUMULATED when a document is both masked and hidden from the patient, which JDV_J58
    forbids; CONFIDENTIALITY_UNKNOWN for a code outside the list.
    """
    confidentiality, flags = "N", set[str]()
    for code in codes:
        if code in _CONFIDENTIALITY:
            confidentiality = code
        elif code in {"MASQUE_PS", "INVISIBLE_PATIENT"}:
            flags.add(code)
        elif code in _REPRESENTATIVES:
            flags.add("INVISIBLE_REPRESENTANTS_LEGAUX")
        else:
            raise InvalidInput("CONFIDENTIALITY_UNKNOWN")
    if {"MASQUE_PS", "INVISIBLE_PATIENT"} <= flags:
        raise InvalidInput("VISIBILITY_CUMULATED")
    return Visibility(
        confidentiality,
        "MASQUE_PS" in flags,
        "INVISIBLE_PATIENT" in flags,
        "INVISIBLE_REPRESENTANTS_LEGAUX" in flags,
    )
