"""What a check says: findings, each with the table that it comes from, and what could not be checked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import IntEnum, StrEnum
from hashlib import sha256

from passerelle.kernel import messages
from passerelle.pharmacy.checks.items import Item


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
class Finding:
    """One warning. `between` are the names by which it was found: substances, families, a class.

    `sentence` is for the pharmacist, `advice` what the table adds to it.
    """

    code: FindingCode
    source: Source
    products: tuple[Item, ...]
    sentence: str
    level: InteractionLevel | None = None
    between: tuple[str, ...] = ()
    advice: str = ""
    alternatives: tuple[Alternative, ...] = ()

    @property
    def key(self) -> str:
        """The same warning about the same products has the same key: an override is kept under it."""
        products = sorted({each.product for each in self.products})
        said = "\x1f".join((self.code, str(int(self.level or 0)), *self.between, "", *products))
        return sha256(said.encode()).hexdigest()[:32]

    @property
    def weight(self) -> tuple[int, int, str, tuple[str, ...], tuple[str, ...]]:
        """The order in which findings are read: the heaviest first."""
        return (
            -int(self.level or 0),
            _ORDER.index(self.code),
            self.sentence,
            self.between,
            tuple(each.product for each in self.products),
        )


_ORDER = (
    FindingCode.ALLERGY,
    FindingCode.INTERACTION,
    FindingCode.PROTOCOL_OVERLAP,
    FindingCode.SAME_SUBSTANCE,
    FindingCode.EARLY_RENEWAL,
    FindingCode.SAME_CLASS,
    FindingCode.SHORTAGE,
)


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
    ALLERGY_UNRESOLVED = "NOT_CHECKED_ALLERGY_UNRESOLVED"


@dataclass(frozen=True, slots=True)
class NotChecked:
    """What a check could not tell, and of which product."""

    code: Unchecked
    product: Item | None = None
    said: tuple[tuple[str, str | int], ...] = ()

    @property
    def sentence(self) -> str:
        """In French, for the pharmacist."""
        label = {"product": self.product.label} if self.product is not None else {}
        return messages.sentence(self.code, {**label, **dict(self.said)})
