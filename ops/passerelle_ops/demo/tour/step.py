"""One visit of the tour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from passerelle_ops.demo.people import DemoPerson, Part
from passerelle_ops.demo.visit import Visit

REFUSED = "refusé (ACCESS_REFUSED)"
BEAT_SECONDS: Final = 90.0
"""How long a tour waits for what the worker does every minute, or as it starts: a turn that failed comes again."""


@dataclass(frozen=True, slots=True)
class Step:
    """One visit: who comes, what is asked, what must be seen, and how to see it."""

    name: str
    actor: str
    asked: str
    expected: str
    seen: Callable[[Visit], str]


def name_of(visit: Visit, part: Part) -> str:
    """The name of a professional of the story."""
    return visit.cast.professionals[part].name


def count(who: Part | DemoPerson, patient: DemoPerson, **filters: object) -> Callable[[Visit], str]:
    """How many documents someone sees in a record, or why none."""
    return lambda v: v.document_count(v.token(who), patient, **filters)
