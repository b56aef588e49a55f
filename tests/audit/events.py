"""An event that stands for any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from passerelle.audit.outbox import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Rang(Event):
    """A bell rang so many times."""

    name: ClassVar[str] = "house.bell_rang"
    times: int
