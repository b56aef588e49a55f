"""Whether an oncology document keeps the rules of the CI-SIS that are checked here, and which it breaks.

The rules are the table `rules.GROUPS`. A group whose rules all hold at an element costs one evaluation there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Final

from lxml import etree

from passerelle.kernel.messages import sentence
from passerelle.oncology.formats.rules import GROUPS
from passerelle.oncology.formats.rules.shapes import HL7, PREFIXES, DocumentKind, Group, Rule

TEMPLATES: Final = {DocumentKind.FRCP: "1.2.250.1.213.1.1.1.8", DocumentKind.CARE_PLAN: "1.2.250.1.213.1.1.1.26"}
"""The template of each kind of document; its extension is the edition."""
NEWEST_EDITION: Final = "2025.01"
MAX_FINDINGS: Final = 200
"""More are not told: whoever mends these will see the others."""
_TEMPLATE_ID: Final = f"{{{HL7}}}templateId"
_DOCUMENT: Final = f"{{{HL7}}}ClinicalDocument"


@dataclass(frozen=True)
class Finding:
    """One rule that a document breaks, in one place.

    `rule` is stable; `sources` are the files of the CI-SIS that it comes from; `message` is French and holds nothing
    of the document's content; `place` is the path of the element (`component/structuredBody/component[3]/section`).
    """

    rule: str
    message: str
    place: str
    sources: tuple[str, ...] = ()


def broken_rules(document: etree._Element, kind: DocumentKind) -> tuple[Finding, ...]:
    """What a ClinicalDocument element breaks of the rules of its kind and edition; empty when it keeps them all.

    At most MAX_FINDINGS are told.
    """
    return tuple(islice(_findings(document, kind), MAX_FINDINGS))


def _findings(document: etree._Element, kind: DocumentKind) -> Iterator[Finding]:
    by_template = _bearers(document)
    for group in _groups(kind, edition_of(document, kind)):
        for element in _context(group, document, by_template):
            for rule in _broken(group, element):
                yield Finding(f"{group.key}.{rule.name}", _told(group, rule), place(element), group.files(rule))


def edition_of(document: etree._Element, kind: DocumentKind) -> str:
    """The edition that a document says it follows; the newest when it says none."""
    for each in document.iterfind(_TEMPLATE_ID):
        if each.get("root") == TEMPLATES[kind]:
            return each.get("extension") or NEWEST_EDITION
    return NEWEST_EDITION


def place(element: etree._Element) -> str:
    """Where an element stands, below its document: names with their ordinal where there are several."""
    steps: list[str] = []
    while element.tag != _DOCUMENT:
        parent = element.getparent()
        if parent is None:
            break
        alike = list(parent.iterchildren(element.tag))
        ordinal = f"[{alike.index(element) + 1}]" if len(alike) > 1 else ""
        steps.append(f"{etree.QName(element).localname}{ordinal}")
        element = parent
    return "/".join(reversed(steps)) or "ClinicalDocument"


@cache
def _groups(kind: DocumentKind, edition: str) -> tuple[Group, ...]:
    return tuple(group for group in GROUPS if kind in group.kinds and (not group.editions or edition in group.editions))


def _bearers(document: etree._Element) -> dict[str, list[etree._Element]]:
    found: dict[str, list[etree._Element]] = {}
    for each in document.iter(_TEMPLATE_ID):
        parent, root = each.getparent(), each.get("root")
        if parent is not None and root is not None:
            bearers = found.setdefault(root, [])
            if not (bearers and bearers[-1] is parent):
                bearers.append(parent)
    return found


def _context(
    group: Group, document: etree._Element, by_template: dict[str, list[etree._Element]]
) -> Iterator[etree._Element]:
    if group.path:
        found = _compiled(group.path)(document)
        yield from (each for each in found if isinstance(each, etree._Element)) if isinstance(found, list) else ()
        return
    above = set(by_template.get(group.within, ()))
    seen: set[etree._Element] = set()
    for root in group.templates:
        for each in by_template.get(root, ()):
            if each not in seen and (not group.within or any(it in above for it in each.iterancestors())):
                seen.add(each)
                yield each


def _broken(group: Group, element: etree._Element) -> Iterator[Rule]:
    whole, tests = _tests(group.key)
    if whole(element):
        return
    for rule, test in zip(group.rules, tests, strict=True):
        if not test(element):
            yield rule


@cache
def _tests(key: str) -> tuple[etree.XPath, tuple[etree.XPath, ...]]:
    """All the tests of a group in one, and each of them."""
    rules = next(group.rules for group in GROUPS if group.key == key)
    whole = " and ".join(f"boolean({rule.test})" for rule in rules)
    return _compiled(f"boolean({whole})"), tuple(_compiled(f"boolean({rule.test})") for rule in rules)


@cache
def _compiled(path: str) -> etree.XPath:
    return etree.XPath(path, namespaces=PREFIXES)


def _told(group: Group, rule: Rule) -> str:
    return sentence(rule.says, {"named": group.named, **rule.fields})
