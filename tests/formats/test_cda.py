"""The header of a CDA, read as the CI-SIS says."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from passerelle.dossier.formats.cda import read_cda
from passerelle.dossier.formats.submission import DocumentMetadata, EventCode
from passerelle.identities.ins import INS_C, Ins
from passerelle.kernel.errors import InvalidInput
from passerelle_ops.demo.corpus.exchange import stylesheet
from passerelle_ops.demo.corpus.write import Paper, hl7, unique_id, write
from tests.formats.samples import changed, sound


def metadata(data: bytes) -> DocumentMetadata:
    return read_cda(data).metadata


def test_a_sound_document_gives_all_of_its_metadata() -> None:
    made = sound(type_code="18748-4")
    made = replace(made, unique_id=Ins("1.2.250.1.213.1.1.9", "A71_2"), version=2, replaces=Ins("1.2.250.9", "A71_1"))
    data = write(made)
    document = read_cda(data)
    read = document.metadata
    assert document.content == data
    assert document.sha256 == hashlib.sha256(data).hexdigest()
    assert read.unique_id == "1.2.250.1.213.1.1.9^A71_2"
    assert read.set_id == unique_id(f"{made.seed}/set")
    assert read.version_number == 2
    assert read.replaces_unique_id == "1.2.250.9^A71_1"
    assert (read.type_code, read.type_label) == ("18748-4", "CR d'imagerie médicale")
    assert read.class_code is None
    assert read.format_code == "urn:ihe:rad:CDA:ImagingReportStructuredHeadings:2013"
    assert read.mime_type == "text/xml"
    assert (read.title, read.language) == ("Compte rendu d'imagerie", "fr-FR")
    assert (read.confidentiality, read.masked) == ("N", False)
    assert (read.facility_type, read.practice_setting) == ("SA01", "ETABLISSEMENT")
    assert read.creation_time.given == hl7(made.at)
    assert read.service_start is not None
    assert read.service_start.given == hl7(made.at)
    assert read.service_stop is None
    assert read.structure_id == made.structure.finess
    assert (read.custodian_id, read.custodian_name) == (made.structure.finess, made.structure.name)
    assert read.event_codes == () or isinstance(read.event_codes[0], EventCode)
    assert read.identity_status is None


def test_the_author_and_the_signer() -> None:
    made = sound()
    read = metadata(write(made))
    [author] = read.authors
    assert author.kind == "professional"
    assert author.is_rpps
    assert author.id == made.writer.rpps
    assert (author.family_name, author.given_name) == (made.writer.family_name, made.writer.given_name)
    assert (author.profession, author.specialty) == ("10", "SM54")
    assert (author.structure_id, author.structure_name) == (made.structure.finess, made.structure.name)
    assert read.legal_authenticator is not None
    assert read.legal_authenticator.id == made.writer.rpps


def test_the_patient_and_all_of_his_identifiers() -> None:
    made = sound()
    who = replace(
        made.patient,
        identifiers=(Ins(INS_C, "0218805328320789819507"), *made.patient.identifiers, Ins("1.2.3", "IPP 42")),
        given_names=("Marie Rose", "Anne"),
        used_name="Autrement",
    )
    read = metadata(write(replace(made, patient=who))).patient
    assert read.identifiers == who.identifiers
    assert read.ins == made.patient.identifiers[0]
    assert (read.family_name, read.used_name) == (who.family_name, "Autrement")
    assert (read.given_names, read.used_given_name) == (("Marie Rose", "Anne"), "Marie Rose")
    assert (read.birth_date, read.sex, read.birth_place) == (who.birth_date, who.sex, who.birth_place)


@pytest.mark.parametrize(
    ("names", "family", "used", "given"),
    [
        ('<family qualifier="BR">A</family><given>B C</given>', "A", None, ("B", "C")),
        ('<family qualifier="SP">M</family><family qualifier="BR">A</family><given>B</given>', "A", "M", ("B",)),
        ("<family>A</family><given>B</given>", "A", None, ("B",)),
        ('<family qualifier="CL">U</family><given qualifier="CL">V</given>', None, "U", ()),
        ('<given qualifier="BR">B</given><family qualifier="BR CL">A</family>', "A", "A", ("B",)),
        ("", None, None, ()),
    ],
)
def test_names_by_their_qualifier(names: str, family: str | None, used: str | None, given: tuple[str, ...]) -> None:
    written = write(sound()).decode()
    start, end = written.index("<name>") + len("<name>"), written.index("</name>")
    read = metadata((written[:start] + names + written[end:]).encode()).patient
    assert (read.family_name, read.used_name, read.given_names) == (family, used, given)


@pytest.mark.parametrize(
    ("given", "kept"),
    [("899700218896", "99700218896"), ("01234567897", "01234567897"), ("00B1057294", "00B1057294"), ("8X", "8X")],
)
def test_professional_identifiers(given: str, kept: str) -> None:
    made = sound()
    [author] = metadata(changed(f'extension="8{made.writer.rpps}"', f'extension="{given}"')).authors
    assert author.id == kept
    assert author.is_rpps == (len(kept) == 11 and kept.isdigit())


@pytest.mark.parametrize(
    ("given", "kept"),
    [("1750803447", "750803447"), ("12A0000014", "2A0000014"), ("101238887", "101238887"), ("318003502400041",) * 2],
)
def test_structure_identifiers(given: str, kept: str) -> None:
    made = sound()
    assert metadata(changed(f'extension="1{made.structure.finess}"', f'extension="{given}"')).structure_id == kept


def test_the_structure_of_the_act_stands_in_for_that_of_the_author() -> None:
    written = write(sound()).decode()
    start = written.index("<representedOrganization>")
    end = written.index("</representedOrganization>") + len("</representedOrganization>")
    read = metadata((written[:start] + written[end:]).encode())
    assert read.authors[0].structure_id is None
    assert read.structure_id == sound().structure.finess


def test_a_device_and_a_patient_write_too() -> None:
    written = write(sound()).decode()
    person = written[written.index("<assignedPerson>") : written.index("</assignedPerson>") + len("</assignedPerson>")]
    device = "<assignedAuthoringDevice><softwareName>Automate</softwareName></assignedAuthoringDevice>"
    [machine] = metadata(written.replace(person, device, 1).encode()).authors
    assert (machine.kind, machine.family_name) == ("device", "Automate")
    made = sound()
    own = made.patient.identifiers[0]
    old = f'<id root="1.2.250.1.71.4.2.1" extension="8{made.writer.rpps}"/>'
    [himself] = metadata(written.replace(old, f'<id root="{own.oid}" extension="{own.value}"/>', 1).encode()).authors
    assert (himself.kind, himself.id) == ("patient", own.value)


@pytest.mark.parametrize(
    ("code", "flags"),
    [
        ("N", ("N", False, False, False)),
        ("V", ("V", False, False, False)),
        ("MASQUE_PS", ("N", True, False, False)),
        ("INVISIBLE_PATIENT", ("N", False, True, False)),
        ("INVISIBLE_REPRESENTANTS_LEGAUX", ("N", False, False, True)),
        ("INVISIBLE_REP_LEGAUX", ("N", False, False, True)),
    ],
)
def test_confidentiality(code: str, flags: tuple[str, bool, bool, bool]) -> None:
    read = metadata(write(replace(sound(), confidentiality=code)))
    assert (read.confidentiality, read.masked, read.hidden_from_patient, read.hidden_from_representatives) == flags


def test_visibility_beside_confidentiality() -> None:
    old = '<confidentialityCode code="N" codeSystem="2.16.840.1.113883.5.25"/>'
    new = '<confidentialityCode code="R">{}</confidentialityCode>'
    both = '<translation code="MASQUE_PS"/><translation code="INVISIBLE_REP_LEGAUX"/>'
    read = metadata(changed(old, new.format(both)))
    assert (read.confidentiality, read.masked, read.hidden_from_representatives) == ("R", True, True)
    with pytest.raises(InvalidInput, match="VISIBILITY_CUMULATED"):
        metadata(changed(old, new.format('<translation code="MASQUE_PS"/><translation code="INVISIBLE_PATIENT"/>')))


def test_the_act_with_a_performer_dates_the_document() -> None:
    other = (
        '<documentationOf><serviceEvent><code code="J02.0" codeSystem="2.16.840.1.113883.6.3"><translation code="CT"'
        ' codeSystem="1.2.840.10008.2.16.4"/></code><effectiveTime value="2001"/></serviceEvent></documentationOf>'
    )
    read = metadata(changed("<documentationOf>", f"{other}<documentationOf>"))
    assert read.service_start is not None
    assert read.service_start.given.startswith("2026")
    assert [each.code for each in read.event_codes[:1]] == ["J02.0"]
    assert "CT" in [each.code for each in read.event_codes]


def test_an_act_at_one_instant_is_both_ends() -> None:
    low = f'<low value="{hl7(sound().at)}"/>'
    written = changed(f"<effectiveTime>{low}</effectiveTime>", '<effectiveTime value="20260101"/>')
    read = metadata(written)
    assert read.service_start is not None
    assert read.service_stop is not None
    assert read.service_start.given == read.service_stop.given == "20260101"


def test_a_document_inside_a_style_sheet_is_kept_whole() -> None:
    data = stylesheet(sound())
    document = read_cda(data)
    assert document.content == data
    assert document.metadata == metadata(write(sound()))


@pytest.mark.parametrize(
    ("media_type", "format_code"),
    [
        ("application/pdf", "urn:ihe:iti:xds-sd:pdf:2008"),
        ("text/plain", "urn:ihe:iti:xds-sd:text:2008"),
        ("image/jpeg", "urn:ihe:iti-fr:xds-sd:jpeg:2010"),
        ("video/mp4", None),
    ],
)
def test_the_format_of_a_body_without_sections(media_type: str, format_code: str | None) -> None:
    assert metadata(write(replace(sound(), body=(media_type, b"x")))).format_code == format_code


@pytest.mark.parametrize(("written", "read"), [("2", 2), ("-1", None), ("1.5", None), ("9" * 30, None), ("", None)])
def test_version_numbers(written: str, read: int | None) -> None:
    assert metadata(changed('<versionNumber value="1"/>', f'<versionNumber value="{written}"/>')).version_number == read


def test_blanks_in_values_are_collapsed_and_a_missing_title_is_the_type() -> None:
    title = "<title>Compte rendu de consultation</title>"
    assert metadata(changed(title, "<title>\n  Compte \t rendu </title>")).title == "Compte rendu"
    assert metadata(changed(title, "")).title == "CR ou fiche de consultation ou de visite"


def _without(tag: str, made: Paper | None = None) -> bytes:
    """A document whose first `tag` is gone."""
    written = write(made or sound()).decode()
    start = written.index(f"<{tag}")
    closing = f"</{tag}>"
    alone = written.index("/>", start) + 2
    end = alone if closing not in written[start:] else written.index(closing, start) + len(closing)
    return (written[:start] + written[end:]).encode()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (_without("id"), "CDA_ID_MISSING"),
        (changed('<id root="2.25.', '<id nullFlavor="NI" bad="2.25.'), "CDA_ID_MISSING"),
        (changed('code="11488-4"', 'nullFlavor="UNK"'), "CDA_TYPE_MISSING"),
        (_without("recordTarget"), "CDA_PATIENT_MISSING"),
        (
            changed(
                "<componentOf>", '<relatedDocument typeCode="RPLC"><parentDocument/></relatedDocument><componentOf>'
            ),
            "CDA_PARENT_WITHOUT_ID",
        ),
        (changed('code="N"', 'code="TOUS"'), "CONFIDENTIALITY_UNKNOWN"),
        (changed("Compte rendu de consultation", "x" * 1001), "VALUE_TOO_LONG"),
        (changed('code="11488-4"', f'code="{"x" * 257}"'), "VALUE_TOO_LONG"),
        (b"<ClinicalDocument/>", "NOT_A_CLINICAL_DOCUMENT"),
        (b'<xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform"/>', "NOT_A_CLINICAL_DOCUMENT"),
        (b'<a><ClinicalDocument xmlns="urn:hl7-org:v3"/></a>', "NOT_A_CLINICAL_DOCUMENT"),
    ],
)
def test_what_cannot_be_filed_is_refused_with_its_reason(data: bytes, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_cda(data)
    assert refused.value.code == code
    assert refused.value.message != code
