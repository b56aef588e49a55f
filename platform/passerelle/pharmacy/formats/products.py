"""A health product as an entry FR-Produit-de-sante (1.2.250.1.213.1.1.3.43) or a device names it.

Codes are sorted by what they look like, since published documents file CIP codes under three code systems.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from lxml import etree

from passerelle.dossier.formats import values
from passerelle.dossier.formats.hl7v3 import content, find, find_all
from passerelle.dossier.formats.passages import Passages
from passerelle.kernel.errors import InvalidInput
from passerelle.pharmacy.formats.lines import day

CIS: Final = "1.2.250.1.213.2.3.1"
CIP: Final = "1.2.250.1.213.2.3.2"
ATC: Final = "2.16.840.1.113883.6.73"
EMDN: Final = "1.2.250.1.213.2.68"
_CIP_OR_UCD: Final = frozenset({CIP, "1.2.250.1.213.2.3.3", "1.2.250.1.213.2.3.4"})
_LPP: Final = frozenset({"1.2.250.1.215.300.4", "1.2.250.1.215.200.2.1"})
_ATC: Final = re.compile(r"[A-Z](\d{2}([A-Z]([A-Z](\d{2})?)?)?)?", re.ASCII)
_PHARM: Final = "{urn:ihe:pharm:medication}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """What is prescribed or dispensed: its words, every code it is given, the substances named for it."""

    label: str
    cis: str | None = None
    cip13: str | None = None
    cip7: str | None = None
    ucd: str | None = None
    atc: str | None = None
    emdn: str | None = None
    lpp: str | None = None
    substances: tuple[str, ...] = ()
    batch: str | None = None
    expires_on: date | None = None


def medicine(material: etree._Element | None, passages: Passages, *, line: int) -> Product:
    """The product of a `manufacturedMaterial`. Refused: PRODUCT_UNNAMED."""
    if material is None:
        raise InvalidInput("PRODUCT_UNNAMED", line=line)
    code = find(material, "code")
    packaged = material.find(f"{_PHARM}asContent/{_PHARM}containerPackagedMedicine/{_PHARM}code")
    kind = material.find(f"{_PHARM}asSpecializedKind/{_PHARM}generalizedMedicineClass/{_PHARM}code")
    named = (
        values.text(content(find(material, "name")), "product/name")
        or (None if code is None else values.text(code.get("displayName"), "product/code"))
        or (None if code is None else passages.words(find(code, "originalText"), "product/originalText"))
        or next((text for each in _coded(code, packaged) if (text := each.get("displayName"))), None)
    )
    codes = _sorted((code, packaged, kind))
    label = values.text(named, "product") or codes.get("cip13") or codes.get("cis")
    if label is None:
        raise InvalidInput("PRODUCT_UNNAMED", line=line)
    return replace(
        _product(label, codes),
        substances=tuple(_substances(material)),
        batch=values.key(content(find(material, "lotNumberText")) or _pharm_text(material, "lotNumberText"), "batch"),
        expires_on=day(_pharm_value(material, "expirationTime"), "expirationTime"),
    )


def device(playing: etree._Element | None, words: str | None, *, line: int) -> Product:
    """The product of a `playingDevice`. Refused: PRODUCT_UNNAMED."""
    code = None if playing is None else find(playing, "code")
    codes = _sorted((code,))
    texts = [values.text(each.get("displayName"), "device/code") for each in reversed(list(_coded(code)))]
    label = next((text for text in texts if text), None) or words  # a translation (LPP) is nearer than its class
    if label is None:
        raise InvalidInput("PRODUCT_UNNAMED", line=line)
    return _product(label, codes)


def _product(label: str, codes: dict[str, str]) -> Product:
    return Product(
        label=label,
        cis=codes.get("cis"),
        cip13=codes.get("cip13"),
        cip7=codes.get("cip7"),
        ucd=codes.get("ucd"),
        atc=codes.get("atc"),
        emdn=codes.get("emdn"),
        lpp=codes.get("lpp"),
    )


def _coded(*elements: etree._Element | None) -> Iterator[etree._Element]:
    for element in elements:
        if element is not None:
            yield element
            yield from find_all(element, "translation")


def _sorted(elements: tuple[etree._Element | None, ...]) -> dict[str, str]:
    """Each kind of code that stands in these elements and their translations; the first of a kind holds."""
    found: dict[str, str] = {}
    for element in _coded(*elements):
        value = values.key(element.get("code"), "product/code")
        kind = None if value is None else kind_of(values.key(element.get("codeSystem"), "product/code"), value)
        if value is not None and kind is not None:
            found.setdefault(kind, value)
    return found


def kind_of(system: str | None, value: str) -> str | None:
    """What a code of this system is: the name of a field of `Product`; None for what is none of them."""
    is_number = value.isascii() and value.isdigit()
    if system == CIS and is_number and len(value) == 8:
        return "cis"
    if system in _CIP_OR_UCD | {CIS} and is_number:
        if len(value) == 13 and value.startswith("34009"):
            return "cip13"
        if len(value) == 13 and value.startswith("34008"):
            return "ucd"
        if len(value) == 7:
            return "ucd" if value.startswith("9") else "cip7"
    if system == ATC and _ATC.fullmatch(value):
        return "atc"
    if system == EMDN:
        return "emdn"
    return "lpp" if system in _LPP else None


def _substances(material: etree._Element) -> Iterator[str]:
    for ingredient in material.iterfind(f"{_PHARM}ingredient/{_PHARM}ingredient"):
        name = ingredient.find(f"{_PHARM}name")
        code = ingredient.find(f"{_PHARM}code")
        text = content(name) or (None if code is None else code.get("displayName"))
        if (said := values.text(text, "ingredient")) is not None:
            yield said


def _pharm_text(material: etree._Element, tag: str) -> str | None:
    return content(material.find(f"{_PHARM}{tag}"))


def _pharm_value(material: etree._Element, tag: str) -> str | None:
    element = material.find(f"{_PHARM}{tag}")
    return None if element is None else element.get("value")
