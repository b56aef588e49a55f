"""The national health identity (INS): its OIDs, its key, its status.

Sources: Référentiel Identifiant national de santé and Référentiel national d'identitovigilance (RNIV), ANS; list
of INS OIDs of the ANS. The matricule is a NIR or a NIA of 13 characters and a key of 2 digits:
key = 97 - (13 first characters mod 97), where the Corsican departments 2A and 2B count as 19 and 18.
Official samples hold wrong keys and matricules without a key, so both are warnings and never refusals.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from stdnum.exceptions import InvalidChecksum, InvalidLength
from stdnum.fr import nir

NIR: Final = "1.2.250.1.213.1.4.8"
NIA: Final = "1.2.250.1.213.1.4.9"
NIR_TEST: Final = "1.2.250.1.213.1.4.10"
NIR_DEMO: Final = "1.2.250.1.213.1.4.11"
INS_C: Final = "1.2.250.1.213.1.4.2"
"""The calculated INS of before 2021 (22 digits): dead, kept as an identifier, never matched on."""

PRODUCTION_OIDS: Final = frozenset({NIR, NIA})
TEST_OIDS: Final = frozenset({NIR_TEST, NIR_DEMO})
LIVE_OIDS: Final = PRODUCTION_OIDS | TEST_OIDS

_ORDER: Final = {NIR: 0, NIA: 1, NIR_TEST: 2, NIR_DEMO: 3}
_MATRICULE: Final = re.compile(r"[0-9]{5}(?:[0-9]{2}|2[AB])[0-9]{6}(?:[0-9]{2})?")


class IdentityStatus(StrEnum):
    """How far an identity may be trusted (RNIV): what feeding a record depends on."""

    PROVISIONAL = "provisional"  # provisoire
    RETRIEVED = "retrieved"  # récupérée: INS fetched, identity paper not seen
    VALIDATED = "validated"  # validée: identity paper seen, INS not fetched
    QUALIFIED = "qualified"  # qualifiée: both

    @classmethod
    def of_reliability(cls, code: str, *, has_ins: bool) -> IdentityStatus | None:
        """The status behind a reliability code of HL7 table 0445 (PID-32): PROV or VALI, with or without an INS.

        None for the codes that say something else (DOUTE, FICTI) or nothing.
        """
        match code.strip().upper():
            case "PROV":
                return cls.RETRIEVED if has_ins else cls.PROVISIONAL
            case "VALI":
                return cls.QUALIFIED if has_ins else cls.VALIDATED
            case "QUAL":
                return cls.QUALIFIED if has_ins else None
            case _:
                return None


@dataclass(frozen=True, slots=True)
class Ins:
    """An identifier of a person as a source gave it: the OID of its domain and its value.

    Every identifier of a patient is carried in this form; `is_live` tells an INS from a local number.
    """

    oid: str
    value: str

    @property
    def is_live(self) -> bool:
        """True for a NIR or NIA, also of test or demonstration; false for the INS-C and local numbers."""
        return self.oid in LIVE_OIDS

    @property
    def is_matchable(self) -> bool:
        """True for a live INS in the form of a matricule, key or no key: what a patient may be known by."""
        return self.is_live and _MATRICULE.fullmatch(self.matricule) is not None

    @property
    def is_dead(self) -> bool:
        """True for the INS-C."""
        return self.oid == INS_C

    @property
    def matricule(self) -> str:
        """The value without separators and in capitals."""
        return nir.compact(self.value)

    @property
    def number(self) -> str:
        """The 13 first characters of the matricule: what two notations of one INS have in common."""
        return self.matricule[:13]


def is_test_oid(oid: str) -> bool:
    """True for the OIDs of test and demonstration, which only a tenant flagged as test accepts."""
    return oid in TEST_OIDS


def current(identifiers: tuple[Ins, ...]) -> Ins | None:
    """The identifier to match on: the first matchable INS, production before test; None when there is none.

    A text that is no matricule names nobody: matching on it would make one patient of several.
    """
    matchable = [each for each in identifiers if each.is_matchable]
    return min(matchable, key=lambda each: _ORDER[each.oid], default=None)


def check(ins: Ins) -> list[str]:
    """The warnings that an identifier calls for, as codes; empty for a sound INS and for a local number.

    INS_MALFORMED: not a matricule. INS_WITHOUT_KEY: 13 characters. INS_KEY_WRONG: the key does not agree.
    INS_C_DEAD: an INS-C. Nothing is refused here.
    """
    if ins.is_dead:
        return ["INS_C_DEAD"]
    if not ins.is_live:
        return []
    if not ins.is_matchable:
        return ["INS_MALFORMED"]
    try:
        nir.validate(ins.matricule)
    except InvalidLength:
        return ["INS_WITHOUT_KEY"]
    except InvalidChecksum:
        return ["INS_KEY_WRONG"]
    return []


def key_of(number: str) -> str:
    """The two-digit key of the 13 first characters of a matricule; raises ValueError on anything else."""
    compact = nir.compact(number)
    if len(compact) != 13 or not _MATRICULE.fullmatch(compact):
        raise ValueError("a matricule without its key has 13 characters")
    return str(nir.calc_check_digits(compact))
