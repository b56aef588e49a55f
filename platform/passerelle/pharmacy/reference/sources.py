"""Where reference data come from."""

from __future__ import annotations

from enum import StrEnum


class Source(StrEnum):
    """Whose data it is: the public list of medicines, or the thesaurus of interactions."""

    BDPM = "bdpm"
    INTERACTIONS = "interactions"


class Origin(StrEnum):
    """Published by its authority, or the small set that ships with the project."""

    PUBLISHED = "published"
    STARTER = "starter"
