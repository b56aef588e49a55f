"""A Schematron file written as XSLT 3, so that a processor that the operator installed can run it.

Source: ISO/IEC 19757-3, clauses 5 and 6: inclusion, abstract patterns and rules, variables, and of each pattern the
first rule whose context matches a node. What a message takes from the document (`value-of`) is left out of it: a
finding tells no content. Phases are not chosen: every pattern runs, as the CI-SIS publishes its files to be run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Final

from lxml import etree

SCHEMATRON: Final = "http://purl.oclc.org/dsdl/schematron"
XSLT: Final = "http://www.w3.org/1999/XSL/Transform"
FOUND: Final = "found"
"""The element that the transformation writes for each assertion that fails: attributes `rule` and `place`, a text."""
_MILD: Final = frozenset({"warning", "warn", "info", "information", "hint"})
_MAX_INCLUSIONS: Final = 20
_HIDDEN: Final = "…"


class NotSchematron(Exception):
    """A file that is no Schematron, or that includes what is not there. Its text is for the operator."""


def as_xslt(path: Path) -> bytes:
    """The stylesheet of a Schematron file, whose relative addresses are resolved from it. Raises NotSchematron."""
    schema = _read(path)
    if schema.tag != _sch("schema"):
        raise NotSchematron(f"{path.name}: schema")
    _include(schema, path, 0)
    return etree.tostring(_Writing(schema, path).stylesheet(), xml_declaration=True, encoding="utf-8")


def _sch(name: str) -> str:
    return f"{{{SCHEMATRON}}}{name}"


def _read(path: Path) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
    try:
        return etree.parse(path, parser).getroot()
    except (OSError, etree.XMLSyntaxError) as broken:
        raise NotSchematron(path.name) from broken


def _include(element: etree._Element, path: Path, depth: int) -> None:
    """Put each included file in the place of its `include`."""
    if depth > _MAX_INCLUSIONS:
        raise NotSchematron(f"{path.name}: include")
    for each in list(element.iter(_sch("include"))):
        parent = each.getparent()
        wanted = path.parent / each.get("href", "")
        included = _read(wanted)
        _include(included, wanted, depth + 1)
        if parent is not None:
            parent.replace(each, included)


class _Writing:
    """One file being written."""

    def __init__(self, schema: etree._Element, path: Path) -> None:
        self.schema = schema
        self.name = path.name
        self.prefixes = {
            each.get("prefix", ""): each.get("uri", "")
            for each in schema.iter(_sch("ns"))
            if each.get("prefix") != "xml"
        }
        borne = {prefix: uri for prefix, uri in schema.nsmap.items() if prefix and uri != SCHEMATRON}
        self.sheet = etree.Element(_xsl("stylesheet"), nsmap={"xsl": XSLT, **borne, **self.prefixes})
        self.sheet.set("version", "3.0")
        self.sheet.set("exclude-result-prefixes", "#all")
        self.sheet.set("{http://www.w3.org/XML/1998/namespace}base", path.resolve().as_uri())
        self.patterns = list(self._concrete())
        self.abstract_rules = {
            rule.get("id", ""): rule
            for rule in schema.iter(_sch("rule"))
            if rule.get("abstract") == "true" and rule.get("id")
        }
        self.count = 0

    def stylesheet(self) -> etree._Element:
        self.sheet.extend(deepcopy(each) for each in self.schema if str(each.tag).startswith(f"{{{XSLT}}}"))
        self._global_variables()
        start = etree.SubElement(self.sheet, _xsl("template"), match="/")
        report = etree.SubElement(start, "report")
        for number, pattern in enumerate(self.patterns):
            mode = f"p{number}"
            etree.SubElement(self.sheet, _xsl("mode"), name=mode, attrib={"on-no-match": "shallow-skip"})
            self._rules(pattern, mode)
            etree.SubElement(report, _xsl("apply-templates"), select="/", mode=mode)
        return self.sheet

    def _concrete(self) -> Iterator[etree._Element]:
        """The patterns to run: those that are one of an abstract pattern are written out."""
        abstract = {
            each.get("id"): each for each in self.schema.iter(_sch("pattern")) if each.get("abstract") == "true"
        }
        for pattern in self.schema.iter(_sch("pattern")):
            if pattern.get("abstract") == "true":
                continue
            model = pattern.get("is-a")
            if model is None:
                yield pattern
            elif model not in abstract:
                raise NotSchematron(f"{self.name}: is-a {model}")
            else:
                yield _written_out(abstract[model], pattern)

    def _global_variables(self) -> None:
        """Variables of the schema and of its patterns: all are seen everywhere, the first of a name is kept."""
        seen: set[str] = set()
        for holder in (self.schema, *self.patterns):
            for let in holder.iterchildren(_sch("let")):
                if let.get("name", "") not in seen:
                    seen.add(let.get("name", ""))
                    self.sheet.append(_variable(let))

    def _rules(self, pattern: etree._Element, mode: str) -> None:
        rules = [each for each in pattern.iterchildren(_sch("rule")) if each.get("abstract") != "true"]
        for number, rule in enumerate(rules):
            template = etree.SubElement(
                self.sheet,
                _xsl("template"),
                match=rule.get("context", ""),
                mode=mode,
                priority=str(len(rules) - number),
            )
            self._tests(rule, template, frozenset())
            etree.SubElement(template, _xsl("apply-templates"), select="@*|node()", mode=mode)

    def _tests(self, rule: etree._Element, template: etree._Element, above: frozenset[str]) -> None:
        for each in rule:
            if each.tag == _sch("let"):
                template.append(_variable(each))
            elif each.tag == _sch("extends"):
                name = each.get("rule", "")
                if name not in self.abstract_rules or name in above:
                    raise NotSchematron(f"{self.name}: extends {name}")
                self._tests(self.abstract_rules[name], template, above | {name})
            elif each.tag in {_sch("assert"), _sch("report")} and each.get("role", "").lower() not in _MILD:
                self._test(each, template)

    def _test(self, given: etree._Element, template: etree._Element) -> None:
        self.count += 1
        test = given.get("test", "")
        failed = etree.SubElement(template, _xsl("if"), test=f"not({test})" if given.tag == _sch("assert") else test)
        found = etree.SubElement(failed, FOUND, rule=given.get("id") or str(self.count), place="{path(.)}")
        etree.SubElement(found, _xsl("text")).text = _message(given)


def _xsl(name: str) -> str:
    return f"{{{XSLT}}}{name}"


def _variable(let: etree._Element) -> etree._Element:
    value = let.get("value")
    variable = etree.Element(_xsl("variable"), name=let.get("name", ""))
    if value is not None:
        variable.set("select", value)
    else:
        variable.text = let.text
        variable.extend(deepcopy(each) for each in let)
    return variable


def _written_out(model: etree._Element, pattern: etree._Element) -> etree._Element:
    """An abstract pattern with its parameters put in."""
    given = {each.get("name", ""): each.get("value", "") for each in pattern.iterchildren(_sch("param"))}
    written = deepcopy(model)
    if not given:
        return written
    names = re.compile(
        r"\$(" + "|".join(re.escape(each) for each in sorted(given, key=len, reverse=True)) + r")(?![\w.-])"
    )
    for element in written.iter(etree.Element):
        for name, value in element.attrib.items():
            element.set(name, names.sub(lambda match: given[match[1]], str(value)))
    return written


def _message(given: etree._Element) -> str:
    """What an assertion says, without what it would take from the document."""
    parts = [given.text or ""]
    for each in given:
        taken = each.tag in {_sch("value-of"), _sch("name")}
        parts += [_HIDDEN if taken else "".join(str(piece) for piece in each.itertext()), each.tail or ""]
    return " ".join("".join(parts).split())
