"""What other networks answer of a patient; `context.RecordsElsewhere` asks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What became of one network's part of an answer: `state` is a word of the manifest, `as_of` how fresh it is."""

    network: str
    name: str
    state: str
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordElsewhere:
    """What a patient's home shows of his record to who asked from here, and every network's part.

    `documents` have the names of a document of the record; empty where nobody answered: `parts` says so.
    """

    home: str | None
    documents: Sequence[Mapping[str, Any]]
    has_next: bool
    total: int | None
    since: datetime | None
    parts: Sequence[Part]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Which octets of a content: `[start:stop]`, and whether they continue a reading that has its journal line."""

    start: int = 0
    stop: int | None = None
    continues: bool = False
