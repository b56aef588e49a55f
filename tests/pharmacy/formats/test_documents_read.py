"""Prescriptions, dispensations, allergies: what is written is read back, and the rest is refused, never worse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from passerelle.dossier.formats.allergies import Allergy, allergies
from passerelle.pharmacy.formats.dispensation import DispensedLine, read_dispensation
from passerelle.pharmacy.formats.lines import MAX_LINES, Period, Prescriber
from passerelle.pharmacy.formats.prescription import PrescribedLine, read_prescription
from passerelle.pharmacy.formats.products import Product
from passerelle_ops.demo.corpus import medicines
from passerelle_ops.demo.corpus.write import write
from tests.formats.samples import SHARED, needs_shared, refusal, sound
from tests.pharmacy.formats.lines import ALLERGIES, DISPENSED, PRESCRIBED

ORDER = sound("ordonnance", "57833-6")
HANDED = replace(sound("délivrance", "60593-1"), fulfils=("1.2.250.1.7^A12",))
SUMMARY = sound("synthèse", "60591-5")
LINE = DispensedLine(
    item_id="1.2.3",
    product=Product(label="PARACÉTAMOL ESSAI 500 mg, comprimé", cip13="3400912345678", batch="L12"),
    quantity=None,
    dosage="1 comprimé matin et soir",
    instruction="Au cours du repas",
    note=None,
    period=Period(date(2026, 11, 1), date(2026, 11, 5), 5),
    prescriber=Prescriber(rpps="89980000001", name="Odile Nougarède"),
    prescribed_on=date(2026, 10, 31),
    prescription_id="1.2.250.1.7^A12",
    prescription_item_id="1.2.4",
    substitution=None,
    substitution_words=None,
)


@settings(max_examples=60)
@given(PRESCRIBED, st.booleans())
def test_a_prescription_is_read_as_it_was_written(lines: tuple[PrescribedLine, ...], structured: bool) -> None:
    read = read_prescription(medicines.prescription(ORDER, lines, structured=structured))
    assert read.lines == lines
    assert read.prescribed_on == ORDER.at.date()
    assert read.prescriber == Prescriber(
        rpps=ORDER.writer.rpps, name=f"{ORDER.writer.given_name} {ORDER.writer.family_name}"
    )


@settings(max_examples=60)
@given(DISPENSED)
def test_a_dispensation_is_read_as_it_was_written(lines: tuple[DispensedLine, ...]) -> None:
    read = read_dispensation(medicines.dispensation(HANDED, lines))
    assert read.lines == lines
    assert read.dispensed_at == HANDED.at
    assert (read.pharmacy, read.pharmacy_name) == (HANDED.structure.finess, HANDED.structure.name)
    assert read.pharmacist is not None
    assert read.pharmacist.id == HANDED.writer.rpps
    assert read.patient.ins == HANDED.patient.identifiers[0]
    assert read.prescription_ids == HANDED.fulfils
    assert read.version_number == 1


@settings(max_examples=40)
@given(ALLERGIES)
def test_allergies_are_read_as_they_were_written(written: list[Allergy]) -> None:
    assert allergies(medicines.with_allergies(SUMMARY, written)) == written


@settings(max_examples=150)
@given(st.data())
def test_whatever_is_broken_is_read_or_refused(data: st.DataObject) -> None:
    """An element taken out, an attribute emptied, replaced or taken out: never another exception than a refusal."""
    root = etree.fromstring(medicines.dispensation(HANDED, [LINE, LINE]))
    for _ in range(data.draw(st.integers(1, 4))):
        element = data.draw(st.sampled_from(list(root.iter())[1:]))
        if element.attrib and data.draw(st.booleans()):
            name = data.draw(st.sampled_from(sorted(element.attrib)))
            element.set(name, data.draw(st.sampled_from(["", "-1", "9" * 400, "20261399", "#", "NaN", "\u2028"])))
        elif (parent := element.getparent()) is not None:
            parent.remove(element)
    readers: tuple[Callable[[bytes], object], ...] = (read_dispensation, read_prescription, allergies)
    for read in readers:
        refusal(partial(read, etree.tostring(root)))


@pytest.mark.parametrize(
    ("code", "read", "document"),
    [
        ("NOT_A_PRESCRIPTION", read_prescription, medicines.dispensation(HANDED, [LINE])),
        ("NOT_A_DISPENSATION", read_dispensation, medicines.with_allergies(SUMMARY, [])),
        ("PRESCRIPTION_WITHOUT_LINES", read_prescription, write(ORDER)),
        ("DISPENSATION_WITHOUT_LINES", read_dispensation, medicines.dispensation(HANDED, [])),
        ("TOO_MANY_LINES", read_dispensation, medicines.dispensation(HANDED, [LINE] * (MAX_LINES + 1))),
        ("NOT_XML", read_prescription, b"%PDF-1.7"),
        ("NOT_A_CLINICAL_DOCUMENT", allergies, b"<html/>"),
        (
            "PRODUCT_UNNAMED",
            read_dispensation,
            medicines.dispensation(HANDED, [replace(LINE, product=Product(label="-"))]),
        ),
        (
            "VALUE_MALFORMED",
            read_dispensation,
            medicines.dispensation(HANDED, [LINE]).replace(b"<product>", b'<quantity value="deux"/><product>'),
        ),
    ],
)
def test_what_is_no_such_document_is_refused_by_its_name(
    code: str, read: Callable[[bytes], object], document: bytes
) -> None:
    assert refusal(lambda: read(document)) == code


def test_coded_dosages_without_words_are_put_into_french() -> None:
    written = medicines.dispensation(HANDED, [replace(LINE, dosage=None)]).decode()
    coded = (
        '<effectiveTime xsi:type="SXPR_TS" operator="A"><comp xsi:type="IVL_TS" operator="A"><low value="20261101"/>'
        '<width value="2" unit="d"/></comp><comp xsi:type="PIVL_TS" operator="A"><period value="8" unit="h"/></comp>'
        '</effectiveTime><routeCode code="20053000" displayName="Voie orale"/><doseQuantity><low value="1"'
        ' unit="{tablet}"/><high value="1.5" unit="{tablet}"/></doseQuantity><rateQuantity><low value="1500"'
        ' unit="mg/d"/></rateQuantity>'
    )
    end = written.index("</effectiveTime>", written.index("1.3.6.1.4.1.19376.1.9.1.3.6")) + len("</effectiveTime>")
    [line] = read_dispensation((written[:end] + coded + written[end:]).encode()).lines
    assert line.dosage == (
        "1 comprimé(s) à 1,5 comprimé(s), toutes les 8 heures à partir du 01/11/2026 pendant 2 jours, 1500 mg/j, "
        "Voie orale"
    )


def test_nothing_known_and_what_was_refuted_are_no_allergies() -> None:
    written = medicines.with_allergies(SUMMARY, [Allergy(code="N02BE01", system="x", label="a", status="active")])
    assert len(allergies(written)) == 1
    none_known = written.replace(b'<value xsi:type="CD"/>', b'<value xsi:type="CD" code="no-known-allergies"/>')
    refuted = written.replace(b'code="33999-4"', b'code="66455-7"').replace(b'code="active"', b'code="refuted"')
    denied = written.replace(b'observation classCode="OBS"', b'observation negationInd="true" classCode="OBS"')
    assert [allergies(each) for each in (none_known, refuted, denied)] == [[], [], []]


@needs_shared
def test_what_is_written_is_valid_against_the_hl7_schema() -> None:
    schema = etree.XMLSchema(etree.parse(SHARED / "cda" / "xsd" / "CDA_extended.xsd"))
    bed = PrescribedLine(
        item_id="1.2.5", kind="device", product=Product(label="Lit médical", emdn="V0806", lpp="1215702"),
        quantity=None, dosage=None, instruction="À domicile", to_dispenser=None, renewals=0, period=LINE.period,
        substitution=None, substitution_words=None,
    )  # fmt: skip
    drug = replace(bed, kind="medicine", product=LINE.product, dosage="2 par jour", substitution="N")
    allergy = Allergy(code=None, system=None, label="Arachide", status="active")
    for data in (
        medicines.dispensation(HANDED, [LINE]),
        medicines.prescription(ORDER, [drug, bed]),
        medicines.prescription(ORDER, [drug], structured=False),
        medicines.with_allergies(SUMMARY, [allergy]),
    ):
        assert schema.validate(etree.fromstring(data)), schema.error_log
