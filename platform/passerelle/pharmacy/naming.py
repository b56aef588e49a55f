"""The product that a document names, looked up in the edition in force; what is not found keeps the document's words.

A code that the edition does not know, a magistral preparation, a device, a hospital code (UCD, which the BDPM does not
list) are never taken for another product: they stay named and unknown, and the checks say that they could not look.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from passerelle.kernel.database import Database
from passerelle.kernel.errors import Conflict
from passerelle.pharmacy.formats.products import Product
from passerelle.pharmacy.product_classes import ProductClass
from passerelle.pharmacy.reference import cip, medicines
from passerelle.pharmacy.reference.product_classes import product_class


class Known(StrEnum):
    """By what a product was found."""

    CIP13 = "cip13"
    CIP7 = "cip7"
    CIS = "cis"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A product and what the edition in force says of it, if anything; else `code`, by which it was not found."""

    label: str
    known: Known
    medicine: medicines.Medicine | None
    product_class: ProductClass
    code: str | None = None


def box_of(product: Product) -> str | None:
    """The CIP13 that a document gives, or that its CIP7 is the national part of; None when it has no sound one."""
    if product.cip13 is not None and cip.is_cip13(product.cip13):
        return product.cip13
    if product.cip7 is not None and cip.is_cip7(product.cip7):
        return next(code for digit in range(10) if cip.is_cip13(code := f"34009{product.cip7}{digit}"))
    return None


def cis_of(product: Product) -> str | None:
    """The CIS that a document gives, when it can be one."""
    return product.cis if product.cis is not None and cip.is_cis(product.cis) else None


async def named(database: Database, product: Product) -> Named:
    """Look a document's product up by its CIP13, else its CIP7, else its CIS. With no edition, nothing is known."""
    try:
        known, found = await _found(database, product)
    except Conflict as nothing_loaded:
        if nothing_loaded.code != "MEDICINES_NOT_LOADED":
            raise
        known, found = Known.UNKNOWN, None
    said = class_of(product) if found is None else ProductClass(found.product_class)
    code = code_of(product) if found is None else None
    return Named(label=product.label, known=known, medicine=found, product_class=said, code=code)


def code_of(product: Product) -> str | None:
    """The finest code that a document gives, after the name of its system."""
    given = {
        "CIP": product.cip13 or product.cip7,
        "UCD": product.ucd,
        "CIS": product.cis,
        "LPP": product.lpp,
        "EMDN": product.emdn,
        "ATC": product.atc,
    }
    return next((f"{system} {code}" for system, code in given.items() if code is not None), None)


async def _found(database: Database, product: Product) -> tuple[Known, medicines.Medicine | None]:
    if product.cip13 is not None and cip.is_cip13(product.cip13):
        found = await medicines.medicine(database, cip13=product.cip13)
        if found is not None:
            return Known.CIP13, found
    if product.cip7 is not None and cip.is_cip7(product.cip7):
        found = await medicines.medicine(database, cip7=product.cip7)
        if found is not None:
            return Known.CIP7, found
    cis = cis_of(product)
    if cis is not None and (found := await medicines.medicine(database, cis=cis)) is not None:
        return Known.CIS, found
    return Known.UNKNOWN, None


def class_of(product: Product) -> ProductClass:
    """The class that a document shows by itself: a device's codes, an ATC code, its words."""
    if product.emdn or product.lpp:
        return ProductClass.DEVICE
    return ProductClass(product_class(product.atc, product.label, product.substances))
