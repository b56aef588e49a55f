"""`python -m passerelle_ops.demo.dispensed FILE`: what a pharmacy of the demo handed to the patient of its story
yesterday, as an eDISP-MED document for `passerelle pharmacy ingest`."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

from passerelle.kernel.clock import PARIS
from passerelle.pharmacy.formats.dispensation import DispensedLine
from passerelle.pharmacy.formats.lines import Period, Prescriber
from passerelle.pharmacy.formats.products import Product
from passerelle_ops.demo.casting import STORY_TENANT, casts
from passerelle_ops.demo.corpus import medicines
from passerelle_ops.demo.corpus.people import Structure
from passerelle_ops.demo.corpus.write import Paper
from passerelle_ops.demo.counter import PARACETAMOL
from passerelle_ops.demo.papers import patient_of, writer_of
from passerelle_ops.demo.people import Part
from passerelle_ops.settings import Settings


def dispensed(on: date) -> bytes:
    """A box that the list of medicines knows, and a preparation that none knows; the same octets for the same day."""
    cast = casts(Settings(), [STORY_TENANT])[STORY_TENANT]
    pharmacist, doctor = cast.professionals[Part.PHARMACIST], cast.professionals[Part.GP]
    box = DispensedLine(
        item_id="1.2.3",
        product=Product(label="Paracétamol 500 mg, comprimé", cip13=PARACETAMOL),
        quantity=Decimal(1),
        dosage="1 comprimé si douleur, 3 par jour au plus",
        instruction=None,
        note=None,
        period=Period(on, on + timedelta(days=4), 5),
        prescriber=Prescriber(rpps=doctor.rpps, name=doctor.name),
        prescribed_on=on,
        prescription_id=None,
        prescription_item_id=None,
        substitution=None,
        substitution_words=None,
    )
    made = replace(box, item_id="1.2.4", product=Product(label="Préparation magistrale"), dosage=None)
    paper = Paper(
        type_code="60593-1",
        patient=patient_of(cast.patient),
        writer=writer_of(pharmacist),
        structure=Structure(
            finess=pharmacist.finess, name="Pharmacie", facility="SA33", facility_label="Pharmacie d’officine"
        ),
        at=datetime.combine(on, time(9, 30), PARIS),
        seed=f"dispensed/{on}",
    )
    return medicines.dispensation(paper, [box, made])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Il faut un fichier où écrire : python -m passerelle_ops.demo.dispensed FICHIER")
    Path(sys.argv[1]).write_bytes(dispensed(datetime.now(PARIS).date() - timedelta(days=1)))
