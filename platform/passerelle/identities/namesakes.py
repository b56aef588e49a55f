"""The family names that someone may bear, and the patients who bear one: for signs of kinship, never for a match."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, literal, select

from passerelle.identities.patients import folded
from passerelle.identities.tables import patient

_SHORTEST = 3  # « de », « le » alone are nobody's name


def family_names(name: str) -> set[str]:
    """The folded family names within a full name, given name first: « Anne Le Gall-Roux » may be a Le Gall, a Gall
    or a Roux. The first word counts only when it is alone."""
    words = name.split()
    words = words[1:] or words
    ends = {folded("".join(words[start:])) for start in range(len(words))}
    pieces = " ".join(words).split("-")
    parts = {folded(piece) for piece in pieces} | {folded(part) for word in words for part in word.split("-")}
    return {each for each in ends | parts if len(each) >= _SHORTEST}


def is_named(patient_id: ColumnElement[Any], family_name: ColumnElement[Any]) -> ColumnElement[bool]:
    """SQL condition: this patient was born under this (folded) family name."""
    return select(literal(1)).where(patient.c.patient_id == patient_id, patient.c.search_name == family_name).exists()
