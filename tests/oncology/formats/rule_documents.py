"""A board sheet and a care plan that hold every kind of section and entry the rules speak of, and keep every rule.

They are made here and not by the writers, so that the rules are tried on more than what we happen to write.
"""

from __future__ import annotations

from functools import cache
from itertools import count

from lxml import etree

from passerelle.oncology.formats.rules.shapes import CISIS, LOINC, DocumentKind, ans, ccd, ihe

_FRAME = """<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<realmCode code="FR"/><typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>
<templateId root="2.16.840.1.113883.2.8.2.1"/><templateId root="1.2.250.1.213.1.1.1.1"/>
<templateId root="{template}" extension="2025.01"/>
<id root="1.2.3.1"/><code code="{code}" codeSystem="2.16.840.1.113883.6.1"/><title>Essai</title>
<effectiveTime value="20260503101500+0200"/><confidentialityCode code="N" codeSystem="2.16.840.1.113883.5.25"/>
<languageCode code="fr-FR"/><setId root="1.2.3"/><versionNumber value="1"/>
<recordTarget><patientRole><id root="1.2.250.1.213.1.4.10" extension="279035121518989"/><patient><name>
<family qualifier="BR">PAT-TROIS</family><given>DOMINIQUE MARIE</given><given qualifier="BR">DOMINIQUE</given></name>
<administrativeGenderCode code="F" codeSystem="2.16.840.1.113883.5.1"/><birthTime value="19790328"/>
<birthplace><place><addr><county>51215</county></addr></place></birthplace></patient></patientRole></recordTarget>
<author><time value="20260503"/><assignedAuthor>{person}</assignedAuthor></author>
<custodian><assignedCustodian><representedCustodianOrganization><id root="1.2.250.1.71.4.2.2" extension="1310000006"/>
</representedCustodianOrganization></assignedCustodian></custodian>
<legalAuthenticator><time value="20260503"/><signatureCode code="S"/><assignedEntity>{person}</assignedEntity>
</legalAuthenticator>
<participant typeCode="RESP"><time nullFlavor="UNK"/><associatedEntity classCode="PROV">
<id root="1.2.250.1.71.4.2.1" extension="810000000019"/><associatedPerson><name><family>ESSAI</family></name>
</associatedPerson></associatedEntity></participant>
<documentationOf><serviceEvent><code code="39" codeSystem="1.2.250.1.213.3.3.13"/>
<effectiveTime><low value="20260503"/></effectiveTime>
<performer typeCode="PRF"><assignedEntity>{person}<representedOrganization><name>CH</name>
<standardIndustryClassCode code="ETABLISSEMENT" codeSystem="1.2.250.1.213.1.1.4.9"/></representedOrganization>
</assignedEntity></performer></serviceEvent></documentationOf>
<componentOf><encompassingEncounter><id root="1.2.250.1.161.1.20.1.1" extension="1"/>
<id root="1.2.250.1.161.1.20.2.1" extension="2"/><id root="1.2.250.1.161.1.20.3.1" extension="3"/>
<effectiveTime><low value="20260503"/></effectiveTime><location><healthCareFacility>
<code code="SA01" codeSystem="1.2.250.1.71.4.2.4"/><location><name>CH</name>
<addr><city>TOULOUSE</city></addr></location>
</healthCareFacility></location></encompassingEncounter></componentOf>
<component><structuredBody>{sections}</structuredBody></component></ClinicalDocument>"""
_PERSON = (
    '<id root="1.2.250.1.71.4.2.1" extension="810000000019"/><assignedPerson><name><family>ESSAI</family></name>'
    "</assignedPerson>"
)
_ids = count(1)
_TEXT = '<text><reference value="#t"/></text>'
_DONE = '<statusCode code="completed"/>'
_DAY = '<effectiveTime value="20260503"/>'
_PERIOD = '<effectiveTime><low value="20260503"/></effectiveTime>'


def _id() -> str:
    return f'<id root="1.2.3.9.{next(_ids)}"/>'


def _templates(*roots: str) -> str:
    return "".join(f'<templateId root="{root}"/>' for root in roots)


def _code(value: str, system: str = LOINC) -> str:
    return f'<code code="{value}" codeSystem="{system}"/>'


def _section(templates: tuple[str, ...], code: str, *entries: str, title: str = "Titre", under: str = "") -> str:
    held = "".join(f"<entry>{each}</entry>" for each in entries)
    return (
        f"<component><section>{_templates(*templates)}{_id()}{_code(code)}<title>{title}</title>"
        f'<text><content ID="t{next(_ids)}">Texte</content></text>{held}{under}</section></component>'
    )


def _related(child: str, kind: str, inverted: str = "") -> str:
    turned = f' inversionInd="{inverted}"' if inverted else ""
    return f'<entryRelationship typeCode="{kind}"{turned}>{child}</entryRelationship>'


def _value(code: str) -> str:
    return f'<value xsi:type="CD" code="{code}" codeSystem="{CISIS}"/>'


def _observed(code: str, *more: str, templates: tuple[str, ...] = (), value: str = "", system: str = CISIS) -> str:
    own = _templates(ihe("5.3.1.4.13"), *(templates or (ans("3.48"),)))
    return (
        f'<observation classCode="OBS" moodCode="EVN">{own}{_id()}{_code(code, system)}{_TEXT}{_DONE}{_DAY}'
        f"{value}{''.join(more)}</observation>"
    )


def _comment() -> str:
    templates = _templates(ccd("40"), ihe("5.3.1.4.2"), ans("3.32"))
    return f'<act classCode="ACT" moodCode="EVN">{templates}{_code("48767-8")}{_TEXT}{_DONE}</act>'


def _problem(code: str, *more: str, templates: tuple[str, ...] = (), site: str = "") -> str:
    own = _templates(ccd("28"), ihe("5.3.1.4.5"), ans("3.37"), *templates)
    return (
        f'<observation classCode="OBS" moodCode="EVN" negationInd="false">{own}{_id()}{_code(code)}{_TEXT}{_DONE}'
        f'{_PERIOD}<value xsi:type="CD" code="8000/3" codeSystem="2.16.840.1.113883.6.43.1"><originalText>t'
        f"</originalText></value>{site}{''.join(more)}</observation>"
    )


def _concern(problem: str, *templates: str) -> str:
    own = _templates(ccd("27"), ihe("5.3.1.4.5.1"), ihe("5.3.1.4.5.2"), *templates)
    return (
        f'<act classCode="ACT" moodCode="EVN">{own}{_id()}<code nullFlavor="NA"/><statusCode code="active"/>{_PERIOD}'
        f"{_related(problem, 'SUBJ', 'false')}</act>"
    )


def _tumour() -> str:
    letters = "".join(_related(_observed(loinc, system=LOINC), "COMP") for loinc in ("21905-5", "21906-3", "21907-1"))
    stage = (
        f'<observation classCode="OBS" moodCode="EVN">{_templates(ihe("7.3.1.4.14.2"))}{_code("75620-5")}'
        f"{letters}</observation>"
    )
    status = (
        f'<observation classCode="OBS" moodCode="EVN">{_templates(ihe("5.3.1.4.1.1"))}{_code("33999-4")}</observation>'
    )
    certain = f'<observation classCode="OBS" moodCode="EVN">{_templates(ans("3.171"))}{_code("66455-7")}</observation>'
    return _problem(
        "282291009",
        _related(stage, "SUBJ", "false"),
        _related(_observed("21918-8", system=LOINC), "SUBJ", "false"),
        _related(_comment(), "SUBJ", "true"),
        _related(status, "REFR"),
        _related(certain, "SUBJ", "true"),
        templates=(ihe("7.3.1.4.14.1"), ans("3.113")),
        site='<targetSiteCode code="76752008" codeSystem="2.16.840.1.113883.6.96"/>',
    )


def _procedure(mood: str, *more: str) -> str:
    own = _templates(ihe("5.3.1.4.19"), ccd("29" if mood == "EVN" else "25"), ans("3.62"))
    return (
        f'<procedure classCode="PROC" moodCode="{mood}">{own}{_id()}{_code("C15313")}{_TEXT}<statusCode code="active"/>'
        f"{_DAY}{''.join(more)}</procedure>"
    )


def _encounter(mood: str) -> str:
    own = _templates(ccd("25" if mood == "ARQ" else "21"), ihe("5.3.1.4.14"), ans("3.58"))
    place = (
        '<participant typeCode="LOC"><participantRole classCode="SDLOC"><playingEntity><name>CH</name></playingEntity>'
        "</participantRole></participant>"
    )
    return (
        f'<encounter classCode="ENC" moodCode="{mood}">{own}{_id()}{_code("ORG-120", CISIS)}{_TEXT}{_DAY}'
        f'<performer typeCode="PRF"><assignedEntity>{_PERSON}</assignedEntity></performer>{place}</encounter>'
    )


def _attached() -> str:
    kind = _observed("69764-9", templates=(ans("3.48"), ans("3.48.18")), value=_value("55108-5"), system=LOINC)
    return (
        f'<organizer classCode="CLUSTER" moodCode="EVN">{_templates(ans("3.18"))}{_id()}{_code("55107-7")}{_DONE}'
        f'<component>{kind}</component><component><observationMedia classCode="OBS" moodCode="EVN">'
        '<value mediaType="application/pdf" representation="B64">JVBERi0=</value></observationMedia></component>'
        "</organizer>"
    )


def _references() -> str:
    document = '<externalDocument classCode="DOC" moodCode="EVN"><id root="1.2.3.4"/></externalDocument>'
    return (
        f'<act classCode="ACT" moodCode="EVN">{_templates(ihe("5.3.1.4.4"), ans("3.35"))}{_id()}<code nullFlavor="NA"/>'
        f'{_TEXT}<reference typeCode="REFR">{document}</reference></act>'
    )


def _of_either_kind() -> str:
    """The sections that both documents have."""
    note = _section((ihe("5.3.1.1.13.2.7"), ans("2.25")), "18733-6", _observed("MED-243", value=_value("MED-244")))
    status = _section(
        (ans("2.35"),),
        "33557-0",
        _observed(
            "GEN-065",
            _related(_comment(), "SUBJ"),
            templates=(ans("3.48"), ans("3.48.16")),
            value=_value("9571008"),
        ),
    )
    diagnosis = _section(
        (ccd("11"), ihe("5.3.1.3.6"), ihe("7.3.1.3.14.1"), ans("2.27")),
        "72135-7",
        _concern(_tumour(), ans("3.39"), ans("3.39.1")),
    )
    plan = _section(
        (ccd("10"), ihe("5.3.1.3.36"), ans("2.158")),
        "18776-5",
        _encounter("ARQ"),
        _encounter("EVN"),
        _procedure("EVN", _related(_observed("GEN-023"), "COMP", "false")),
        _procedure("INT", _related(_observed("29463-7", system=LOINC), "RSON", "false")),
        f'<observation classCode="OBS" moodCode="PRP">{_templates(ccd("25"), ihe("5.3.1.1.20.3.1"))}{_id()}'
        f'{_code("ORG-064", CISIS)}{_TEXT}<statusCode code="active"/>{_DAY}</observation>',
    )
    outcome = _section(
        (ihe("5.3.1.1.21.2.9"), ihe("7.3.1.1.13.7"), ans("2.163")), "42545-4", _observed("63921-1", system=LOINC)
    )
    copy = _section((ans("2.243"),), "55108-5", _attached(), title="Copie du document")
    return note + _remark() + status + diagnosis + plan + outcome + copy


def _remark() -> str:
    return _section(("2.16.840.1.113883.10.12.201", ihe("4.1.2.16"), ans("2.73")), "55112-7")


def _survey() -> str:
    return _observed("MED-239", templates=(ccd("31"), ihe("5.3.1.1.12.3.6"), ans("3.25")), value=_value("LA9622-7"))


def _sheet_sections() -> str:
    organ = _observed(
        "ORG-118", _related(_observed("ORG-119", value=_value("76752008")), "REFR"), value=_value("76752008")
    )
    care = _observed("ORG-138", value=_value("C15747"))
    reason = _section(
        (ihe("5.3.1.3.1"), ihe("5.3.1.3.2"), ans("2.128")),
        "42349-1",
        _observed("GEN-098", _related(organ, "SUBJ"), value=_value("ORG-117")),
        _observed("GEN-098", _related(care, "SUBJ"), value=_value("ORG-132")),
        _problem("55607006"),
    )
    pain = _observed(
        "38208-5", templates=(ihe("5.3.1.1.12.3.1"), ans("3.89")), value='<value xsi:type="CO"/>', system=LOINC
    )
    depression = _observed(
        "48544-1",
        templates=(ccd("31"), ihe("5.3.1.1.12.3.4"), ans("3.110")),
        value='<value xsi:type="INT" value="2"/>',
        system=LOINC,
    )
    under_function = (
        _section((ihe("5.3.1.1.12.2.2"), ans("2.112")), "38208-5", pain)
        + _section((ihe("5.3.1.1.12.2.5"), ans("2.115")), "46006-3", _survey())
        + _section((ihe("5.3.1.1.12.2.4"), ans("2.114")), "48542-5", depression)
    )
    case = (
        f'<organizer classCode="CLUSTER" moodCode="EVN">{_templates(ans("3.7"))}{_code("GEN-099", CISIS)}{_DONE}'
        f"<component>{_observed('ORG-125', value=_value('ORG-126'))}</component></organizer>"
    )
    pregnancy = _observed("11449-6", templates=(ihe("5.3.1.4.13.5"),), value=_value("1"), system=LOINC)
    return "".join(
        (
            reason,
            _section((ans("2.2"),), "11348-0"),
            _section((ans("2.176"),), "11450-4"),
            _section((ccd("11"), ihe("5.3.1.3.6")), "11450-4", _concern(_problem("55607006"))),
            _section(
                (ccd("5"), ihe("5.3.1.3.17"), ihe("5.3.1.1.12.2.1"), ans("2.111")), "47420-5", under=under_function
            ),
            _section((ihe("5.3.1.1.5.3.4"),), "10162-6", pregnancy),
            _section((ihe("5.3.1.3.27"), ans("2.150")), "30954-2"),
            _section((ihe("5.3.1.1.13.2.11"), ans("2.118")), "29554-3", _procedure("EVN")),
            _section((ans("2.26"),), "10218-6", under=_remark()),
            _section((ans("2.34"),), "30954-2", under=_remark()),
            _section((ans("2.67"),), "50397-9", under=_remark()),
            _section((ihe("5.3.1.3.4"), ans("2.130")), "10164-2"),
            _section((ans("2.33"),), "21874-3", case),
            _section((ans("2.175"),), "35510-7", _observed("MED-250")),
            _section((ans("2.45"),), "56447-6", _observed("MED-250")),
        )
    )


def _plan_sections() -> str:
    weight = _observed(
        "29463-7",
        templates=(ccd("31"), ihe("5.3.1.4.13.2"), ans("3.50")),
        value='<value xsi:type="PQ" value="70" unit="kg"/>',
        system=LOINC,
    )
    tobacco = _observed(
        "74011-8", templates=(ccd("33"), ihe("5.3.1.4.13.4"), ans("3.52")), value=_value("x"), system=LOINC
    )
    return (
        _section((ccd("10"), ihe("5.3.1.3.36"), ans("2.158")), "18776-5", weight, tobacco)
        + _section((ans("2.55"),), "55107-7", _references())
        + _section((ans("2.37"),), "55107-7", _attached())
    )


@cache
def _written(kind: DocumentKind) -> bytes:
    if kind is DocumentKind.FRCP:
        template, code, own = "1.2.250.1.213.1.1.1.8", "34794-8", _sheet_sections()
    else:
        template, code, own = "1.2.250.1.213.1.1.1.26", "18776-5", _plan_sections()
    return _FRAME.format(template=template, code=code, person=_PERSON, sections=own + _of_either_kind()).encode()


def whole(kind: DocumentKind) -> etree._Element:
    """A fresh tree of the document of this kind."""
    return etree.fromstring(_written(kind))
