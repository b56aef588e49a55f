"""Where reference data come from."""

from __future__ import annotations

from enum import StrEnum


class Source(StrEnum):
    """Whose data it is: the public list of medicines, or the thesaurus of interactions."""

    BDPM = "bdpm"
    INTERACTIONS = "interactions"


class ReferenceOrigin(StrEnum):
    """Published by its authority, or the small set that ships with the project."""

    PUBLISHED = "published"
    STARTER = "starter"


class ShortageStatus(StrEnum):
    """What the ANSM says of a medicine's availability."""

    OUT = "out"
    STRAINED = "strained"
    STOPPED = "stopped"
    BACK = "back"


class SubstanceNature(StrEnum):
    """What the composition says of a substance: SA, FT."""

    ACTIVE = "SA"
    FRACTION = "FT"
