"""Who is in a document: a patient, a writer, a structure, all invented."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

from stdnum import luhn

from passerelle.identities.ins import NIR_TEST, Ins, key_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """A patient as the header names him; `identifiers` go in as they stand, right or wrong."""

    identifiers: tuple[Ins, ...]
    family_name: str
    given_names: tuple[str, ...]
    birth_date: str
    sex: str
    birth_place: str | None = None
    used_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """A professional who writes: RPPS number of 11 digits, code and label of JDV_J01."""

    rpps: str
    family_name: str
    given_name: str
    code: str = "G15_10/SM54"
    label: str = "Médecin - Médecine générale (SM)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """Where it is written; facility type of JDV_J02, practice setting of JDV_J04."""

    finess: str
    name: str
    facility: str = "SA01"
    facility_label: str = "Etablissement public de santé"
    setting: str = "ETABLISSEMENT"
    setting_label: str = "Etablissement de santé"


_FAMILY_NAMES: Final = (
    "Arcambal", "Bousquairol", "Castelviel", "Daubrillac", "Escoubeyrou", "Fontanieu", "Gramondie", "Hautesserre",
    "Jaulhac", "Lespinadel", "Montbazens", "Nougarède", "Olmières", "Peyrelongue", "Roquesérière", "Salvagnac",
    "Tournefeuil", "Vabrettes",
)  # fmt: skip
_WOMEN: Final = ("Amandine", "Béatrice", "Clémence", "Fanny", "Ghislaine", "Isaure", "Léonie", "Maëlle", "Odile")
_MEN: Final = ("Aurélien", "Bertrand", "Cyprien", "Fabrice", "Gaël", "Jérôme", "Loïc", "Mathurin", "Sébastien")


def ins_of(sex: str, birth_date: str, birth_place: str, order: int, *, oid: str = NIR_TEST) -> Ins:
    """A matricule with its right key; `birth_place` is an INSEE code (`2A004` for Corsica), `order` under 1000."""
    number = f"{1 if sex == 'M' else 2}{birth_date[2:6]}{birth_place}{order:03d}"
    return Ins(oid, number + key_of(number))


def patient(seed: int | str) -> Patient:
    """An invented patient with a test INS, the same for the same seed."""
    draw = Random(f"patient/{seed}")  # noqa: S311  invented people, not secrets
    sex = draw.choice("FM")
    birth_date = f"{draw.randint(1932, 2019)}{draw.randint(1, 12):02d}{draw.randint(1, 28):02d}"
    place = f"{draw.randint(1, 95):02d}99{draw.randint(0, 9)}" if draw.random() > 0.05 else "2B999"
    names = draw.sample(_WOMEN if sex == "F" else _MEN, k=draw.randint(1, 3))
    return Patient(
        identifiers=(ins_of(sex, birth_date, place, draw.randint(1, 999)),),
        family_name=draw.choice(_FAMILY_NAMES),
        given_names=tuple(names),
        birth_date=birth_date,
        sex=sex,
        birth_place=place,
        used_name=draw.choice(_FAMILY_NAMES) if draw.random() < 0.3 else None,
    )


def writer(seed: int | str, *, code: str = "G15_10/SM54", label: str = "Médecin - Médecine générale (SM)") -> Writer:
    """An invented professional whose RPPS number begins as no real one does and has its right key."""
    draw = Random(f"writer/{seed}")  # noqa: S311  invented people, not secrets
    base = f"8998{draw.randrange(10**6):06d}"
    return Writer(
        rpps=base + luhn.calc_check_digit(base),
        family_name=draw.choice(_FAMILY_NAMES),
        given_name=draw.choice(_WOMEN + _MEN),
        code=code,
        label=label,
    )


def structure(seed: int | str) -> Structure:
    """An invented hospital whose FINESS number is in a department that does not exist."""
    draw = Random(f"structure/{seed}")  # noqa: S311  invented places, not secrets
    base = f"00{draw.randrange(10**6):06d}"
    return Structure(
        finess=base + luhn.calc_check_digit(base), name=f"Centre hospitalier de {draw.choice(_FAMILY_NAMES)}-le-Vieux"
    )
