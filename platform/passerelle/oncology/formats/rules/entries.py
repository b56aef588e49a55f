"""Rules of the acts, organizers, encounters and requests that oncology documents hold."""

from __future__ import annotations

from typing import Final

from passerelle.oncology.formats.rules.sections import ATTACHED_DOCUMENT, SIMPLE_OBSERVATION
from passerelle.oncology.formats.rules.shapes import (
    Group,
    ans,
    at_most_once,
    bears,
    ccd,
    element,
    entry,
    ihe,
    nothing_coded,
    once,
    rule,
    some,
    status,
    template,
    templates,
    text_reference,
)

COMMENT: Final = ihe("5.3.1.4.2")
_CONCERN: Final = ihe("5.3.1.4.5.1")
_PROBLEM_CONCERN: Final = ihe("5.3.1.4.5.2")
_ACTIVE: Final = ("active", "suspended", "aborted", "completed")
_PROBLEM_OR_ALLERGY: Final = f"{bears(ihe('5.3.1.4.5'))} or {bears(ihe('5.3.1.4.6'))}"
_NAMED_AUTHOR: Final = (
    "not(cda:author[not(cda:assignedAuthor[cda:id and cda:addr and cda:telecom"
    " and cda:assignedPerson/cda:name and cda:representedOrganization/cda:name])])"
)


def _file(name: str) -> str:
    return f"include/entrees/{name}.sch"


GROUPS: Final[tuple[Group, ...]] = (
    Group(
        key="comment",
        named="Commentaire",
        templates=(COMMENT, ans("3.32")),
        sources={"fr": _file("E_comments_fr"), "int": _file("E_comments_int")},
        rules=(
            template("fr1", COMMENT, "ihe"),
            template("fr2", ans("3.32"), "ans"),
            text_reference("int1"),
            rule("code", "int2", "cda:code[@code and @codeSystem]", "CONFORMITY_CODE_AND_SYSTEM"),
            status("int3", "completed"),
            template("int4", ccd("40"), "ccd"),
            rule(
                "author",
                "int5",
                "not(cda:author[not(cda:time and cda:assignedAuthor[cda:id and cda:addr and cda:telecom"
                " and (cda:assignedPerson/cda:name or cda:representedOrganization/cda:name)])])",
                "CONFORMITY_COMMENT_AUTHOR",
            ),
        ),
    ),
    Group(
        key="concern",
        named="Liste de problèmes",
        templates=(_CONCERN, _PROBLEM_CONCERN, ans("3.39.1")),
        sources={
            "fr": _file("E_concernEntry_fr"),
            "int": _file("E_concernEntry_int"),
            "pfr": _file("E_problemConcernEntry_fr"),
            "pint": _file("E_problemConcernEntry_int"),
            "cancer": _file("E_listeDesProblemesCancer_fr"),
        },
        rules=(
            rule("author", "fr1", _NAMED_AUTHOR, "CONFORMITY_CONCERN_AUTHOR"),
            some("int1 pint2", "id"),
            nothing_coded("int2 pfr1 cancer1"),
            rule("start", "int3 pint7", "cda:effectiveTime[@nullFlavor or cda:low]", "CONFORMITY_PERIOD_START"),
            rule(
                "end",
                "int5 cancer8",
                "cda:effectiveTime/@nullFlavor"
                " or boolean(cda:statusCode[@code='completed' or @code='aborted'])=boolean(cda:effectiveTime/cda:high)",
                "CONFORMITY_PERIOD_END",
            ),
            status("int4 pint3 cancer6", *_ACTIVE),
            templates("int6", 2),
            element("int7 int9 pint8 cancer4", "act", "EVN", kind="ACT"),
            template("int8 pint4 cancer5", ccd("27"), "ccd"),
            rule(
                "problem",
                "int10 pint6",
                f"cda:entryRelationship[@typeCode='SUBJ' and @inversionInd='false']/*[{_PROBLEM_OR_ALLERGY}]",
                "CONFORMITY_ENTRY",
                entry="« Problème » ou « Allergie », liée par SUBJ et inversionInd=false,",
                template=ihe("5.3.1.4.5"),
            ),
            template("pint5 cancer5", _CONCERN),
        ),
    ),
    Group(
        key="problem-concern",
        named="Liste de problèmes",
        templates=(_PROBLEM_CONCERN, ans("3.39.1")),
        sources={"pint": _file("E_problemConcernEntry_int"), "cancer": _file("E_listeDesProblemesCancer_fr")},
        rules=(templates("pint1", 3), template("cancer5", _PROBLEM_CONCERN, "problem")),
    ),
    Group(
        key="encounter",
        named="Rencontre",
        templates=(ihe("5.3.1.4.14"),),
        sources={"fr": _file("E_encounter_fr"), "int": _file("E_encounter_int")},
        rules=(
            some("fr1 int4", "id"),
            some("int1", "code"),
            rule(
                "time",
                "int3",
                "cda:effectiveTime or (@moodCode='ARQ' and cda:priorityCode)",
                "CONFORMITY_ENCOUNTER_TIME",
            ),
            rule(
                "ccd-done",
                "int5",
                f"not(@moodCode='EVN') or {bears(ccd('21'))}",
                "CONFORMITY_TEMPLATE",
                template=ccd("21"),
            ),
            rule(
                "ccd-planned",
                "int6",
                f"not(@moodCode='ARQ' or @moodCode='PRMS' or @moodCode='PMRS') or {bears(ccd('25'))}",
                "CONFORMITY_TEMPLATE",
                template=ccd("25"),
            ),
            rule(
                "place-name",
                "int7",
                "not(cda:participant[@typeCode='LOC'][not(cda:participantRole/cda:playingEntity/cda:name)])",
                "CONFORMITY_ENCOUNTER_PLACE",
            ),
            rule(
                "place",
                "int8",
                "not(cda:participant[@typeCode='LOC'][not(cda:participantRole/@classCode='SDLOC')])",
                "CONFORMITY_ENCOUNTER_PLACE_ROLE",
            ),
            rule(
                "performer",
                "int9",
                "not(cda:performer[@typeCode and not(@typeCode='PRF')])",
                "CONFORMITY_ENCOUNTER_PERFORMER",
            ),
            element("int10", "encounter", kind="ENC"),
            templates("int11", 2),
            rule("text", "int12", "not(cda:text) or cda:text/cda:reference/@value", "CONFORMITY_TEXT_REFERENCE"),
        ),
    ),
    Group(
        key="observation-request",
        named="Demande d'examen ou de suivi",
        templates=(ihe("5.3.1.1.20.3.1"),),
        sources={"fr": _file("E_observationRequest_fr"), "int": _file("E_observationRequest_int")},
        rules=(
            at_most_once("fr1", "value"),
            template("int1", ccd("25"), "ccd"),
            element("int2 int6", "observation", "INT", "PRP", "GOL", kind="OBS"),
            some("int3", "code"),
            some("int4", "effectiveTime"),
            some("int5", "id"),
            text_reference("int7"),
            status("int8", *_ACTIVE, "cancelled", "new", "held"),
            templates("int9", 2),
        ),
    ),
    Group(
        key="procedure",
        named="Acte",
        templates=(ihe("5.3.1.4.19"),),
        sources={
            "fr": _file("E_acte_fr"),
            "pfr": _file("E_procedureEntry_fr"),
            "int": _file("E_procedureEntry_int"),
        },
        rules=(
            template("fr1", ans("3.62"), "ans"),
            some("fr2 int6", "code"),
            status("fr3 int9", "completed", "active", "aborted", "cancelled"),
            rule(
                "difficulty",
                "fr6",
                "not(cda:entryRelationship[*/cda:code/@code='GEN-023']"
                "[not(@typeCode='COMP' and @inversionInd='false')])",
                "CONFORMITY_RELATION",
                code="GEN-023",
                wanted="typeCode COMP, inversionInd false",
            ),
            rule(
                "reason",
                "fr7",
                "not(cda:entryRelationship[@typeCode='RSON'][not(@inversionInd='false' and */cda:code)])",
                "CONFORMITY_PROCEDURE_REASON",
            ),
            at_most_once("fr10 pfr2", "targetSiteCode"),
            at_most_once("pfr1", "approachSiteCode"),
            rule(
                "time",
                "int3",
                "not(@moodCode='INT') or cda:effectiveTime or cda:priorityCode",
                "CONFORMITY_PROCEDURE_TIME",
            ),
            templates("int4", 2),
            some("int5", "id"),
            element("int7", "procedure", kind="PROC"),
            text_reference("fr4 int8"),
            rule(
                "ccd-done",
                "fr1 int10",
                f"not(@moodCode='EVN') or {bears(ccd('29'))}",
                "CONFORMITY_TEMPLATE",
                template=ccd("29"),
            ),
            rule(
                "ccd-planned",
                "fr1 int10",
                f"not(@moodCode='INT') or {bears(ccd('25'))}",
                "CONFORMITY_TEMPLATE",
                template=ccd("25"),
            ),
        ),
    ),
    Group(
        key="external-references",
        named="Références externes",
        templates=(ihe("5.3.1.4.4"), ans("3.35")),
        sources={"fr": _file("E_referencesExternes_fr"), "int": _file("E_referencesExternes_int")},
        rules=(
            rule(
                "code", "fr1 int1", "count(cda:code)=1 and cda:code/@nullFlavor='NA'", "CONFORMITY_CODE_NOT_APPLICABLE"
            ),
            rule(
                "document",
                "fr2 int3",
                "not(cda:reference[not(cda:externalDocument[@classCode='DOC' and @moodCode='EVN'])])",
                "CONFORMITY_EXTERNAL_DOCUMENT",
            ),
            once("fr3 int6", "id"),
            rule(
                "reference",
                "fr4 int4",
                "cda:reference and not(cda:reference[not(@typeCode='SPRT' or @typeCode='REFR')])",
                "CONFORMITY_EXTERNAL_REFERENCE",
            ),
            once("fr5 int5", "text"),
            element("fr6 int7", "act", "EVN", kind="ACT"),
            template("fr7", ihe("5.3.1.4.4")),
            rule(
                "document-id",
                "fr8 int2",
                "not(cda:reference/cda:externalDocument[count(cda:id)!=1])",
                "CONFORMITY_EXTERNAL_DOCUMENT_ID",
            ),
        ),
    ),
    Group(
        key="attached-document",
        named="Document attaché",
        templates=(ATTACHED_DOCUMENT,),
        sources={"ans": _file("E_organizerDocumentAttache_ANS")},
        rules=(
            # The row asks for text/xml; the published documents attach PDF: any media type in base 64 will do.
            rule(
                "media",
                "ans1",
                "cda:component/cda:observationMedia[@classCode='OBS' and @moodCode='EVN']"
                "/cda:value[@mediaType and @representation='B64']",
                "CONFORMITY_ATTACHED_MEDIA",
            ),
            once("ans2", "id"),
            status("ans3", "completed", "Completed"),
            element("ans4", "organizer", "EVN", kind="CLUSTER"),
            entry("ans5", SIMPLE_OBSERVATION, "« Observation simple »", steps="cda:component"),
            some("ans6", "code"),
        ),
    ),
)
