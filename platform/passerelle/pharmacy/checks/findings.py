"""What a check says: findings, each with the table that it comes from, and what could not be checked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum, StrEnum
from functools import cached_property
from hashlib import sha256
from typing import NamedTuple

from passerelle.kernel import messages
from passerelle.pharmacy.checks.items import Facet, Item


class FindingCode(StrEnum):
    """What is wrong."""

    INTERACTION = "CHECK_INTERACTION"
    SAME_SUBSTANCE = "CHECK_SAME_SUBSTANCE"
    SAME_CLASS = "CHECK_SAME_CLASS"
    EARLY_RENEWAL = "CHECK_EARLY_RENEWAL"
    ALLERGY = "CHECK_ALLERGY"
    SHORTAGE = "CHECK_SHORTAGE"
    PROTOCOL_OVERLAP = "CHECK_PROTOCOL_OVERLAP"


class InteractionLevel(IntEnum):
    """The four constraints of the ANSM's thesaurus, the heaviest last."""

    TO_CONSIDER = 1  # à prendre en compte
    CAUTION = 2  # précaution d'emploi
    ADVISED_AGAINST = 3  # association déconseillée
    CONTRAINDICATED = 4  # contre-indication


class TableName(StrEnum):
    """Where a finding comes from."""

    INTERACTIONS = "interactions"
    MEDICINES = "medicines"
    HISTORY = "history"
    DOCUMENTS = "documents"
    PROTOCOLS = "protocols"


@dataclass(frozen=True, slots=True)
class Source:
    """A table and its date; none for what is no table."""

    table: TableName
    dated: date | None = None


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another medicine of the same generic group."""

    cis: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What a pharmacist dispensed in spite of a warning, and why."""

    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, eq=False, kw_only=True)
class Alert:
    """What a finding says, of whichever products. `between` are the names by which it was found: substances, families,
    a class. `sentence` is for the pharmacist, `advice` what the table adds to it.

    `lasts`: it comes of a public table alone, and is the same object as long as that edition is kept.
    """

    code: FindingCode
    source: Source
    sentence: str
    level: InteractionLevel | None = None
    between: tuple[str, ...] = ()
    advice: str = ""
    alternatives: tuple[Alternative, ...] = ()
    lasts: bool = False

    @cached_property
    def rank(self) -> str:
        """Where it is read among others, the heaviest first: sorts as (level, code, `between`) would, in less time."""
        return "\x01".join((f"{9 - (self.level or 0)}{_ORDER[self.code]}", *self.between)) + "\x00"

    @cached_property
    def words(self) -> str:
        """What it gives to the key of a finding."""
        return "\x1f".join((self.code, str(int(self.level or 0)), *self.between, "", ""))


class Finding(NamedTuple):
    """One warning. `about` are the names of its products in their order, `override` what stands under its key."""

    alert: Alert
    products: tuple[Item, ...]
    about: tuple[str, ...]
    override: Override | None = None

    @property
    def code(self) -> FindingCode:
        return self.alert.code

    @property
    def source(self) -> Source:
        return self.alert.source

    @property
    def sentence(self) -> str:
        return self.alert.sentence

    @property
    def level(self) -> InteractionLevel | None:
        return self.alert.level

    @property
    def between(self) -> tuple[str, ...]:
        return self.alert.between

    @property
    def advice(self) -> str:
        return self.alert.advice

    @property
    def alternatives(self) -> tuple[Alternative, ...]:
        return self.alert.alternatives

    @property
    def place(self) -> str:
        """Where it is read among others; the same for the same warning about the same products."""
        return self.alert.rank + "\x01".join(self.about)

    @property
    def key(self) -> str:
        """The same for the same place: an override is kept under it."""
        said = self.alert.words + "\x1f".join(self.about)
        return sha256(said.encode()).hexdigest()[:32]


def in_order(one: Facet, other: Facet) -> tuple[str, ...]:
    """The names of two products, whichever comes first."""
    mine, its = one.product, other.product
    return (mine, its) if mine <= its else (its, mine)


_ORDER = {
    FindingCode.ALLERGY: 0,
    FindingCode.INTERACTION: 1,
    FindingCode.PROTOCOL_OVERLAP: 2,
    FindingCode.SAME_SUBSTANCE: 3,
    FindingCode.EARLY_RENEWAL: 4,
    FindingCode.SAME_CLASS: 5,
    FindingCode.SHORTAGE: 6,
}


class Unchecked(StrEnum):
    """Why something could not be checked."""

    NO_MEDICINES = "NOT_CHECKED_NO_MEDICINES"
    NO_INTERACTIONS = "NOT_CHECKED_NO_INTERACTIONS"
    PRODUCT_UNKNOWN = "NOT_CHECKED_PRODUCT_UNKNOWN"
    NO_SUBSTANCE = "NOT_CHECKED_NO_SUBSTANCE"
    SUBSTANCE_UNRESOLVED = "NOT_CHECKED_SUBSTANCE_UNRESOLVED"
    CLASS_UNKNOWN = "NOT_CHECKED_CLASS_UNKNOWN"
    DURATION_UNKNOWN = "NOT_CHECKED_DURATION_UNKNOWN"
    HISTORY_OUT_OF_REACH = "NOT_CHECKED_HISTORY_OUT_OF_REACH"
    NO_RECORD = "NOT_CHECKED_NO_RECORD"
    HISTORY_CUT = "NOT_CHECKED_HISTORY_CUT"
    ALLERGIES_OUT_OF_REACH = "NOT_CHECKED_ALLERGIES_OUT_OF_REACH"
    ALLERGIES_UNREADABLE = "NOT_CHECKED_ALLERGIES_UNREADABLE"
    ALLERGIES_AWAY = "NOT_CHECKED_ALLERGIES_AWAY"
    ALLERGY_CLASS_UNKNOWN = "NOT_CHECKED_ALLERGY_CLASS_UNKNOWN"
    ALLERGY_UNRESOLVED = "NOT_CHECKED_ALLERGY_UNRESOLVED"


class NotChecked(NamedTuple):
    """What a check could not tell, and of which product."""

    code: Unchecked
    product: Item | None = None
    said: tuple[tuple[str, str | int], ...] = ()

    @property
    def sentence(self) -> str:
        """In French, for the pharmacist."""
        label = {"product": self.product.label} if self.product is not None else {}
        return messages.sentence(self.code, {**label, **dict(self.said)})
