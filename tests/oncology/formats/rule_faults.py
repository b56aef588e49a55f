"""For each rule, a fault that breaks it: by the shape of the rule, or by hand where it has none.

A fault changes the element that the rule is about; it answers False when this element cannot bear it (an act that is
not planned has no rule of planned acts to break).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Final

from lxml import etree

from passerelle.oncology.formats.rules.shapes import HL7, PREFIXES, Group, Rule

_WRONG: Final = "FAUTE"
_TUMOUR: Final = "1.3.6.1.4.1.19376.1.7.3.1.4.14.1"
Fault = Callable[[etree._Element, Rule], bool]


def places(group: Group, document: etree._Element) -> list[etree._Element]:
    """The elements that a group is about."""
    if group.path:
        return list(found(document, group.path))
    bearing = " or ".join(f"cda:templateId/@root='{root}'" for root in group.templates)
    below = f"[ancestor::*[cda:templateId/@root='{group.within}']]" if group.within else ""
    return list(found(document, f"//*[{bearing}]{below}"))


def break_it(group: Group, rule: Rule, document: etree._Element) -> bool:
    """Break a rule in the first place that can bear it; False when the document has none."""
    fault = _BY_HAND.get(f"{group.key}.{rule.name}") or _SHAPES.get(rule.says)
    if rule.says == "CONFORMITY_TEMPLATES":
        kept = group.templates[0]
        fault = lambda element, rule: _few_templates(element, rule, kept)  # noqa: E731
    assert fault is not None, f"no fault is known for {group.key}.{rule.name}"
    return any(fault(element, rule) for element in places(group, document))


def found(element: etree._Element, path: str) -> Iterator[etree._Element]:
    result = element.xpath(path, namespaces=PREFIXES)
    assert isinstance(result, list)
    for each in result:
        assert isinstance(each, etree._Element)
        yield each


def _roots(element: etree._Element) -> set[str | None]:
    return {each.get("root") for each in element.iterfind(f"{{{HL7}}}templateId")}


def _prefixed(path: str) -> str:
    return "/".join(f"cda:{step}" for step in path.split("/"))


def _drop(element: etree._Element, path: str) -> bool:
    gone = list(found(element, path))
    for each in gone:
        parent = each.getparent()
        assert parent is not None
        parent.remove(each)
    return bool(gone)


def _set(element: etree._Element, path: str, **attributes: str) -> bool:
    changed = list(found(element, path))
    for each in changed:
        for name, value in attributes.items():
            each.set(name, value)
    return bool(changed)


def _add(element: etree._Element, path: str, **attributes: str) -> etree._Element:
    for step in path.split("/"):
        element = etree.SubElement(element, f"{{{HL7}}}{step}")
    for name, value in attributes.items():
        element.set(name, value)
    return element


def _renamed(element: etree._Element, _rule: Rule) -> bool:
    element.tag = f"{{{HL7}}}organizer"
    return True


def _missing(element: etree._Element, rule: Rule) -> bool:
    path, _, attribute = rule.fields["path"].partition("/@")
    for each in found(element, _prefixed(path)) if attribute else ():
        del each.attrib[attribute]
        return True
    return _drop(element, f"{_prefixed(path)}") or _drop(element, f".//{_prefixed(path)}")


def _twice(element: etree._Element, rule: Rule) -> bool:
    path = rule.fields["path"]
    there = next(found(element, _prefixed(path)), None)
    if there is None:
        _add(element, path)
        _add(element, path)
    else:
        there.addnext(deepcopy(there))
    return True


def _header_once(element: etree._Element, rule: Rule) -> bool:
    return _drop(element, f"cda:{rule.fields['path'].split()[0]}")


def _forbidden(element: etree._Element, rule: Rule) -> bool:
    _add(element, rule.fields["path"].split(", ")[0])
    return True


def _few_templates(element: etree._Element, rule: Rule, kept: str) -> bool:
    """Take templates away until there are too few, but for the one by which the group knows the element."""
    for each in list(found(element, "cda:templateId"))[int(rule.fields["count"]) - 2 :]:
        if each.get("root") != kept:
            element.remove(each)
    return True


def _no_entry(element: etree._Element, rule: Rule) -> bool:
    bearing = f"*/cda:templateId/@root='{rule.fields['template']}'"
    return _drop(element, f"cda:entry[{bearing}] | cda:component[{bearing}] | cda:entryRelationship[{bearing}]")


def _no_relation(element: etree._Element, rule: Rule) -> bool:
    return _set(element, f".//cda:entryRelationship[*/cda:code/@code='{rule.fields['code']}']", typeCode="CAUS")


def _loose(element: etree._Element, _rule: Rule) -> bool:
    parent = element.getparent()
    assert parent is not None
    parent.set("typeCode", "CAUS")
    return True


def _unit(element: etree._Element, rule: Rule) -> bool:
    _set(element, "cda:code", code=rule.fields["code"])
    return _set(element, "cda:value", unit="league")


def _child_twice(element: etree._Element, rule: Rule) -> bool:
    for _ in range(2):
        relation = _add(element, "entryRelationship", typeCode="REFR")
        _add(_add(relation, "observation"), "templateId", root=rule.fields["template"])
    return True


def _no_section(element: etree._Element, rule: Rule) -> bool:
    return _drop(element, f".//cda:component[cda:section/cda:templateId/@root='{rule.fields['template']}']")


def _attribute(path: str, **attributes: str) -> Fault:
    return lambda element, _rule: _set(element, path, **attributes)


def _without(path: str) -> Fault:
    return lambda element, _rule: _drop(element, path)


def _with(path: str, **attributes: str) -> Fault:
    return lambda element, _rule: _add(element, path, **attributes) is not None


def _without_attribute(path: str, name: str) -> Fault:
    def fault(element: etree._Element, _rule: Rule) -> bool:
        borne = [each for each in found(element, path) if each.get(name) is not None]
        for each in borne:
            del each.attrib[name]
        return bool(borne)

    return fault


def _in_mood(mood: str, fault: Fault) -> Fault:
    return lambda element, rule: element.get("moodCode") == mood and fault(element, rule)


def _no_template(element: etree._Element, rule: Rule) -> bool:
    return _drop(element, f"cda:templateId[@root='{rule.fields['template']}']")


_SHAPES: Final[dict[str, Fault]] = {
    "CONFORMITY_SECTION": _renamed,
    "CONFORMITY_SECTION_MISSING": _no_section,
    "CONFORMITY_ELEMENT": lambda element, _rule: _set(element, ".", classCode=_WRONG),
    "CONFORMITY_CODE": _attribute("cda:code", code=_WRONG),
    "CONFORMITY_CODE_SYSTEM": _attribute("cda:code", codeSystem="1.2.3"),
    "CONFORMITY_CODE_AND_SYSTEM": _without_attribute("cda:code", "codeSystem"),
    "CONFORMITY_CODE_NOT_APPLICABLE": _attribute("cda:code", nullFlavor="UNK"),
    "CONFORMITY_MISSING": _missing,
    "CONFORMITY_ONCE": _missing,
    "CONFORMITY_HEADER_ONCE": _header_once,
    "CONFORMITY_TWICE": _twice,
    "CONFORMITY_FORBIDDEN": _forbidden,
    "CONFORMITY_TEMPLATE": _no_template,
    "CONFORMITY_HEADER_TEMPLATE": _no_template,
    "CONFORMITY_TEXT_REFERENCE": _without("cda:text/cda:reference"),
    "CONFORMITY_STATUS": _attribute("cda:statusCode", code=_WRONG),
    "CONFORMITY_ENTRY": _no_entry,
    "CONFORMITY_RELATION": _no_relation,
    "CONFORMITY_CHILD_RELATION": _loose,
    "CONFORMITY_CHILD_TWICE": _child_twice,
    "CONFORMITY_UNIT": _unit,
    "CONFORMITY_ORIGINAL_TEXT": _without("cda:value/cda:originalText"),
    "CONFORMITY_NEGATION": _attribute(".", negationInd=_WRONG),
    "CONFORMITY_VALUE_CODED": _attribute("cda:value", **{f"{{{PREFIXES['xsi']}}}type": "ST"}),
    "CONFORMITY_VALUE_SYSTEM": _without_attribute("cda:value", "codeSystem"),
    "CONFORMITY_PERIOD_START": _without("cda:effectiveTime/cda:low"),
    "CONFORMITY_PROBLEM_START": _without("cda:effectiveTime/cda:low"),
    "CONFORMITY_PERIOD_END": lambda element, _rule: all(
        _add(each, "high", value="20260504") is not None for each in found(element, "cda:effectiveTime")
    ),
    "CONFORMITY_INS_TRAITS": _without("cda:recordTarget//cda:birthplace"),
    "CONFORMITY_ACT_TIME": _without("cda:documentationOf/cda:serviceEvent/cda:effectiveTime"),
    "CONFORMITY_ACT_PERFORMER": _without("cda:documentationOf/cda:serviceEvent/cda:performer"),
    "CONFORMITY_PERFORMER_ID": _without("cda:performer/cda:assignedEntity/cda:id"),
    "CONFORMITY_PERFORMER_ORGANISATION": _without("cda:performer/cda:assignedEntity/cda:representedOrganization"),
    "CONFORMITY_PERFORMER_SETTING": _without("cda:performer//cda:standardIndustryClassCode"),
    "CONFORMITY_HEADER_ATTRIBUTES": _attribute(".", classCode="ACT"),
    "CONFORMITY_REPLACED_TWICE": lambda element, _rule: all(
        _add(_add(element, "relatedDocument", typeCode="RPLC"), "parentDocument") is not None for _ in range(2)
    ),
    "CONFORMITY_DOCUMENT_TEMPLATE": _without("cda:templateId[@extension]"),
    "CONFORMITY_FACILITY_ADDRESS": _without(".//cda:healthCareFacility/cda:location/cda:addr"),
    "CONFORMITY_FACILITY_NAME": _without(".//cda:healthCareFacility/cda:location/cda:name"),
    "CONFORMITY_BOARD_IDS": _without(".//cda:encompassingEncounter/cda:id[position()>2]"),
    "CONFORMITY_BOARD_SYSTEM": _without("cda:entry/cda:observation/cda:entryRelationship[*/cda:code/@code='ORG-118']"),
    "CONFORMITY_BOARD_ORGAN": _without(".//cda:entryRelationship[*/cda:code/@code='ORG-119']"),
    "CONFORMITY_BOARD_SUPPORT_CARE": _without(".//cda:entryRelationship[*/cda:code/@code='ORG-138']"),
    "CONFORMITY_TUMOUR": lambda element, rule: _set(
        element, f".//cda:observation[cda:code/@code='{rule.fields['code']}']/cda:code", code=_WRONG
    ),
    "CONFORMITY_CASE_STATUS_ONLY": _with("entry/observation"),
    "CONFORMITY_PATHOLOGY_SUBSECTIONS": _with("component/section"),
    "CONFORMITY_PREGNANCY_ONLY": _with("entry/observation"),
    "CONFORMITY_PREGNANCY_ENTRY": _without("cda:entry"),
    "CONFORMITY_COMMENT_AUTHOR": _with("author/time"),
    "CONFORMITY_CONCERN_AUTHOR": _with("author/time"),
    "CONFORMITY_ENCOUNTER_TIME": _without("cda:effectiveTime"),
    "CONFORMITY_ENCOUNTER_PLACE": _without(".//cda:playingEntity/cda:name"),
    "CONFORMITY_ENCOUNTER_PLACE_ROLE": _attribute("cda:participant/cda:participantRole", classCode="ROL"),
    "CONFORMITY_ENCOUNTER_PERFORMER": _attribute("cda:performer", typeCode="DIST"),
    "CONFORMITY_PROCEDURE_REASON": _attribute("cda:entryRelationship[@typeCode='RSON']", inversionInd="true"),
    "CONFORMITY_PROCEDURE_TIME": _in_mood("INT", _without("cda:effectiveTime | cda:priorityCode")),
    "CONFORMITY_EXTERNAL_DOCUMENT": _attribute("cda:reference/cda:externalDocument", classCode="ACT"),
    "CONFORMITY_EXTERNAL_DOCUMENT_ID": _without("cda:reference/cda:externalDocument/cda:id"),
    "CONFORMITY_EXTERNAL_REFERENCE": _attribute("cda:reference", typeCode="XCRPT"),
    "CONFORMITY_ATTACHED_MEDIA": _without(".//cda:observationMedia/cda:value"),
}


def _other_title(element: etree._Element, _rule: Rule) -> bool:
    for title in found(element, "cda:title"):
        title.text = "Autre titre"
        return True
    return False


_BY_HAND: Final[dict[str, Fault]] = {
    "active-problems.code": lambda element, rule: (
        "1.3.6.1.4.1.19376.1.7.3.1.3.14.1" not in _roots(element) and _set(element, "cda:code", code=_WRONG)
    ),
    "encounter.ccd-done": _in_mood("EVN", _no_template),
    "encounter.ccd-planned": _in_mood("ARQ", _no_template),
    "procedure.ccd-done": _in_mood("EVN", _no_template),
    "procedure.ccd-planned": _in_mood("INT", _no_template),
    "pdf-copy.title": _other_title,
    "cancer-diagnosis-section.tumour": _without(f".//cda:templateId[@root='{_TUMOUR}']"),
    "cancer-problems.diagnosis": _without(f".//cda:templateId[@root='{_TUMOUR}']"),
    "concern.problem": _attribute("cda:entryRelationship", inversionInd="true"),
    "problem-concern.problem": lambda element, rule: (
        "1.2.250.1.213.1.1.3.39.1" in _roots(element) and _no_template(element, rule)
    ),
    "problem.problem-status-relation": _attribute(
        "cda:entryRelationship[*/cda:templateId/@root='1.3.6.1.4.1.19376.1.5.3.1.4.1.1']", typeCode="CAUS"
    ),
}
