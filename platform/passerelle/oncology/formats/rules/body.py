"""What the body of a tumour board sheet (FRCP) and of a care plan (PPS) must hold."""

from __future__ import annotations

from typing import Final

from passerelle.oncology.formats.rules.shapes import DocumentKind, Group, Rule, ans, bears, coded, ihe, rule

_FRCP: Final = "1.2.250.1.213.1.1.1.8"
_PPS: Final = "1.2.250.1.213.1.1.1.26"
_FRCP_HEADER: Final = {
    year: f"include/specificationsVolets/CANCER-FRCP_{edition}/Entete/Entete_FRCP.sch"
    for year, edition in (("a", "2022.01"), ("b", "2025.01"))
}


_SECTION: Final = "cda:component/cda:section"


def _held(name: str, rows: str, root: str, named: str, *, body: str = "") -> Rule:
    """A section of the document, or one below another, bears the template."""
    test = f"{body}{_SECTION}[{bears(root)}] or {body}{_SECTION}/{_SECTION}[{bears(root)}]"
    return rule(name, rows, test, "CONFORMITY_SECTION_MISSING", section=named, template=root)


def _sheet_holds(name: str, rows: str, root: str, named: str) -> Rule:
    return _held(name, rows, root, named, body="cda:component/cda:structuredBody/")


GROUPS: Final[tuple[Group, ...]] = (
    Group(
        key="frcp",
        named="Fiche RCP",
        templates=(_FRCP,),
        sources={"a": "CI-SIS_CANCER-FRCP_2022.01.sch", "b": "CI-SIS_CANCER-FRCP_2025.01.sch"},
        kinds=frozenset({DocumentKind.FRCP}),
        rules=(
            coded("a1 b1", "34794-8"),
            _sheet_holds("frame-of-proposal", "a2 b2", ans("2.175"), "Cadre de la proposition thérapeutique"),
            _sheet_holds("cancer-diagnosis", "a3 b3", ihe("7.3.1.3.14.1"), "Diagnostic du cancer"),
            _sheet_holds("present-illness", "a4 b4", ihe("5.3.1.3.4"), "Histoire de la maladie"),
            _sheet_holds("progress-note", "a5 b5", ans("2.25"), "Note de progression"),
            _sheet_holds("care-plan", "a6 b6", ihe("5.3.1.3.36"), "Plan de soins"),
            _sheet_holds("reason-for-referral", "a7 b7", ihe("5.3.1.3.2"), "Raison de la recommandation"),
            _sheet_holds("event-outcome", "a8 b8", ihe("5.3.1.1.21.2.9"), "Résultats d'évènements"),
            _sheet_holds("case-status", "a9 b9", ans("2.33"), "Statut du dossier présenté en RCP"),
            _sheet_holds("document-status", "a10 b10", ans("2.35"), "Statut du document"),
        ),
    ),
    Group(
        key="frcp-encounter",
        named="Fiche RCP, prise en charge",
        path="cda:componentOf",
        sources=_FRCP_HEADER,
        kinds=frozenset({DocumentKind.FRCP}),
        rules=(
            rule(
                "facility-address",
                "a1 b1",
                "cda:encompassingEncounter/cda:location/cda:healthCareFacility/cda:location/cda:addr",
                "CONFORMITY_FACILITY_ADDRESS",
            ),
            rule("ids", "a2 b2", "count(cda:encompassingEncounter/cda:id)>=3", "CONFORMITY_BOARD_IDS"),
            rule(
                "facility-name",
                "a3 b3",
                "cda:encompassingEncounter/cda:location/cda:healthCareFacility/cda:location/cda:name",
                "CONFORMITY_FACILITY_NAME",
            ),
        ),
    ),
    Group(
        key="frcp-act",
        named="Fiche RCP, acte documenté",
        path="cda:documentationOf",
        sources=_FRCP_HEADER,
        kinds=frozenset({DocumentKind.FRCP}),
        rules=(rule("code", "a4 b4", "cda:serviceEvent/cda:code", "CONFORMITY_MISSING", path="serviceEvent/code"),),
    ),
    Group(
        key="pps-document",
        named="Programme personnalisé de soins",
        path=".",
        sources={
            "a": "include/specificationsVolets/CANCER-PPS_2022.01/Entete/Entete_Cancer-PPS.sch",
            "b": "include/specificationsVolets/CANCER-PPS_2025.01/Entete/Entete_Cancer-PPS.sch",
        },
        kinds=frozenset({DocumentKind.CARE_PLAN}),
        rules=(
            coded("a1 b1", "18776-5"),
            rule("template", "a2 b2", bears(_PPS), "CONFORMITY_TEMPLATE", template=_PPS),
        ),
    ),
    Group(
        key="pps",
        named="Programme personnalisé de soins",
        path="cda:component/cda:structuredBody",
        sources={"b": "CI-SIS_CANCER-PPS_2025.01.sch"},
        kinds=frozenset({DocumentKind.CARE_PLAN}),
        editions=frozenset({"2025.01"}),
        rules=(
            _held("cancer-diagnosis", "b1", ans("2.27"), "Diagnostic du cancer"),
            _held("pdf-copy", "b2", ans("2.243"), "Copie du document (PDF)"),
            _held("care-plan", "b3", ans("2.158"), "Plan de soins"),
            _held("event-outcome", "b4", ans("2.163"), "Résultats d'évènements"),
            _held("document-status", "b5", ans("2.35"), "Statut du document"),
        ),
    ),
)
