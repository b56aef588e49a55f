"""The product that a document names, looked up in the edition in force; what is not found keeps the document's words.

A code that the edition does not know, a magistral preparation, a device, a hospital code (UCD, which the BDPM does not
list) are never taken for another product: they stay named and unknown, and the checks say that they could not look.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from passerelle.kernel.database import Database
from passerelle.pharmacy.formats import products
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
    """A product as the record keeps it. `medicine` is what the edition in force says of it."""

    label: str
    known: Known
    medicine: medicines.Medicine | None
    product_class: ProductClass
    cip13: str | None
    cis: str | None
    atc: str | None


async def named(database: Database, product: products.Product) -> Named:
    """Look a document's product up by its CIP13, else its CIP7, else its CIS.

    Refused: MEDICINES_NOT_LOADED.
    """
    known, found = Known.UNKNOWN, None
    if product.cip13 is not None and cip.is_cip13(product.cip13):
        known, found = Known.CIP13, await medicines.medicine(database, cip13=product.cip13)
    if found is None and product.cip7 is not None and cip.is_cip7(product.cip7):
        known, found = Known.CIP7, await medicines.medicine(database, cip7=product.cip7)
    if found is None and product.cis is not None and cip.is_cis(product.cis):
        known, found = Known.CIS, await medicines.medicine(database, cis=product.cis)
    if found is None:
        return Named(
            label=product.label,
            known=Known.UNKNOWN,
            medicine=None,
            product_class=_class_of(product),
            cip13=product.cip13 if product.cip13 and cip.is_cip13(product.cip13) else None,
            cis=product.cis,
            atc=product.atc,
        )
    return Named(
        label=product.label,
        known=known,
        medicine=found,
        product_class=ProductClass(found.product_class),
        cip13=_box(found, product),
        cis=found.cis,
        atc=found.atc or product.atc,
    )


def _class_of(product: products.Product) -> ProductClass:
    """Of a product that the edition does not know: what its ATC code or its words say."""
    if product.emdn or product.lpp:
        return ProductClass.DEVICE
    return ProductClass(product_class(product.atc, product.label, product.substances))


def _box(found: medicines.Medicine, product: products.Product) -> str | None:
    """The CIP13 of the box: the one given, or that of the box whose CIP7 was."""
    boxes = {each.cip13 for each in found.presentations}
    if product.cip13 in boxes:
        return product.cip13
    by_cip7 = [each.cip13 for each in found.presentations if each.cip7 == product.cip7]
    if by_cip7:
        return by_cip7[0]
    return product.cip13 if product.cip13 and cip.is_cip13(product.cip13) else None
