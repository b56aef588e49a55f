"""The operator's schemas are used when they are there, and what is unusable lets nothing pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from passerelle.kernel.errors import InvalidInput
from passerelle.oncology.formats import schemas
from passerelle.oncology.formats.rules.shapes import DocumentKind
from passerelle.oncology.formats.schematron import NotSchematron, as_xslt
from tests.formats.samples import SHARED, needs_shared
from tests.oncology.formats.rule_documents import whole
from tests.oncology.formats.rule_faults import found
from tests.oncology.formats.test_conformity import SAMPLES

_SCHEMA = """<schema xmlns="http://purl.oclc.org/dsdl/schematron" queryBinding="xslt2">
<ns prefix="cda" uri="urn:hl7-org:v3"/><ns prefix="svs" uri="urn:ihe:iti:svs:2008"/>
<let name="allowed" value="'../jeux/statuts.xml'"/>
<include href="include/statut.sch"/>
<include href="abstract/jeu.sch"/>
<pattern is-a="jeu" id="statuts"><param name="path_jdv" value="$allowed"/>
<param name="xpath_elt" value="cda:observation[cda:code/@code='GEN-065']/cda:value"/></pattern>
<pattern><rule abstract="true" id="titled"><let name="t" value="cda:title"/>
<assert test="$t" role="error">Sans titre : <value-of select="../cda:recordTarget"/>.</assert></rule>
<rule context="cda:ClinicalDocument"><extends rule="titled"/>
<assert test="false()" role="warning">Un avertissement.</assert>
<report test="cda:title='Interdit'" id="interdit">Titre interdit.</report></rule>
<rule context="cda:*"><assert test="not(self::cda:ClinicalDocument)">La première règle gagne.</assert></rule></pattern>
</schema>"""
_INCLUDED = """<pattern xmlns="http://purl.oclc.org/dsdl/schematron"><rule context="cda:section">
<assert test="cda:code">La section n'a pas de code.</assert></rule></pattern>"""
_ABSTRACT = """<pattern xmlns="http://purl.oclc.org/dsdl/schematron" id="jeu" abstract="true">
<rule context="$xpath_elt"><let name="c" value="@code"/>
<assert test="document($path_jdv)//svs:Concept[@code=$c]">Hors du jeu : <value-of select="$c"/>.</assert>
</rule></pattern>"""
_VALUES = '<v xmlns="urn:ihe:iti:svs:2008"><Concept code="9571008"/></v>'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder laid out as the public set, with a schematron of our own."""
    for name, text in {
        "schematrons/CI-SIS_CANCER-FRCP_2025.01.sch": _SCHEMA,
        "schematrons/include/statut.sch": _INCLUDED,
        "schematrons/abstract/jeu.sch": _ABSTRACT,
        "jeux/statuts.xml": _VALUES,
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return tmp_path


@pytest.fixture
def in_use() -> Iterator[None]:
    yield
    schemas.use(None)


def told(folder: Path, document: etree._Element) -> list[str]:
    return [each.message for each in schemas.Official(folder).against_schematrons(document, DocumentKind.FRCP)]


def sheet() -> etree._Element:
    return whole(DocumentKind.FRCP)


def test_schematrons_are_run(folder: Path) -> None:
    """Inclusion, abstract pattern and rule, value set in another file, first matching rule, mild roles left out."""
    assert schemas.has_processor()
    assert told(folder, sheet()) == []
    document = sheet()
    for code in found(document, "//cda:observation[cda:code/@code='GEN-065']/cda:value"):
        code.set("code", "PAT-TROIS")
    for gone in found(document, "//cda:section[cda:code/@code='18733-6']/cda:code"):
        gone.getparent().remove(gone)  # type: ignore[union-attr]
    next(found(document, "cda:title")).text = "Interdit"
    findings = schemas.Official(folder).against_schematrons(document, DocumentKind.FRCP)
    assert sorted(each.message for each in findings) == [
        "Hors du jeu : ….",
        "La section n'a pas de code.",
        "Titre interdit.",
    ]
    assert {each.rule for each in findings} >= {"CI-SIS_CANCER-FRCP_2025.01.interdit"}
    section = next(each for each in findings if "section" in each.message)
    assert next(found(document, "/".join(f"cda:{step}" for step in section.place.split("/")))).tag.endswith("section")
    assert "PAT-TROIS" not in repr(findings)


def test_a_rule_that_is_extended_is_asked(folder: Path) -> None:
    document = sheet()
    document.remove(next(found(document, "cda:title")))
    assert told(folder, document) == ["Sans titre : …."]


async def test_what_cannot_be_run_lets_nothing_pass(folder: Path, in_use: None) -> None:
    (folder / "jeux" / "statuts.xml").unlink()
    with pytest.raises(schemas.Unusable) as unusable:
        told(folder, sheet())
    assert unusable.value.code == "CISIS_SCHEMATRON_UNUSABLE"
    assert "CI-SIS_CANCER-FRCP_2025.01.sch" in unusable.value.message
    schemas.use(folder)
    (finding,) = await schemas.checked(sheet(), DocumentKind.FRCP)
    assert finding.rule == "official.unusable"
    assert "CDA_extended.xsd" in finding.message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("schematrons/include/statut.sch", "<broken"),
        ("schematrons/CI-SIS_CANCER-FRCP_2025.01.sch", "<other/>"),
        ("schematrons/abstract/jeu.sch", _ABSTRACT.replace('id="jeu"', 'id="autre"')),
        ("schematrons/CI-SIS_CANCER-FRCP_2025.01.sch", _SCHEMA.replace('rule="titled"', 'rule="untitled"')),
        ("schematrons/include/statut.sch", '<include xmlns="http://purl.oclc.org/dsdl/schematron" href="absent.sch"/>'),
    ],
)
def test_a_damaged_schematron_is_told(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, "utf-8")
    with pytest.raises(NotSchematron):
        as_xslt(folder / "schematrons" / "CI-SIS_CANCER-FRCP_2025.01.sch")


def test_files_that_include_each_other_end(folder: Path) -> None:
    again = '<pattern xmlns="http://purl.oclc.org/dsdl/schematron"><include href="statut.sch"/></pattern>'
    (folder / "schematrons" / "include" / "statut.sch").write_text(again, "utf-8")
    with pytest.raises(NotSchematron):
        as_xslt(folder / "schematrons" / "CI-SIS_CANCER-FRCP_2025.01.sch")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(schemas.Unusable) as unusable:
        schemas.Official(tmp_path / "absent").schema_file()
    assert unusable.value.code == "CISIS_FOLDER_MISSING"
    (tmp_path / "CDA_extended.xsd").write_text("<broken", "utf-8")
    with pytest.raises(schemas.Unusable) as damaged:
        schemas.Official(tmp_path).against_schema(sheet())
    assert damaged.value.code == "CISIS_SCHEMA_UNREADABLE"


async def test_without_a_folder_our_own_rules_are_asked() -> None:
    document = sheet()
    assert await schemas.checked(etree.tostring(document), DocumentKind.FRCP) == ()
    next(found(document, "cda:code")).set("code", "11488-4")
    assert [each.rule for each in await schemas.checked(document, DocumentKind.FRCP)] == ["frcp.code"]
    with pytest.raises(InvalidInput):
        await schemas.checked(b"<a/>", DocumentKind.FRCP)


@needs_shared
@pytest.mark.parametrize("name", SAMPLES)
async def test_official_documents_are_valid(name: str, in_use: None) -> None:
    schemas.use(SHARED / "cda")
    data = (SHARED / "cda" / "ci-sis-2022-2025" / name).read_bytes()
    assert await schemas.checked(data, SAMPLES[name]) == ()


@needs_shared
@pytest.mark.parametrize("kind", DocumentKind)
def test_the_documents_of_these_tests_are_valid(kind: DocumentKind) -> None:
    assert schemas.Official(SHARED / "cda").against_schema(whole(kind)) == ()


@needs_shared
async def test_what_the_schema_refuses_is_told_without_the_value(in_use: None) -> None:
    schemas.use(SHARED / "cda")
    document = sheet()
    next(found(document, "cda:effectiveTime")).set("value", "PAT-TROIS")
    title = next(found(document, "cda:title"))
    document.append(title)
    findings = [each for each in await schemas.checked(document, DocumentKind.FRCP) if each.rule == "xsd"]
    assert any("title" in each.message for each in findings)
    assert any("effectiveTime" in each.message for each in findings)
    assert "PAT-TROIS" not in repr(findings)
