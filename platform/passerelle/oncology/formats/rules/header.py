"""Rules of the header of every document of the CI-SIS: those that can be told from the document alone."""

from __future__ import annotations

from typing import Final

from passerelle.oncology.formats.rules.shapes import Group, Rule, at_most_once, rule, some

_MINIMAL: Final = "profils/structurationMinimale/include/1.2.250.1.213.1.1.1.1-2017-12-13T103531.sch"
_SOURCES: Final = {"min": _MINIMAL}
_CISIS_TEMPLATE: Final = "1.2.250.1.213.1.1.1.1"
_HL7_FRANCE: Final = "2.16.840.1.113883.2.8.2.1"
_INS: Final = ("8", "9", "10", "11")
_WITH_INS: Final = (
    "cda:recordTarget/cda:patientRole[" + " or ".join(f"cda:id/@root='1.2.250.1.213.1.4.{end}'" for end in _INS) + "]"
)


def _exactly_one(rows: str, path: str, condition: str = "not(@nullFlavor)", *, wanted: str = "") -> Rule:
    test = f"count(cda:{path}[{condition}])=1 and count(cda:{path})=1"
    named = f"{path} {wanted}".strip()
    return rule(path.lower(), rows, test, "CONFORMITY_HEADER_ONCE", path=named)


GROUPS: Final[tuple[Group, ...]] = (
    Group(
        key="header",
        named="En-tête",
        path=".",
        sources=_SOURCES,
        rules=(
            rule("act-time", "min1", "cda:documentationOf/cda:serviceEvent/cda:effectiveTime", "CONFORMITY_ACT_TIME"),
            rule(
                "act-performer",
                "min2",
                "cda:documentationOf/cda:serviceEvent/cda:performer",
                "CONFORMITY_ACT_PERFORMER",
            ),
            rule(
                "ins-traits",
                "min3",
                f"not({_WITH_INS}) or {_WITH_INS}/cda:patient[cda:name/cda:family/@qualifier='BR'"
                " and cda:name/cda:given/@qualifier='BR' and cda:name/cda:given[not(@qualifier)]"
                " and cda:birthTime and cda:birthplace/cda:place/cda:addr/cda:county and cda:administrativeGenderCode]",
                "CONFORMITY_INS_TRAITS",
            ),
            rule(
                "attributes",
                "min4 min6",
                "(not(@classCode) or @classCode='DOCCLIN') and (not(@moodCode) or @moodCode='EVN')",
                "CONFORMITY_HEADER_ATTRIBUTES",
            ),
            some("min9", "author/assignedAuthor"),
            _exactly_one("min10 min11", "code"),
            rule("component", "min12 min13", "count(cda:component)=1", "CONFORMITY_HEADER_ONCE", path="component"),
            _exactly_one(
                "min14 min15",
                "componentOf",
                "not(@nullFlavor) and cda:encompassingEncounter",
                wanted="(encompassingEncounter)",
            ),
            _exactly_one("min16 min17", "confidentialityCode"),
            _exactly_one(
                "min18 min19", "custodian", "not(@nullFlavor) and cda:assignedCustodian", wanted="(assignedCustodian)"
            ),
            at_most_once("min20", "dataEnterer"),
            some("min21", "documentationOf/serviceEvent"),
            _exactly_one("min22 min23", "effectiveTime"),
            _exactly_one("min24 min25", "id"),
            _exactly_one("min26 min27", "languageCode"),
            _exactly_one(
                "min28 min29", "legalAuthenticator", "cda:signatureCode/@code='S'", wanted="avec signatureCode S"
            ),
            _exactly_one("min30 min31", "realmCode", "@code='FR'", wanted="FR"),
            _exactly_one("min32 min33", "recordTarget"),
            rule(
                "replaced-twice",
                "min34",
                "count(cda:relatedDocument[@typeCode='RPLC'][cda:parentDocument])<=1",
                "CONFORMITY_REPLACED_TWICE",
            ),
            _exactly_one("min35 min36", "setId"),
            rule(
                "template-cisis",
                "min37 min38",
                f"count(cda:templateId[@root='{_CISIS_TEMPLATE}'])=1",
                "CONFORMITY_HEADER_TEMPLATE",
                template=_CISIS_TEMPLATE,
            ),
            rule(
                "template-france",
                "min39 min40",
                f"count(cda:templateId[@root='{_HL7_FRANCE}'])=1",
                "CONFORMITY_HEADER_TEMPLATE",
                template=_HL7_FRANCE,
            ),
            rule(
                "template-document",
                "min41",
                f"cda:templateId[@root][not(@root='{_CISIS_TEMPLATE}') and not(@root='{_HL7_FRANCE}')]",
                "CONFORMITY_DOCUMENT_TEMPLATE",
            ),
            _exactly_one("min42 min43", "title"),
            _exactly_one(
                "min44 min45",
                "typeId",
                "@root='2.16.840.1.113883.1.3' and @extension='POCD_HD000040'",
                wanted="2.16.840.1.113883.1.3 POCD_HD000040",
            ),
            _exactly_one("min46 min47", "versionNumber"),
        ),
    ),
    Group(
        key="patient",
        named="Patient",
        path="cda:recordTarget",
        sources=_SOURCES,
        rules=(
            rule(
                "role",
                "min1510 min1511",
                "count(cda:patientRole[cda:patient])=1",
                "CONFORMITY_ONCE",
                path="patientRole/patient",
            ),
            rule(
                "id", "min1512", "cda:patientRole/cda:id[not(@nullFlavor)]", "CONFORMITY_MISSING", path="patientRole/id"
            ),
            some("min1676", "patientRole/patient/name/family"),
            some("min1677", "patientRole/patient/name/given"),
        ),
    ),
    Group(
        key="author",
        named="Auteur",
        path="cda:author[cda:assignedAuthor]",
        sources=_SOURCES,
        rules=(
            some("min187", "time"),
            some("min192", "assignedAuthor/id"),
            rule(
                "name",
                "min235 min238",
                "not(cda:assignedAuthor/cda:assignedPerson)"
                " or cda:assignedAuthor/cda:assignedPerson/cda:name/cda:family",
                "CONFORMITY_MISSING",
                path="assignedPerson/name/family",
            ),
        ),
    ),
    Group(
        key="custodian",
        named="Organisation conservatrice",
        path="cda:custodian/cda:assignedCustodian",
        sources=_SOURCES,
        rules=(
            some("min702 min704", "representedCustodianOrganization"),
            rule(
                "id",
                "min707",
                "not(cda:representedCustodianOrganization)"
                " or cda:representedCustodianOrganization/cda:id[not(@nullFlavor)]",
                "CONFORMITY_MISSING",
                path="representedCustodianOrganization/id",
            ),
        ),
    ),
    Group(
        key="signer",
        named="Responsable du document",
        path="cda:legalAuthenticator",
        sources=_SOURCES,
        rules=(
            some("min1246", "assignedEntity"),
            some("min1250", "time"),
            rule(
                "id",
                "min1254",
                "not(cda:assignedEntity) or cda:assignedEntity/cda:id[not(@nullFlavor)]",
                "CONFORMITY_MISSING",
                path="assignedEntity/id",
            ),
            rule(
                "name",
                "min1291 min1294",
                "not(cda:assignedEntity/cda:assignedPerson)"
                " or cda:assignedEntity/cda:assignedPerson/cda:name/cda:family",
                "CONFORMITY_MISSING",
                path="assignedEntity/assignedPerson/name/family",
            ),
        ),
    ),
    Group(
        key="participant",
        named="Participant",
        path="cda:participant",
        sources=_SOURCES,
        rules=(
            some("min1370", "associatedEntity/@classCode"),
            some("min1374", "time"),
            rule(
                "name",
                "min1417 min1419",
                "not(cda:associatedEntity/cda:associatedPerson/cda:name[not(cda:family)])",
                "CONFORMITY_MISSING",
                path="associatedPerson/name/family",
            ),
        ),
    ),
    Group(
        key="act",
        named="Acte documenté",
        path="cda:documentationOf/cda:serviceEvent",
        sources=_SOURCES,
        rules=(
            rule(
                "start",
                "min787",
                "not(cda:effectiveTime) or cda:effectiveTime[cda:low or @nullFlavor]",
                "CONFORMITY_PERIOD_START",
            ),
            rule(
                "performer-organisation",
                "min796 min804",
                "not(cda:performer[@typeCode='PRF'][not(cda:assignedEntity/cda:representedOrganization)])",
                "CONFORMITY_PERFORMER_ORGANISATION",
            ),
            rule(
                "performer-id",
                "min802",
                "not(cda:performer[@typeCode='PRF'][not(cda:assignedEntity/cda:id)])",
                "CONFORMITY_PERFORMER_ID",
            ),
            rule(
                "performer-setting",
                "min851",
                "not(cda:performer[@typeCode='PRF']/cda:assignedEntity/cda:representedOrganization"
                "[not(cda:standardIndustryClassCode[not(@nullFlavor)])])",
                "CONFORMITY_PERFORMER_SETTING",
            ),
        ),
    ),
    Group(
        key="encompassing-encounter",
        named="Prise en charge",
        path="cda:componentOf/cda:encompassingEncounter",
        sources=_SOURCES,
        rules=(
            some("min354", "effectiveTime"),
            some("min350 min356 min510", "location/healthCareFacility"),
            rule(
                "facility-code",
                "min512",
                "not(cda:location/cda:healthCareFacility[not(cda:code[not(@nullFlavor)])])",
                "CONFORMITY_MISSING",
                path="healthCareFacility/code",
            ),
        ),
    ),
)
