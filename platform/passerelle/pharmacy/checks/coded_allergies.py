"""What the codes of a recorded allergy say: each under its own system, a medicine's with the substances it acts by.

A code of any other system (a hospital's UCD, SNOMED, CIM-11) says nothing here: the allergy is left its words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from passerelle.dossier.formats.allergies import Allergy
from passerelle.dossier.recorded_allergies import RecordedAllergies
from passerelle.kernel.context import Context
from passerelle.pharmacy.checks.allergens import Allergen
from passerelle.pharmacy.checks.kept_tables import Product, boxes_of, products_of
from passerelle.pharmacy.formats import products
from passerelle.pharmacy.naming import box_of, cis_of


@dataclass(frozen=True, slots=True)
class _Coded:
    atc: str | None
    cis: str | None
    cip13: str | None


async def allergens(context: Context, recorded: RecordedAllergies, edition_id: UUID | None) -> tuple[Allergen, ...]:
    """The allergies to hold a basket against; `edition_id` is the list of medicines in force, if there is one."""
    coded = [(each, _coded(each.allergy)) for each in recorded.told]
    boxes: Mapping[str, str] = {}
    listed: Mapping[str, Product | None] = {}
    cis = {code.cis for _, code in coded if code.cis is not None}
    if edition_id is not None and (cis or any(code.cip13 for _, code in coded)):
        boxes = await boxes_of(context, edition_id, cis)
        cip13s = [*boxes.values(), *(code.cip13 for _, code in coded if code.cip13 is not None)]
        listed = await products_of(context, edition_id, cip13s)
    found = []
    for each, code in coded:
        known = listed.get(code.cip13 or boxes.get(code.cis or "", ""))
        found.append(
            Allergen(
                label=each.allergy.label,
                told_on=each.told_on,
                atc=code.atc,
                cis=known.cis if known is not None else code.cis,
                substances=known.substances if known is not None else (),
            )
        )
    return tuple(found)


def _coded(allergy: Allergy) -> _Coded:
    kind = products.kind_of(allergy.system, allergy.code) if allergy.code is not None else None
    of = {each: allergy.code if kind == each else None for each in ("atc", "cis", "cip13", "cip7")}
    said = products.Product(label=allergy.label, atc=of["atc"], cis=of["cis"], cip13=of["cip13"], cip7=of["cip7"])
    return _Coded(said.atc, cis_of(said), box_of(said))
