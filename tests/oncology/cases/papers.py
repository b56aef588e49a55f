"""Structured reports of invented patients: pathology, laboratory, operation and summary, as the CI-SIS codes them."""

from __future__ import annotations

from typing import Final

PATHLEX: Final = "1.3.6.1.4.1.19376.1.8.2.1"
ADICAP: Final = "1.2.250.1.213.2.11"
CIM_O: Final = "2.16.840.1.113883.6.43.1"
TNM: Final = "2.16.840.1.113883.15.6"
LOINC: Final = "2.16.840.1.113883.6.1"


def document(type_code: str, *sections: str) -> bytes:
    """A CDA with these sections."""
    body = "".join(f"<component>{each}</component>" for each in sections)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <id root="1.2.250.1.999.9"/><code code="{type_code}" codeSystem="{LOINC}"/><title>Essai</title>
  <effectiveTime value="20261101090000+0100"/>
  <recordTarget><patientRole><id root="1.2.250.1.213.1.4.10" extension="280019900001234"/></patientRole></recordTarget>
  <component><structuredBody>{body}</structuredBody></component>
</ClinicalDocument>""".encode()


def section(code: str, text: str, *entries: str) -> str:
    """A section with its words, and its statements."""
    said = "".join(f"<entry>{each}</entry>" for each in entries)
    return f'<section><code code="{code}" codeSystem="{LOINC}"/><title>T</title><text>{text}</text>{said}</section>'


def coded(code: str, system: str, value: tuple[str, str, str], more: str = "") -> str:
    """An observation whose value is a code: (code, system, label)."""
    return (
        f'<observation classCode="OBS" moodCode="EVN"><code code="{code}" codeSystem="{system}"/>'
        f'<statusCode code="completed"/><value xsi:type="CD" code="{value[0]}" codeSystem="{value[1]}"'
        f' displayName="{value[2]}"/>{more}</observation>'
    )


def measured(label: str, value: str, unit: str, at: str = "20261101") -> str:
    """A result of a laboratory."""
    return (
        f'<observation classCode="OBS" moodCode="EVN"><code code="1-1" codeSystem="{LOINC}" displayName="{label}"/>'
        f'<statusCode code="completed"/><effectiveTime value="{at}"/>'
        f'<value xsi:type="PQ" value="{value}" unit="{unit}"/></observation>'
    )


def pathology(conclusion: str, stage: str = "pT1c: taille de 10 à 20 mm", morphology: str = "8500/3") -> bytes:
    """A report that codes what it found: morphology, place, T and N."""
    site = '<targetSiteCode code="C50.4" codeSystem="2.16.840.1.113883.6.3" displayName="Quadrant supéro-externe"/>'
    return document(
        "11526-1",
        section(
            "22637-3",
            f"<paragraph>{conclusion}</paragraph>",
            coded("21", PATHLEX, (morphology, CIM_O, "Carcinome canalaire infiltrant"), site),
            coded("430", PATHLEX, ("717", PATHLEX, stage)),
            coded("428", PATHLEX, ("731", PATHLEX, "pN1a: un à trois ganglions")),
            coded("99", PATHLEX, ("1", PATHLEX, "Tumeur de grade 2")),
        ),
    )


def laboratory(*results: tuple[str, str, str]) -> bytes:
    """A report of results: label, value, unit."""
    return document("11502-2", section("18719-5", "Biochimie", *(measured(*each) for each in results)))


def summary() -> bytes:
    """A medical summary: what he had, what he has, and how he stands."""
    ecog = coded("89262-0", LOINC, ("LA9623-5", LOINC, "1"))
    return document(
        "60591-5",
        section("11348-0", "<list><item>Pneumonie, 2014</item><item>Appendicectomie</item></list>"),
        section("47519-4", "Prothèse de hanche"),
        section("11450-4", "Diabète de type 2", ecog),
    )
