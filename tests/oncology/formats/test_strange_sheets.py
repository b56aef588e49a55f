"""Sheets that say more, or otherwise, than ours: whatever has no place in the value is kept where it stood."""

from __future__ import annotations

import re

import pytest
from lxml import etree

from passerelle.oncology.formats import frcp
from passerelle.oncology.sheet import BoardSheet
from tests.formats.samples import refusal
from tests.oncology.formats.coding import coded
from tests.oncology.sheets import a_sheet

_BOOLEAN = r'<value xsi:type="BL" value="true"/>'
_PERFORMER = r'<performer typeCode="PRF"><time nullFlavor="UNK"/><assignedEntity>'
_DONE = r'<statusCode code="completed"/>'
_ENTRY = r"<entry>(?=<observation)"
_ACT = '<act classCode="ACT" moodCode="EVN"><code nullFlavor="NA"/></act>'

STRANGE = {
    # people and places
    "an address in one line": (r'<addr nullFlavor="NASK"/>', "<addr>10 rue des Tests, ESSAI</addr>"),
    "a line of an address that is not known": (
        r"<streetName>rue des Tests</streetName>",
        '<streetName nullFlavor="UNK"/>',
    ),
    "a line of an address in another namespace": (r"<city>ESSAI</city>", '<city xmlns="urn:else">ESSAI</city>'),
    "a name in one piece": (r"<name><family>ESSAI-2.*?</name>", "<name>Docteur ESSAI</name>"),
    "a part of a name that is not known": (r"<given>Camille</given>", '<given nullFlavor="UNK"/>'),
    "words between the parts of a name": (r"<given>Camille</given>", "<given>Camille</given> dit Cam"),
    "a part of a name in parts": (r"<given>Camille</given>", "<given>Camille<i/></given>"),
    "two names": (r"</name></assignedPerson>", "</name><name>Autre</name></assignedPerson>"),
    "a telephone at certain hours": (
        r'<telecom nullFlavor="NASK"/>',
        '<telecom value="tel:1"><useablePeriod value="2026"/></telecom>',
    ),
    "a structure in another": (
        r"</representedOrganization>",
        '<asOrganizationPartOf><id root="1.2"/></asOrganizationPartOf></representedOrganization>',
    ),
    "a mode of presence": (
        _PERFORMER,
        r'<performer typeCode="PRF"><time value="2026"/><modeCode code="a"/><assignedEntity>',
    ),
    "a class of its own": (
        _PERFORMER,
        r'<performer typeCode="PRF"><assignedEntity classCode="CON"><id root="1.2.3"/>',
    ),
    "a role of another class": (
        r'(<associatedEntity classCode="PROV"><id root="1.2.250.1.71.4.2.1" extension="810100000002"/>)',
        r"\1<sdtc:specialty xmlns:sdtc='urn:hl7-org:sdtc' code='a'/>",
    ),
    # header
    "a version that is no number": (r'<versionNumber value="1"/>', '<versionNumber value="un"/>'),
    "a version that is too big": (r'<versionNumber value="1"/>', '<versionNumber value="2147483648"/>'),
    "a language that is not known": (r'<languageCode code="fr-FR"/>', '<languageCode code="fr-FR" x="1"/>'),
    "an employer of the place": (
        r"</healthCareFacility>",
        "<serviceProviderOrganization><name>CH</name></serviceProviderOrganization></healthCareFacility>",
    ),
    "a place with more about it": (
        r"</addr></location></healthCareFacility>",
        "</addr><x/></location></healthCareFacility>",
    ),
    "two sexes": (r"(<administrativeGenderCode[^>]*>)", r"\1\1"),
    "a place of birth with a name": (r"<birthplace><place>", "<birthplace><place><name>ESSAI</name>"),
    "an address of birth in one line": (r"<county>51215</county>", "ESSAI"),
    "whom to tell": (r"(<legalAuthenticator>)", r"<informationRecipient><x/></informationRecipient>\1"),
    "a custodian in another role": (r"<custodian>", '<custodian typeCode="CST" x="1">'),
    # codes, times, values
    "a qualifier in reverse": (
        r"<templateId root=\"1.2.250.1.213.1.1.2.128\"/>",
        '<templateId root="1.2.250.1.213.1.1.2.128"/><id root="1.9"/><languageCode code="fr"/>',
    ),
    "an unknown child of a code": (
        r'(<code code="GEN-098"[^>]*)/>',
        r'\1><qualifier inverted="true"><name code="a"/></qualifier></code>',
    ),
    "an unknown part of a qualifier": (r'(<code code="GEN-098"[^>]*)/>', r"\1><qualifier><x/></qualifier></code>"),
    "a code with something else in it": (r'(<code code="GEN-098"[^>]*)/>', r"\1><x/></code>"),
    "the end of an interval that is not in it": (
        r'<low value="20260301"/>',
        '<low value="20260301" inclusive="false"/>',
    ),
    "a width": (r'<low value="20260301"/>', '<low value="20260301"/><width value="3" unit="wk"/>'),
    "a low end with more in it": (r'<low value="20260301"/>', '<low value="20260301"><x/></low>'),
    "a period": (
        r"<effectiveTime><low value=\"20260301\"/></effectiveTime>",
        '<effectiveTime xsi:type="PIVL_TS"><period value="8" unit="h"/></effectiveTime>',
    ),
    "a status that is not known": (_DONE, '<statusCode nullFlavor="UNK"/>'),
    "a value without a type": (_BOOLEAN, '<value value="3"/>'),
    "a value of words with a picture": (_BOOLEAN, '<value xsi:type="ED">mots<thumbnail/></value>'),
    "a value of a number with words": (_BOOLEAN, '<value xsi:type="INT" value="3">trois</value>'),
    "a reference as a value": (
        _BOOLEAN,
        '<value xsi:type="ED" mediaType="image/png"><reference value="http://x"/></value>',
    ),
    # statements and sections
    "an indicator in digits": (r'<observation classCode="OBS" moodCode="EVN">', '<observation negationInd="1">'),
    "a statement of another kind": (_ENTRY, "<entry><sdtc:x xmlns:sdtc='urn:hl7-org:sdtc'/></entry><entry>"),
    "an entry with an attribute of its own": (_ENTRY, '<entry x="1">'),
    "an entry without a statement": (_ENTRY, "<entry/><entry>"),
    "an entry with two": (_ENTRY, f"<entry>{_ACT}{_ACT}</entry><entry>"),
    "a statement with two codes": (_BOOLEAN, f'{_BOOLEAN}<code code="b"/>'),
    "a statement with a number in the order": (
        _BOOLEAN,
        f'{_BOOLEAN}<entryRelationship typeCode="COMP"><sequenceNumber value="2"/>{_ACT}</entryRelationship>',
    ),
    "a section about someone else": (r"<entry>", "<subject><x/></subject><entry>"),
    "statements forty deep": (
        _BOOLEAN,
        _BOOLEAN
        + '<entryRelationship typeCode="COMP"><act classCode="ACT" moodCode="EVN"><code nullFlavor="NA"/>' * 42
        + "</act></entryRelationship>" * 42,
    ),
}


def told(document: bytes) -> object:
    return coded(etree.fromstring(document), pointing=False)


@pytest.mark.parametrize("name", STRANGE)
def test_whatever_it_says_is_kept(name: str) -> None:
    pattern, said = STRANGE[name]
    document, found = re.subn(pattern, said, frcp.written(a_sheet()).decode(), count=1)
    assert found == 1, "nothing was changed"
    sheet = frcp.read(document.encode())
    assert BoardSheet.from_json(sheet.to_json()) == sheet
    again = frcp.written(sheet)
    assert told(again) == told(document.encode())
    assert frcp.read(again) == sheet


def test_the_words_of_a_statement_may_be_its_own() -> None:
    text = r'<text><reference value="#p1-2"/></text>'
    for said in (
        "<text>Nature dite ici</text>",
        "<text><thumbnail/></text>",
        "<text/>",
        '<text><reference value="#nulle-part"/></text>',
    ):
        document, found = re.subn(text, said, frcp.written(a_sheet()).decode(), count=1)
        assert found == 1
        sheet = frcp.read(document.encode())
        assert frcp.read(frcp.written(sheet)) == sheet


def test_a_patient_who_is_two_is_refused() -> None:
    document = frcp.written(a_sheet()).decode().replace("</patientRole>", "</patientRole><patientRole/>", 1)
    assert refusal(lambda: frcp.read(document.encode())) == "CDA_PATIENT_MISSING"
