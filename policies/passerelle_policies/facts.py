"""What a decision is asked about, and what it answers."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from itertools import count
from operator import attrgetter
from types import MappingProxyType
from typing import TypeAlias

from passerelle_policies.vocabulary import (
    DocumentStatus,
    Mode,
    Purpose,
    RecordState,
    Relation,
    Role,
    Setting,
)

FactValue: TypeAlias = str | bool | tuple[str, ...] | None
_AT_MOST = 100_000
_that_decide = attrgetter(
    "role", "relations", "dossier_state", "mode", "blocked", "emergency_objection", "day", "setting"
)  # the purpose decides nothing
_of_document = attrgetter(
    "type_code", "status", "masked", "hidden_from_patient", "hidden_from_representatives", "by_actor", "withheld"
)
NO_FACTS: Mapping[str, FactValue] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFacts:
    """What a decision about one document needs.

    `by_actor`: the actor is one of its authors; for an establishment, it comes from there. For
    a document about to be published, the flags are those it would have; for a replacement, the facts are those of
    the version replaced. `withheld`: the patient keeps this document from this professional. `number` is one for all
    that a decision cannot tell apart, within this process.
    """

    type_code: str
    status: DocumentStatus
    masked: bool
    hidden_from_patient: bool
    hidden_from_representatives: bool
    by_actor: bool
    withheld: bool = False
    number: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "number", _number_of(_of_document(self)))

    def as_json(self) -> dict[str, str | bool]:
        """The facts by name, as the journal keeps them."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.init}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What holds between an actor and a patient on a day. `dossier_state` is None where there is no record; of what
    the pharmacy record holds, it is that record's.

    `relations` need not name NONE, which everyone has. AUTHOR in it says that the record holds a document of the
    actor: it opens the record, and counts for a document only by `DocumentFacts.by_actor`.
    `emergency_objection`: the patient objected beforehand to any opening in an emergency (L.1111-17 I).
    `number` is one for all that a decision cannot tell apart, within this process.
    """

    role: Role
    relations: frozenset[Relation]
    blocked: bool
    dossier_state: RecordState | None
    mode: Mode
    purpose: Purpose
    day: date
    emergency_objection: bool = False
    setting: Setting = Setting.NONE
    number: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "number", _number_of(_that_decide(self)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer. `rule` and `source` say why; `pack`, by which rules; `code` is what the refused is told.

    `sentence` explains in French to the patient and the data-protection officer, `facts_used` are the facts that the
    rule looked at: neither is ever shown to the refused, who must not learn of a block or of a masked document.
    `sentence_for_professional` is for whoever asked, citizen or task included: by what title he is let in, or how to
    get access, with nothing about what is there.
    """

    allowed: bool
    rule: str
    source: str
    code: str | None
    pack: str
    sentence: str
    sentence_for_professional: str = ""
    facts_used: Mapping[str, FactValue] = field(default_factory=lambda: NO_FACTS, hash=False)

    def as_json(self) -> dict[str, object]:
        """The decision as a JSON object."""
        return {each.name: getattr(self, each.name) for each in fields(self)} | {"facts_used": dict(self.facts_used)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """One line of the filter: whoever holds any of these relations reaches these types, through these concealments.

    `types` is empty where no document is meant. NONE among `relations` means anyone of the role.
    """

    relations: frozenset[Relation]
    types: tuple[str, ...]
    sees_masked: bool
    sees_hidden_from_patient: bool
    sees_hidden_from_representatives: bool
    rule: str

    def shows(self, document: DocumentFacts) -> bool:
        """Whether the type is reached and nothing conceals the document from this line."""
        return (
            document.type_code in self.types
            and (self.sees_masked or not document.masked)
            and (self.sees_hidden_from_patient or not document.hidden_from_patient)
            and (self.sees_hidden_from_representatives or not document.hidden_from_representatives)
        )


def _number_of(key: Hashable) -> int:
    """A number that no other key ever has: what a kept decision is found by, in a fifth of the time of the key."""
    number = _numbers.get(key)
    if number is None:
        if len(_numbers) >= _AT_MOST:
            _numbers.clear()  # the numbers given go on: a new one is never an old one
        number = _numbers[key] = next(_next_number)
    return number


_numbers: dict[Hashable, int] = {}
_next_number = count()
