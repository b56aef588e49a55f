"""Rules of the sections that oncology documents share with others of the CI-SIS."""

from __future__ import annotations

from typing import Final

from passerelle.oncology.formats.rules.shapes import (
    Group,
    ans,
    at_most_once,
    bears,
    ccd,
    code,
    entry,
    holding,
    ihe,
    never,
    once,
    rule,
    section,
    some,
    system,
    template,
    templates,
)

SIMPLE_OBSERVATION: Final = ihe("5.3.1.4.13")
COMMENT_SECTION: Final = ihe("4.1.2.16")
ATTACHED_DOCUMENT: Final = ans("3.18")
_PREGNANCY: Final = (ihe("5.3.1.4.13.5"), ihe("5.3.1.4.13.5.1"))
_UNDER_ACP: Final = (SIMPLE_OBSERVATION, ihe("8.1.2.6"), ihe("8.1.2.5"), COMMENT_SECTION)


def _file(name: str) -> str:
    return f"include/sections/{name}.sch"


GROUPS: Final[tuple[Group, ...]] = (
    Group(
        key="active-problems",
        named="Problèmes actifs",
        templates=(ihe("5.3.1.3.6"),),
        sources={"int": _file("S_activeProblem")},
        rules=(
            templates("int1", 2),
            section("int2"),
            system("int3"),
            # The section of the diagnosis is one of active problems, and has a code of its own.
            rule(
                "code",
                "int4",
                f"cda:code/@code='11450-4' or {bears(ihe('7.3.1.3.14.1'))}",
                "CONFORMITY_CODE",
                code="11450-4",
            ),
            template("int5", ccd("11")),
            entry("int6", ihe("5.3.1.4.5.2"), "« Liste de problèmes »"),
        ),
    ),
    Group(
        key="active-problems-in-words",
        named="Problèmes actifs (non codés)",
        templates=(ans("2.176"),),
        sources={"ans": _file("S_problemesActifsNonCode_ANS")},
        rules=(section("ans1"), code("ans2", "11450-4"), system("ans3")),
    ),
    Group(
        key="past-medical-history",
        named="Antécédents médicaux",
        templates=(ans("2.2"),),
        sources={"ans": _file("S_antecedentsMedicaux_ANS")},
        rules=(section("ans1"), once("ans2", "id"), some("ans3", "text"), system("ans4"), code("ans5", "11348-0")),
    ),
    Group(
        key="care-plan",
        named="Plan de soins",
        templates=(ihe("5.3.1.3.36"),),
        sources={"int": _file("S_codedCarePlan")},
        rules=(
            system("int1"),
            templates("int2", 2),
            section("int3"),
            code("int4", "18776-5"),
            template("int5", ccd("10")),
        ),
    ),
    Group(
        key="event-outcome",
        named="Résultats d'évènements",
        templates=(ihe("7.3.1.1.13.7"),),
        sources={"int": _file("S_codedEventOutcome")},
        rules=(
            section("int1"),
            system("int2"),
            code("int3", "42545-4"),
            entry("int4", SIMPLE_OBSERVATION, "« Observation simple »"),
            templates("int5", 2),
            template("int6", ihe("5.3.1.1.21.2.9")),
        ),
    ),
    Group(
        key="functional-status",
        named="Statut fonctionnel",
        templates=(ihe("5.3.1.3.17"), ihe("5.3.1.1.12.2.1")),
        sources={"coded": _file("S_codedFunctionalStatus"), "any": _file("S_functionnalStatus")},
        rules=(
            section("coded1 any1"),
            system("coded2 any4"),
            templates("any2", 2),
            code("coded6 any5", "47420-5"),
            template("coded8 any3", ccd("5"), "ccd"),
        ),
    ),
    Group(
        key="coded-functional-status",
        named="Statut fonctionnel codé",
        templates=(ihe("5.3.1.1.12.2.1"),),
        sources={"coded": _file("S_codedFunctionalStatus")},
        rules=(
            templates("coded3", 3),
            some("coded4", "text"),
            some("coded5", "title"),
            template("coded7", ihe("5.3.1.3.17")),
        ),
    ),
    Group(
        key="pain-scale",
        named="Sévérité de la douleur",
        templates=(ihe("5.3.1.1.12.2.2"),),
        sources={"int": _file("S_painScaleAssessment")},
        rules=(
            section("int1"),
            system("int2"),
            entry("int3", ihe("5.3.1.1.12.3.1"), "« Score de douleur »"),
            code("int4", "38208-5"),
            some("int5", "id"),
            some("int6", "text"),
        ),
    ),
    Group(
        key="geriatric-depression",
        named="Dépression gériatrique",
        templates=(ihe("5.3.1.1.12.2.4"),),
        sources={"int": _file("S_geriatricDepressionScale")},
        rules=(section("int1"), system("int2"), code("int4", "48542-5"), some("int5", "id"), some("int6", "text")),
    ),
    Group(
        key="physical-function",
        named="Fonctions physiques",
        templates=(ihe("5.3.1.1.12.2.5"),),
        sources={"int": _file("S_physicalFunction")},
        rules=(code("int1", "46006-3"), system("int2"), section("int3")),
    ),
    Group(
        key="pregnancies",
        named="Historique des grossesses",
        templates=(ihe("5.3.1.1.5.3.4"),),
        sources={"int": _file("S_pregnancyHistory")},
        rules=(
            section("int1"),
            code("int2", "10162-6"),
            system("int3"),
            rule(
                "other-entries",
                "int4",
                f"not(cda:entry[not({' or '.join(f'*/{bears(each)}' for each in _PREGNANCY)})])",
                "CONFORMITY_PREGNANCY_ONLY",
            ),
            rule("entry", "int5", " or ".join(holding(each) for each in _PREGNANCY), "CONFORMITY_PREGNANCY_ENTRY"),
        ),
    ),
    Group(
        key="results",
        named="Résultats d'examens",
        templates=(ihe("5.3.1.3.27"),),
        sources={"int": _file("S_results")},
        rules=(section("int1"), system("int2"), never("int3", "entry"), code("int4", "30954-2")),
    ),
    Group(
        key="progress-note",
        named="Note de progression",
        templates=(ihe("5.3.1.1.13.2.7"), ans("2.25")),
        sources={"int": _file("S_progressNote"), "ans": _file("S_noteProgression_ANS")},
        rules=(
            section("int1 ans1"),
            some("int2", "title"),
            system("int3 ans3"),
            code("int4 ans6", "18733-6"),
            once("int5 ans4", "id"),
        ),
    ),
    Group(
        key="coded-progress-note",
        named="Note de progression",
        templates=(ans("2.25"),),
        sources={"ans": _file("S_noteProgression_ANS")},
        rules=(entry("ans2", SIMPLE_OBSERVATION, "« Observation simple »"), some("ans5", "text")),
    ),
    Group(
        key="procedures",
        named="Actes",
        templates=(ihe("5.3.1.1.13.2.11"),),
        sources={"int": _file("S_proceduresIntervention")},
        rules=(
            section("int1"),
            system("int2"),
            code("int3", "29554-3"),
            entry("int4", ihe("5.3.1.4.19"), "« Acte »"),
        ),
    ),
    Group(
        key="present-illness",
        named="Histoire de la maladie",
        templates=(ihe("5.3.1.3.4"),),
        sources={"int": _file("S_historyOfPresentIllness")},
        rules=(section("int1"), some("int2", "text"), system("int3"), code("int4", "10164-2")),
    ),
    Group(
        key="operation-conclusion",
        named="Conclusion du compte rendu opératoire",
        templates=(ans("2.26"),),
        sources={"ans": _file("S_conclusionCRO_ANS")},
        rules=(section("ans1"), system("ans2"), some("ans3", "id"), some("ans4", "text"), code("ans5", "10218-6")),
    ),
    Group(
        key="pathology-conclusion",
        named="Conclusion d'anatomie pathologique",
        templates=(ans("2.34"),),
        sources={"ans": _file("S_conclusionCR-ACP_ANS")},
        rules=(
            section("ans1"),
            once("ans2", "id"),
            some("ans3", "text"),
            code("ans4", "30954-2"),
            system("ans5"),
            rule(
                "subsections",
                "ans6",
                f"not(cda:component/cda:section[not({' or '.join(bears(each) for each in _UNDER_ACP)})])",
                "CONFORMITY_PATHOLOGY_SUBSECTIONS",
            ),
        ),
    ),
    Group(
        key="genetics-conclusion",
        named="Conclusion de génétique moléculaire",
        templates=(ans("2.67"),),
        sources={"ans": _file("S_conclusionCRGM_ANS")},
        rules=(section("ans1"), some("ans2", "text"), code("ans3", "50397-9"), system("ans4")),
    ),
    Group(
        key="comment-section",
        named="Commentaire",
        templates=(COMMENT_SECTION,),
        sources={"int": _file("S_documentSummary")},
        rules=(
            section("int1"),
            at_most_once("int2", "id"),
            code("int3", "55112-7"),
            system("int4"),
            template("int5", "2.16.840.1.113883.10.12.201"),
        ),
    ),
    Group(
        key="pdf-copy",
        named="Copie du document",
        templates=(ans("2.243"),),
        sources={"ans": _file("S_documentPDFCopie_ANS")},
        rules=(
            section("ans1"),
            entry("ans2", ATTACHED_DOCUMENT, "« Document attaché »"),
            rule("title", "ans3", "cda:title='Copie du document'", "CONFORMITY_PDF_COPY_TITLE"),
            some("ans4", "text"),
            code("ans5", "55108-5"),
            system("ans6"),
        ),
    ),
    Group(
        key="added-documents",
        named="Documents ajoutés",
        templates=(ans("2.37"),),
        sources={"ans": _file("S_documentsAjoutes_ANS")},
        rules=(
            section("ans1"),
            entry("ans2", ATTACHED_DOCUMENT, "« Document attaché »"),
            at_most_once("ans3", "id"),
            some("ans4", "text"),
            code("ans5", "55107-7"),
            system("ans6"),
        ),
    ),
    Group(
        key="referenced-documents",
        named="Documents référencés",
        templates=(ans("2.55"),),
        sources={"ans": _file("S_documentsReferences_ANS")},
        rules=(
            section("ans1"),
            entry("ans2", ihe("5.3.1.4.4"), "« Références externes »"),
            some("ans3", "text"),
            code("ans4", "55107-7"),
            system("ans5"),
        ),
    ),
    Group(
        key="document-status-section",
        named="Statut du document",
        templates=(ans("2.35"),),
        sources={"ans": _file("S_statutDoc_ANS")},
        rules=(
            section("ans1"),
            entry("ans2", SIMPLE_OBSERVATION, "« Observation simple »"),
            some("ans3", "title"),
            system("ans4"),
            once("ans5", "id"),
            code("ans6", "33557-0"),
        ),
    ),
)
