"""Rules of the sections and entries that only oncology documents have: reason, diagnosis, case status, frame."""

from __future__ import annotations

from typing import Final

from passerelle.oncology.formats.rules.sections import SIMPLE_OBSERVATION
from passerelle.oncology.formats.rules.shapes import (
    CISIS,
    DocumentKind,
    Group,
    Rule,
    ans,
    at_most_once,
    bears,
    ccd,
    code,
    coded,
    element,
    entry,
    ihe,
    once,
    rule,
    section,
    some,
    status,
    system,
    template,
    templates,
)

_FRCP_ONLY: Final = frozenset({DocumentKind.FRCP})
_REASON: Final = ihe("5.3.1.3.2")
_BY_ORGAN: Final = "cda:entry/cda:observation[cda:value/@code='ORG-117']"
_SYSTEM: Final = "cda:entryRelationship/cda:observation[cda:code/@code='ORG-118']"
_STAGE: Final = "cda:entryRelationship/cda:observation"
_TUMOUR: Final = "cda:entry/cda:act/cda:entryRelationship/cda:observation"


def _frcp(end: str) -> dict[str, str]:
    root = "include/specificationsVolets/CANCER-FRCP"
    return {"a": f"{root}_2022.01/{end}.sch", "b": f"{root}_2025.01/{end}.sch"}


def _stage(name: str, rows: str, loinc: str, *, inverted: str = "false") -> Rule:
    """A child of the diagnosis, known by its code, hangs where it should."""
    return rule(
        name,
        rows,
        f"not(cda:entryRelationship[*/cda:code/@code='{loinc}'][not(@typeCode='SUBJ' and @inversionInd='{inverted}')])",
        "CONFORMITY_RELATION",
        code=loinc,
        wanted=f"typeCode SUBJ, inversionInd {inverted}",
    )


def _tnm(name: str, rows: str, loinc: str, depth: int, letter: str) -> Rule:
    return rule(
        name,
        rows,
        f"{_TUMOUR}{f'/{_STAGE}' * depth}/cda:code[@code='{loinc}']",
        "CONFORMITY_TUMOUR",
        what=letter,
        code=loinc,
    )


GROUPS: Final[tuple[Group, ...]] = (
    Group(
        key="reason-for-referral",
        named="Raison de la recommandation",
        templates=(ihe("5.3.1.3.1"), _REASON),
        sources={
            "any": "include/sections/S_reasonForReferral.sch",
            "coded": "include/sections/S_codedReasonForReferral.sch",
            **_frcp("Sections/S_codedReasonForReferral_FRCP"),
        },
        rules=(
            section("any1 coded1 a1 b1"),
            code("any2 coded5 a5 b5", "42349-1"),
            system("any3 coded6 a6 b6"),
        ),
    ),
    Group(
        key="coded-reason-for-referral",
        named="Raison de la recommandation",
        templates=(_REASON,),
        sources={
            "coded": "include/sections/S_codedReasonForReferral.sch",
            **_frcp("Sections/S_codedReasonForReferral_FRCP"),
        },
        rules=(
            templates("coded2 a2 b2", 2),
            entry("coded3 a3 b3", ihe("5.3.1.4.5"), "« Problème »", name="problem"),
            entry("coded4 a4 b4", SIMPLE_OBSERVATION, "« Observation simple »", name="observation"),
        ),
    ),
    Group(
        # The rows name RCP_099, RCP_093 and RCP_110, the codes of before 2021; these are today's for the same things.
        key="nature-of-discussion",
        named="Nature de la discussion",
        templates=(_REASON,),
        sources=_frcp("Entrees/E_simpleObservation_FRCP"),
        kinds=_FRCP_ONLY,
        rules=(
            rule(
                "body-system",
                "a1 b1",
                f"not({_BY_ORGAN}) or {_BY_ORGAN}/{_SYSTEM}",
                "CONFORMITY_BOARD_SYSTEM",
            ),
            rule(
                "organ-relation",
                "a2 b2",
                f"not({_BY_ORGAN}/{_SYSTEM}/cda:entryRelationship[*/cda:code/@code='ORG-119'][not(@typeCode='REFR')])",
                "CONFORMITY_RELATION",
                code="ORG-119",
                wanted="typeCode REFR",
            ),
            rule(
                "body-system-relation",
                "a3 b3",
                f"not({_BY_ORGAN}/cda:entryRelationship[*/cda:code/@code='ORG-118'][not(@typeCode='SUBJ')])",
                "CONFORMITY_RELATION",
                code="ORG-118",
                wanted="typeCode SUBJ",
            ),
            rule(
                "organ",
                "a4 b4",
                f"not({_BY_ORGAN}/{_SYSTEM})"
                f" or {_BY_ORGAN}/{_SYSTEM}/cda:entryRelationship/cda:observation/cda:code[@code='ORG-119']",
                "CONFORMITY_BOARD_ORGAN",
            ),
            rule(
                "support-care",
                "a5 b5",
                "not(cda:entry/cda:observation[cda:value/@code='ORG-132'])"
                " or cda:entry/cda:observation[cda:value/@code='ORG-132']"
                "/cda:entryRelationship/cda:observation/cda:code[@code='ORG-138']",
                "CONFORMITY_BOARD_SUPPORT_CARE",
            ),
        ),
    ),
    Group(
        key="cancer-diagnosis-section",
        named="Diagnostic du cancer",
        templates=(ihe("7.3.1.3.14.1"),),
        sources={"int": "include/sections/S_cancerDiagnosis.sch"},
        rules=(
            section("int1"),
            system("int2"),
            rule(
                "tumour",
                "int3",
                f"cda:entry//*[{bears(ihe('7.3.1.4.14.1'))}]",
                "CONFORMITY_ENTRY",
                entry="« Diagnostic du cancer »",
                template=ihe("7.3.1.4.14.1"),
            ),
            entry("int4", ihe("5.3.1.4.5.2"), "« Liste de problèmes de cancer »", name="problems"),
            template("int5", ccd("11"), "ccd"),
            template("int6", ans("2.27"), "ans"),
            template("int7", ihe("5.3.1.3.6")),
            some("int8", "text"),
            code("int9", "72135-7"),
        ),
    ),
    Group(
        key="frcp-tumour",
        named="Fiche RCP, diagnostic du cancer",
        templates=(ihe("7.3.1.3.14.1"),),
        sources=_frcp("Sections/S_cancerDiagnosis_FRCP"),
        kinds=_FRCP_ONLY,
        rules=(
            _tnm("m", "a1 b1", "21907-1", 2, "la classe M"),
            _tnm("n", "a2 b2", "21906-3", 2, "la classe N"),
            _tnm("t", "a3 b3", "21905-5", 2, "la classe T"),
            _tnm("tnm", "a4 b4", "75620-5", 1, "le stade TNM"),
            _tnm("diagnosis", "a5 b5", "282291009", 0, "le diagnostic de la tumeur"),
        ),
    ),
    Group(
        key="cancer-diagnosis",
        named="Diagnostic de la tumeur",
        templates=(ihe("7.3.1.4.14.1"), ans("3.113")),
        sources={
            "fr": "include/entrees/E_diagnosticDuCancer_fr.sch",
            "int": "include/entrees/E_diagnosticDuCancer_int.sch",
        },
        rules=(
            template("fr1", ihe("7.3.1.4.14.1"), "ihe"),
            template("fr1", ans("3.113"), "ans"),
            template("fr1 int1", ihe("5.3.1.4.5"), "problem"),
            template("fr1", ans("3.37"), "ans-problem"),
            code("fr2 int4", "282291009"),
            some("fr3", "effectiveTime"),
            some("fr5 int2", "targetSiteCode"),
            _stage("other-stage", "fr9 int6", "21918-8"),
            _stage("comment", "fr10 int7", "48767-8", inverted="true"),
            _stage("stage", "fr11 int8", "75620-5"),
        ),
    ),
    Group(
        key="cancer-problems",
        named="Liste de problèmes de cancer",
        templates=(ans("3.39.1"),),
        sources={"fr": "include/entrees/E_listeDesProblemesCancer_fr.sch"},
        rules=(
            at_most_once("fr2", "id"),
            rule(
                "diagnosis",
                "fr3",
                f"cda:entryRelationship[@typeCode='SUBJ' and @inversionInd='false']/*[{bears(ihe('7.3.1.4.14.1'))}]",
                "CONFORMITY_ENTRY",
                entry="« Diagnostic du cancer », liée par SUBJ et inversionInd=false,",
                template=ihe("7.3.1.4.14.1"),
            ),
            template("fr5", ans("3.39"), "ans"),
            once("fr7", "effectiveTime"),
            once("fr9", "effectiveTime/low"),
        ),
    ),
    Group(
        key="case-status-section",
        named="Statut du dossier présenté en RCP",
        templates=(ans("2.33"),),
        sources={"ans": "include/sections/S_statutDossierRCP_ANS.sch"},
        rules=(
            section("ans1"),
            rule(
                "other-entries",
                "ans2",
                f"not(cda:entry[not(cda:organizer[{bears(ans('3.7'))}])])",
                "CONFORMITY_CASE_STATUS_ONLY",
            ),
            system("ans3"),
            once("ans4", "id"),
            some("ans5", "text"),
            code("ans6", "21874-3"),
        ),
    ),
    Group(
        key="case-status",
        named="Statut du dossier présenté en RCP",
        templates=(ans("3.7"),),
        sources={
            "org": "include/entrees/E_organizerRCP_ANS.sch",
            "ans": "include/entrees/E_statutDuDossier_ANS.sch",
        },
        rules=(
            entry("org1", SIMPLE_OBSERVATION, "« Observation simple »", steps="cda:component"),
            coded("org2 ans4", "GEN-099", CISIS),
            status("org3 ans5", "completed"),
            element("org4 ans3", "organizer", "EVN", kind="CLUSTER"),
            at_most_once("ans2", "id"),
        ),
    ),
    Group(
        key="frame-of-proposal",
        named="Cadre de la proposition thérapeutique (modèle de 2017)",
        templates=(ans("2.45"),),
        sources={"ans": "include/sections/S_cadrePropositionTherapeutiqueFRCP_ANS.sch"},
        rules=(
            section("ans1"),
            entry("ans2", SIMPLE_OBSERVATION, "« Observation simple »"),
            system("ans3"),
            once("ans4", "id"),
            some("ans6", "text"),
            code("ans7", "56447-6"),
        ),
    ),
)
