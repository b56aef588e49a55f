"""Prescriptions (eP-MED-DM), dispensations (eDISP-MED) and allergies with coded entries, for the papers of the corpus.

What is written here is what `passerelle.pharmacy.formats` and `dossier.formats.allergies` read back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from passerelle.dossier.formats.allergies import Allergy
from passerelle.pharmacy.formats.dispensation import DispensedLine
from passerelle.pharmacy.formats.lines import Period, Prescriber
from passerelle.pharmacy.formats.prescription import PrescribedLine
from passerelle.pharmacy.formats.products import ATC, CIP, CIS, EMDN, Product
from passerelle_ops.demo.corpus.write import Paper, ii, write

_LOINC: Final = "2.16.840.1.113883.6.1"
_ACTS: Final = "1.3.6.1.4.1.19376.1.5.3.2"
_PHARM: Final = 'xmlns:pharm="urn:ihe:pharm:medication"'
_NOBODY: Final = '<addr nullFlavor="NASK"/><telecom nullFlavor="NASK"/>'


def prescription(paper: Paper, lines: Sequence[PrescribedLine], *, structured: bool = True) -> bytes:
    """An eP-MED-DM; the dosages coded, or in the narrative alone."""
    medicines = [each for each in lines if each.kind == "medicine"]
    devices = [each for each in lines if each.kind == "device"]
    entries = [_prescribed(each, f"med-{n}", structured=structured) for n, each in enumerate(medicines)]
    sections = _section("57828-6", "Prescription de médicaments", _table(medicines, "med"), entries)
    if devices:
        entries = [_device(each, f"dm-{n}") for n, each in enumerate(devices)]
        sections += _section("46264-8", "Prescription de dispositifs médicaux", _table(devices, "dm"), entries)
    return write(replace(paper, sections=sections))


def dispensation(paper: Paper, lines: Sequence[DispensedLine]) -> bytes:
    """An eDISP-MED of the pharmacy and the pharmacist of `paper`."""
    entries = [_dispensed(each, f"med-{n}") for n, each in enumerate(lines)]
    return write(replace(paper, sections=_section("60590-7", "Médicaments délivrés", _table(lines, "med"), entries)))


def with_allergies(paper: Paper, allergies: Sequence[Allergy]) -> bytes:
    """A document whose only section tells of allergies, each coded."""
    return write(replace(paper, sections=allergies_section(allergies)))


def allergies_section(allergies: Sequence[Allergy]) -> str:
    """The section that tells of allergies, each coded."""
    rows = "".join(
        f'<tr><td><content ID="al-{n}">{escape(each.label)}</content></td></tr>' for n, each in enumerate(allergies)
    )
    told = f"<table><thead><tr><th>Agent responsable</th></tr></thead><tbody>{rows}</tbody></table>"
    entries = [_allergy(each, f"al-{n}") for n, each in enumerate(allergies)]
    text = told if allergies else "<paragraph>Aucune allergie connue</paragraph>"
    return _section("48765-2", "Allergies et hypersensibilités", text, entries)


def _section(code: str, title: str, text: str, entries: Sequence[str]) -> str:
    inside = "".join(f"<entry>{each}</entry>\n" for each in entries)
    return (
        f'  <component><section><code code="{code}" codeSystem="{_LOINC}"/><title>{escape(title)}</title>'
        f"<text>{text}</text>\n{inside}</section></component>\n"
    )


def _table(lines: Sequence[PrescribedLine | DispensedLine], prefix: str) -> str:
    rows = []
    for n, line in enumerate(lines):
        name = f"{prefix}-{n}"
        to_dispenser = line.to_dispenser if isinstance(line, PrescribedLine) else line.note
        said = {
            "": line.product.label,
            "-posologie": line.dosage,
            "-patient": line.instruction,
            "-dispensateur": to_dispenser,
            "-substitution": line.substitution_words,
        }
        cells = "".join(
            f'<td><content ID="{name}{part}">{escape(words or "-")}</content></td>' for part, words in said.items()
        )
        rows.append(f"<tr>{cells}</tr>")
    heads = ("Produit", "Posologie", "Instruction au patient", "Notes du dispensateur", "Substitution")
    head = "".join(f"<th>{each}</th>" for each in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _prescribed(line: PrescribedLine, name: str, *, structured: bool) -> str:
    return (
        '<substanceAdministration classCode="SBADM" moodCode="INT">'
        '<templateId root="1.2.250.1.213.1.1.3.83"/>'
        + _item(line.item_id)
        + '<code code="DRUG" codeSystem="2.16.840.1.113883.5.4"/>'
        + f'<text><reference value="#{name}"/></text><statusCode code="completed"/>'
        + _period(line.period)
        + (_frequency(f"{name}-posologie") if structured and line.dosage else "")
        + _number("repeatNumber", line.renewals)
        + f"<consumable>{_product(line.product, name)}</consumable>"
        + _instruction("PINSTRUCT", "INT", line.instruction, f"{name}-patient")
        + _instruction("FINSTRUCT", "INT", line.to_dispenser, f"{name}-dispensateur")
        + _supply(line.quantity)
        + _substitution(line.substitution, line.substitution_words, f"{name}-substitution", "DEF")
        + "</substanceAdministration>"
    )


def _device(line: PrescribedLine, name: str) -> str:
    translation = (
        f'<translation code="{line.product.lpp}" codeSystem="1.2.250.1.215.300.4"'
        f" displayName={quoteattr(line.product.label)}/>"
        if line.product.lpp
        else ""
    )
    # Where there is a finer code, the words of the class are those of its list, not of the product.
    words = "" if line.product.lpp else f" displayName={quoteattr(line.product.label)}"
    coded = f'code="{line.product.emdn}" codeSystem="{EMDN}"' if line.product.emdn else 'nullFlavor="NA"'
    return (
        '<supply classCode="SPLY" moodCode="INT"><templateId root="1.2.250.1.213.1.1.3.20"/>'
        + _item(line.item_id)
        + f'<text><reference value="#{name}"/></text>'
        + _period(line.period)
        + _number("repeatNumber", line.renewals)
        + _quantity(line.quantity)
        + '<participant typeCode="DEV"><participantRole><playingDevice>'
        + f"<code {coded}{words}>{translation}</code></playingDevice></participantRole></participant>"
        + _instruction("PINSTRUCT", "INT", line.instruction, f"{name}-patient")
        + _instruction("FINSTRUCT", "INT", line.to_dispenser, f"{name}-dispensateur")
        + "</supply>"
    )


def _dispensed(line: DispensedLine, name: str) -> str:
    return (
        '<supply classCode="SPLY" moodCode="EVN"><templateId root="1.2.250.1.213.1.1.3.204"/>'
        + _item(line.item_id)
        + f'<text><reference value="#{name}"/></text>'
        + _quantity(line.quantity)
        + f"<product>{_product(line.product, name)}</product>"
        + _answered(line)
        + _instruction("PINSTRUCT", "INT", line.instruction, f"{name}-patient")
        + _instruction("FINSTRUCT", "INT", line.note, f"{name}-dispensateur")
        + _treatment(line, name)
        + _substitution(line.substitution, line.substitution_words, f"{name}-substitution", "EVN")
        + "</supply>"
    )


def _answered(line: DispensedLine) -> str:
    """The line of the prescription that is answered."""
    if not line.is_prescribed:
        return ""
    reference = (
        f'<reference typeCode="XCRPT"><externalDocument>{ii(line.prescription_id)}</externalDocument></reference>'
        if line.prescription_id
        else ""
    )
    at = f'<time value="{line.prescribed_on:%Y%m%d}"/>' if line.prescribed_on else '<time nullFlavor="UNK"/>'
    return (
        '<entryRelationship typeCode="REFR" inversionInd="false">'
        '<substanceAdministration classCode="SBADM" moodCode="INT"><templateId root="1.2.250.1.213.1.1.3.90"/>'
        + _item(line.prescription_item_id)
        + '<code code="PREItem" codeSystem="1.3.6.1.4.1.19376.1.9.2.2"/>'
        + _NO_PRODUCT
        + (f"<author>{at}<assignedAuthor>{_prescriber(line.prescriber)}</assignedAuthor></author>")
        + reference
        + "</substanceAdministration></entryRelationship>"
    )


_NO_PRODUCT: Final = (
    '<consumable><manufacturedProduct><manufacturedMaterial nullFlavor="NA"><name nullFlavor="NA"/>'
    "</manufacturedMaterial></manufacturedProduct></consumable>"
)


def _prescriber(who: Prescriber | None) -> str:
    if who is None:
        return '<id nullFlavor="UNK"/>'
    number = f'<id root="1.2.250.1.71.4.2.1" extension="8{who.rpps}"/>' if who.rpps else '<id nullFlavor="UNK"/>'
    given, _, family = (who.name or "").rpartition(" ")
    first = f"<given>{escape(given)}</given>" if given else ""
    name = f"<name>{first}<family>{escape(family)}</family></name>" if family else '<name nullFlavor="UNK"/>'
    return f"{number}{_NOBODY}<assignedPerson>{name}</assignedPerson>"


def _treatment(line: DispensedLine, name: str) -> str:
    if line.dosage is None and line.period == Period():
        return ""
    return (
        '<entryRelationship typeCode="COMP"><substanceAdministration classCode="SBADM" moodCode="INT">'
        '<templateId root="1.3.6.1.4.1.19376.1.9.1.3.6"/><statusCode code="completed"/>'
        + _period(line.period)
        + (_frequency(f"{name}-posologie") if line.dosage else "")
        + _NO_PRODUCT
        + "</substanceAdministration></entryRelationship>"
    )


def _product(product: Product, name: str) -> str:
    codes = [
        f'<translation code="{value}" codeSystem="{system}"/>'
        for value, system in ((product.cip13, CIP), (product.cip7, CIP), (product.ucd, "1.2.250.1.213.2.3.3"))
        if value
    ]
    coded = f'code="{product.cis}" codeSystem="{CIS}"' if product.cis else 'nullFlavor="NA"'
    kind = (
        f'<pharm:asSpecializedKind {_PHARM} classCode="GRIC"><pharm:generalizedMedicineClass classCode="MMAT"'
        f' determinerCode="KIND"><pharm:code code="{product.atc}" codeSystem="{ATC}"/>'
        "</pharm:generalizedMedicineClass></pharm:asSpecializedKind>"
        if product.atc
        else ""
    )
    substances = "".join(
        f'<pharm:ingredient {_PHARM} classCode="ACTI"><pharm:ingredient classCode="MMAT" determinerCode="KIND">'
        f"<pharm:name>{escape(each)}</pharm:name></pharm:ingredient></pharm:ingredient>"
        for each in product.substances
    )
    batch = f"<lotNumberText>{escape(product.batch)}</lotNumberText>" if product.batch else ""
    until = f'<pharm:expirationTime {_PHARM} value="{product.expires_on:%Y%m%d}"/>' if product.expires_on else ""
    return (
        '<manufacturedProduct classCode="MANU"><manufacturedMaterial classCode="MMAT" determinerCode="KIND">'
        f'<code {coded}><originalText><reference value="#{name}"/></originalText>{"".join(codes)}</code>'
        f'<name nullFlavor="NA"/>{batch}{until}{kind}{substances}</manufacturedMaterial></manufacturedProduct>'
    )


def _item(identifier: str | None) -> str:
    return ii(identifier) if identifier else '<id nullFlavor="UNK"/>'


def _period(period: Period) -> str:
    if period.first is None:
        return ""
    last = f'<high value="{period.last:%Y%m%d}"/>' if period.last else '<high nullFlavor="UNK"/>'
    return f'<effectiveTime xsi:type="IVL_TS"><low value="{period.first:%Y%m%d}"/>{last}</effectiveTime>'


def _frequency(passage: str) -> str:
    return (
        '<effectiveTime xsi:type="PIVL_TS" operator="A"><period value="1" unit="d"><translation><originalText>'
        f'<reference value="#{passage}"/></originalText></translation></period></effectiveTime>'
    )


def _number(tag: str, number: int | None) -> str:
    return "" if number is None else f'<{tag} value="{number}"/>'


def _quantity(number: Decimal | None) -> str:
    return "" if number is None else f'<quantity value="{number}"/>'


def _supply(number: Decimal | None) -> str:
    if number is None:
        return ""
    return (
        '<entryRelationship typeCode="COMP"><supply classCode="SPLY" moodCode="RQO"><independentInd value="false"/>'
        f"{_quantity(number)}</supply></entryRelationship>"
    )


def _instruction(code: str, mood: str, words: str | None, passage: str) -> str:
    if words is None:
        return ""
    return (
        f'<entryRelationship typeCode="SUBJ" inversionInd="true"><act classCode="ACT" moodCode="{mood}">'
        f'<code code="{code}" codeSystem="{_ACTS}"/><text><reference value="#{passage}"/></text>'
        '<statusCode code="completed"/></act></entryRelationship>'
    )


def _substitution(code: str | None, words: str | None, passage: str, mood: str) -> str:
    if code is None:
        return ""
    said = f'<originalText><reference value="#{passage}"/></originalText>' if words else ""
    return (
        f'<entryRelationship typeCode="COMP"><act classCode="ACT" moodCode="{mood}">'
        f'<code code="{code}" codeSystem="2.16.840.1.113883.5.1070">{said}</code><statusCode code="completed"/>'
        "</act></entryRelationship>"
    )


def _allergy(allergy: Allergy, passage: str) -> str:
    coded = f'code="{allergy.code}" codeSystem="{allergy.system}"' if allergy.code else 'nullFlavor="NA"'
    status = (
        '<entryRelationship typeCode="REFR" inversionInd="false"><observation classCode="OBS" moodCode="EVN">'
        f'<code code="33999-4" codeSystem="{_LOINC}"/><statusCode code="completed"/>'
        f'<value xsi:type="CE" code="{allergy.status}" codeSystem="2.16.840.1.113883.4.642.4.1373"/>'
        "</observation></entryRelationship>"
        if allergy.status != "unknown"
        else ""
    )
    return (
        '<act classCode="ACT" moodCode="EVN"><templateId root="1.2.250.1.213.1.1.3.40"/><code nullFlavor="NA"/>'
        '<statusCode code="completed"/><effectiveTime><low nullFlavor="UNK"/></effectiveTime>'
        '<entryRelationship typeCode="SUBJ" inversionInd="false"><observation classCode="OBS" moodCode="EVN">'
        '<templateId root="1.2.250.1.213.1.1.3.41"/><code code="416098002" codeSystem="2.16.840.1.113883.6.96"/>'
        '<statusCode code="completed"/><value xsi:type="CD"/>'
        '<participant typeCode="CSM"><participantRole><playingEntity>'
        f'<code {coded}><originalText><reference value="#{passage}"/></originalText></code>'
        f"</playingEntity></participantRole></participant>{status}</observation></entryRelationship></act>"
    )
