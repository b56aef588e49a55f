"""Rules of the observations and problems that oncology documents hold."""

from __future__ import annotations

from typing import Final

from passerelle.oncology.formats.rules.entries import COMMENT
from passerelle.oncology.formats.rules.sections import SIMPLE_OBSERVATION
from passerelle.oncology.formats.rules.shapes import (
    Group,
    Rule,
    ans,
    at_most_once,
    bears,
    ccd,
    code,
    coded,
    element,
    ihe,
    never,
    once,
    rule,
    some,
    status,
    template,
    templates,
    text_reference,
)

_PROBLEM: Final = ihe("5.3.1.4.5")
_SPECIALISED: Final = (
    *(ans(end) for end in ("3.48", "3.48.16", "3.48.18", "3.89", "3.110")),
    *(ihe(f"5.3.1.{end}") for end in ("1.12.3.1", "1.12.3.4", "1.12.3.6", "4.13.2", "4.13.4", "4.13.5")),
)
"""The templates whose bearers are simple observations too, and say so."""


def _file(name: str) -> str:
    return f"include/entrees/{name}.sch"


def _unit(name: str, row: str, loinc: str, *units: str) -> Rule:
    allowed = " or ".join(f"@unit='{unit}'" for unit in units)
    return rule(
        f"unit-{name}",
        row,
        f"not(cda:code/@code='{loinc}') or cda:value[{allowed}]",
        "CONFORMITY_UNIT",
        code=loinc,
        units=" ou ".join(units),
    )


GROUPS: Final[tuple[Group, ...]] = (
    Group(
        key="simple-observation",
        named="Observation simple",
        templates=(SIMPLE_OBSERVATION, *_SPECIALISED),
        sources={
            "fr": _file("E_simpleObservation_fr"),
            "int": _file("E_simpleObservation_int"),
            "case": _file("E_statutDuDossier_ANS"),
            "doc": _file("E_statutDuDocument_fr"),
            "att": _file("E_typeDocumentAttache_ANS"),
            "pain": _file("E_observationSurEchelleDouleur_fr"),
            "painint": _file("E_painScoreObservation_int"),
            "score": _file("E_scoreDepressionGeriatique_fr"),
            "social": _file("E_socialHistoryObservation_fr"),
            "socialint": _file("E_socialHistoryObservation_int"),
            "survey": _file("E_surveyObservation_fr"),
            "surveyint": _file("E_surveyObservation_int"),
            "vital": _file("E_vitalSignsObservation_fr"),
            "vitalint": _file("E_vitalSignsObservation_int"),
            "preg": _file("E_pregnancyObservation_fr"),
            "pregint": _file("E_pregnancyObservation_int"),
        },
        rules=(
            at_most_once("fr1", "author"),
            at_most_once("fr2 vital4", "interpretationCode"),
            at_most_once("fr3 vital5", "methodCode"),
            at_most_once("fr4 vital6", "targetSiteCode"),
            some("int1 case8 pain4 social2 surveyint3 preg5 pregint1", "code"),
            some("int2 case7 doc4 att2 pain2 score2 survey4 preg4", "id"),
            element("int3 att4 pain7 painint4 score5 social7 surveyint2 surveyint5", "observation", "EVN", kind="OBS"),
            status("int4 case10 doc9 att3 pain5 score4 social4 survey1 vital2 preg1", "completed"),
            some("int5 case9 doc8 att5 score3 social3 survey2 vitalint4 preg2", "effectiveTime"),
            text_reference("int6 case11 case12 doc5 doc6 att6 pain3 score6 score7 social5 survey3 vital3 preg6"),
            template(
                "case6 doc3 att1 pain1 painint1 score11 surveyint7 socialint6 vitalint2 pregint4",
                SIMPLE_OBSERVATION,
                "ihe",
            ),
        ),
    ),
    Group(
        key="case-status-observation",
        named="Statut du dossier présenté en RCP, observation",
        templates=(ans("3.48"),),
        within=ans("3.7"),
        sources={"case": _file("E_statutDuDossier_ANS")},
        rules=(some("case13", "value"),),
    ),
    Group(
        key="document-status",
        named="Statut du document",
        templates=(ans("3.48.16"),),
        sources={"doc": _file("E_statutDuDocument_fr")},
        rules=(
            template("doc1", ans("3.48"), "ans"),
            code("doc7", "GEN-065"),
            some("doc10", "value"),
        ),
    ),
    Group(
        key="attached-type",
        named="Type de document attaché",
        templates=(ans("3.48.18"),),
        sources={"att": _file("E_typeDocumentAttache_ANS")},
        rules=(
            some("att7", "value"),
            coded("att8", "69764-9"),
        ),
    ),
    Group(
        key="pain-score",
        named="Observation sur échelle de douleur",
        templates=(ihe("5.3.1.1.12.3.1"), ans("3.89")),
        sources={"pain": _file("E_observationSurEchelleDouleur_fr"), "int": _file("E_painScoreObservation_int")},
        rules=(
            template("pain1", ihe("5.3.1.1.12.3.1"), "ihe"),
            some("pain6 int2", "value"),
            code("int3", "38208-5", "38221-8", "38214-3"),
        ),
    ),
    Group(
        key="geriatric-depression-score",
        named="Score de dépression gériatrique",
        templates=(ans("3.110"),),
        sources={"score": _file("E_scoreDepressionGeriatique_fr")},
        rules=(
            template("score1", ccd("31"), "ccd"),
            some("score8", "value"),
            coded("score9", "48544-1"),
            template("score10", ihe("5.3.1.1.12.3.4"), "ihe"),
        ),
    ),
    Group(
        key="social-history",
        named="Habitus et mode de vie",
        templates=(ihe("5.3.1.4.13.4"),),
        sources={"fr": _file("E_socialHistoryObservation_fr"), "int": _file("E_socialHistoryObservation_int")},
        rules=(
            at_most_once("fr1", "id"),
            at_most_once("fr2", "code"),
            at_most_once("fr3", "effectiveTime"),
            at_most_once("fr4", "statusCode"),
            at_most_once("fr5", "text/reference"),
            once("fr6", "value"),
            templates("int1", 3),
            never("int2", "interpretationCode"),
            never("int3", "methodCode"),
            never("int4", "repeatNumber"),
            never("int5", "targetSiteCode"),
            template("int7", ccd("33"), "ccd"),
        ),
    ),
    Group(
        key="survey",
        named="Observation d'évaluation",
        templates=(ihe("5.3.1.1.12.3.6"),),
        sources={"fr": _file("E_surveyObservation_fr"), "int": _file("E_surveyObservation_int")},
        rules=(
            at_most_once("fr4", "id"),
            templates("int1", 3),
            at_most_once("int3", "code"),
            once("int4", "value"),
            template("int6", ccd("31"), "ccd"),
            never("int8", "methodCode"),
            never("int9", "targetSiteCode"),
        ),
    ),
    Group(
        key="vital-sign",
        named="Signe vital",
        templates=(ihe("5.3.1.4.13.2"),),
        sources={"fr": _file("E_vitalSignsObservation_fr"), "int": _file("E_vitalSignsObservation_int")},
        rules=(
            at_most_once("fr1", "id"),
            _unit("body-mass-index", "int1", "39156-5", "kg/m2"),
            template("int3", ccd("31"), "ccd"),
            templates("int5", 3),
            _unit("height", "int6", "8302-2", "m", "cm", "[in_us]", "[in_uk]"),
            _unit("temperature", "int7", "8310-5", "Cel", "[degF]"),
            _unit("heart-rate", "int8", "8867-4", "/min"),
            _unit("breathing-rate", "int9", "9279-1", "/min"),
            _unit("diastolic", "int10", "8462-4", "mm[Hg]"),
            _unit("systolic", "int11", "8480-6", "mm[Hg]"),
            _unit("oxygen", "int12", "2708-6", "%"),
            _unit("weight", "int13", "29463-7", "kg", "g", "[lb_av]", "[oz_av]"),
            _unit("head", "int14", "8287-5", "m", "cm", "[in_us]", "[in_uk]"),
        ),
    ),
    Group(
        key="pregnancy",
        named="Observation sur la grossesse",
        templates=(ihe("5.3.1.4.13.5"),),
        sources={"fr": _file("E_pregnancyObservation_fr"), "int": _file("E_pregnancyObservation_int")},
        rules=(
            at_most_once("fr2", "effectiveTime"),
            once("fr3 int2", "value"),
            at_most_once("fr4", "id"),
            at_most_once("fr5", "code"),
            templates("int3", 2),
            never("int6", "repeatNumber"),
            never("int7", "interpretationCode", "methodCode", "targetSiteCode"),
        ),
    ),
    Group(
        key="problem",
        named="Problème",
        templates=(_PROBLEM,),
        sources={
            "fr": _file("E_problemEntry_fr"),
            "int": _file("E_problemEntry_int"),
            "cancer": _file("E_diagnosticDuCancer_fr"),
            "cancerint": _file("E_diagnosticDuCancer_int"),
        },
        rules=(
            once("fr1 int8", "code"),
            rule("coded", "fr2", "not(cda:code) or cda:code[@code and @codeSystem]", "CONFORMITY_CODE_AND_SYSTEM"),
            at_most_once("fr3", "value"),
            rule("original-text", "int1", "count(cda:value/cda:originalText)=1", "CONFORMITY_ORIGINAL_TEXT"),
            templates("int2", 2),
            rule(
                "negation",
                "int3",
                "not(@negationInd) or @negationInd='true' or @negationInd='false'",
                "CONFORMITY_NEGATION",
            ),
            element("int4", "observation", "EVN", kind="OBS"),
            template("int5 cancer1", ccd("28"), "ccd"),
            once("int6", "id"),
            rule("value", "int7 cancer8 cancerint3", "cda:value[contains(@xsi:type,'CD')]", "CONFORMITY_VALUE_CODED"),
            text_reference("int9 cancer6 cancer7"),
            rule(
                "start",
                "int10",
                "cda:effectiveTime/cda:low[@value or @nullFlavor='UNK' or @nullFlavor='NAV']",
                "CONFORMITY_PROBLEM_START",
            ),
            rule(
                "value-system",
                "int11",
                "not(cda:value[@code and not(@codeSystem)]) and not(cda:value[@codeSystem and not(@code)])",
                "CONFORMITY_VALUE_SYSTEM",
            ),
            *(
                rule(
                    name,
                    row,
                    f"count(cda:entryRelationship/cda:observation[{bears(ihe(end))}])<=1",
                    "CONFORMITY_CHILD_TWICE",
                    child=child,
                    template=ihe(end),
                )
                for name, row, end, child in (
                    ("severity", "int12", "5.3.1.4.1", "la sévérité"),
                    ("problem-status", "int13", "5.3.1.4.1.1", "le statut du problème"),
                    ("health-status", "int14", "5.3.1.4.1.2", "l'état de santé"),
                )
            ),
            status("int15 cancer4 cancerint5", "completed"),
            rule(
                "problem-status-relation",
                "int16",
                f"not(cda:entryRelationship[*/{bears(ihe('5.3.1.4.1.1'))}][not(@typeCode='REFR')])",
                "CONFORMITY_CHILD_RELATION",
                child="le statut du problème",
                wanted="typeCode REFR",
            ),
            never("int18", "effectiveTime/width", "effectiveTime/center"),
            never("int19", "confidentialityCode"),
            never("int20", "uncertaintyCode"),
        ),
    ),
    Group(
        # The message of the row says REFR; the published documents and the entry of the diagnosis say SUBJ.
        key="problem-comment",
        named="Problème, commentaire",
        templates=(COMMENT,),
        within=_PROBLEM,
        sources={"int": _file("E_problemEntry_int")},
        rules=(
            rule(
                "relation",
                "int17",
                "parent::cda:entryRelationship[@typeCode='SUBJ' and @inversionInd='true']",
                "CONFORMITY_CHILD_RELATION",
                child="le commentaire",
                wanted="typeCode SUBJ, inversionInd true",
            ),
        ),
    ),
    Group(
        key="problem-certainty",
        named="Problème, certitude",
        templates=(ans("3.171"),),
        within=_PROBLEM,
        sources={"fr": _file("E_problemEntry_fr")},
        rules=(
            rule(
                "relation",
                "fr4",
                "parent::cda:entryRelationship[@typeCode='SUBJ' and @inversionInd='true']",
                "CONFORMITY_CHILD_RELATION",
                child="la certitude",
                wanted="typeCode SUBJ, inversionInd true",
            ),
        ),
    ),
)
