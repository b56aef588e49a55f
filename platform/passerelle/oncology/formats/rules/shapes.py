"""The words in which the rules are written: a group of rules for one place, and the usual shapes of a rule.

A test is XPath 1.0, asked with the element of its context as the context node; true means that it is kept. A row is
named by the letter of its file in the group's `sources` and its ordinal in that file, as in `cda/rules`: `fr3 int4`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

HL7: Final = "urn:hl7-org:v3"
XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
PREFIXES: Final = {"cda": HL7, "xsi": XSI}

LOINC: Final = "2.16.840.1.113883.6.1"
CISIS: Final = "1.2.250.1.213.1.1.4.322"


class DocumentKind(StrEnum):
    """The oncology documents whose rules are known here."""

    FRCP = "frcp"
    CARE_PLAN = "care_plan"


EVERY_KIND: Final = frozenset(DocumentKind)


@dataclass(frozen=True)
class Rule:
    """One thing that must hold; `says` is the code of its French sentence, `fields` what it names."""

    name: str
    test: str
    says: str
    rows: tuple[str, ...]
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """The rules of one place: elements that bear one of `templates`, or those that `path` finds in the document.

    Of the bearers, only those count that stand below a bearer of `within`, if it names one. `sources` gives the files
    of the CI-SIS that the rows of the rules stand in. `editions` is empty for every edition.
    """

    key: str
    named: str
    rules: tuple[Rule, ...]
    templates: tuple[str, ...] = ()
    within: str = ""
    path: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)
    kinds: frozenset[DocumentKind] = EVERY_KIND
    editions: frozenset[str] = frozenset()

    def files(self, rule: Rule) -> tuple[str, ...]:
        """The files that a rule comes from."""
        return tuple(dict.fromkeys(self.sources[row.rstrip("0123456789")] for row in rule.rows))


def ihe(end: str) -> str:
    """A template of IHE."""
    return f"1.3.6.1.4.1.19376.1.{end}"


def ans(end: str) -> str:
    """A template of the CI-SIS: `2.…` sections, `3.…` entries."""
    return f"1.2.250.1.213.1.1.{end}"


def ccd(end: str) -> str:
    """A template of HL7 CCD."""
    return f"2.16.840.1.113883.10.20.1.{end}"


def rule(name: str, rows: str, test: str, says: str, **fields: str) -> Rule:
    """A rule that has no usual shape."""
    return Rule(name, test, says, tuple(rows.split()), fields)


def bears(root: str) -> str:
    return f"cda:templateId/@root='{root}'"


def holding(root: str, steps: str = "cda:entry") -> str:
    """The path of an entry that bears a template."""
    return f"{steps}/*[{bears(root)}]"


def _any(attribute: str, values: tuple[str, ...]) -> str:
    return " or ".join(f"{attribute}='{value}'" for value in values)


def section(rows: str) -> Rule:
    return rule("section", rows, "self::cda:section", "CONFORMITY_SECTION")


def element(rows: str, name: str, *moods: str, kind: str) -> Rule:
    """The element itself: its name, its classCode and the moods allowed."""
    test = f"self::cda:{name}[@classCode='{kind}']"
    wanted = f"classCode {kind}"
    if moods:
        test = f"{test}[{_any('@moodCode', moods)}]"
        wanted = f"{wanted}, moodCode {' ou '.join(moods)}"
    return rule("element", rows, test, "CONFORMITY_ELEMENT", element=name, wanted=wanted)


def code(rows: str, *codes: str) -> Rule:
    return rule("code", rows, f"cda:code[{_any('@code', codes)}]", "CONFORMITY_CODE", code=" ou ".join(codes))


def system(rows: str, oid: str = LOINC) -> Rule:
    name = "LOINC" if oid == LOINC else oid
    return rule("code-system", rows, f"cda:code/@codeSystem='{oid}'", "CONFORMITY_CODE_SYSTEM", system=name)


def coded(rows: str, value: str, oid: str = LOINC) -> Rule:
    test = f"cda:code[@code='{value}' and @codeSystem='{oid}']"
    return rule("code", rows, test, "CONFORMITY_CODE", code=f"{value} ({'LOINC' if oid == LOINC else oid})")


def nothing_coded(rows: str) -> Rule:
    """The code is there and says that it does not apply."""
    return rule("code", rows, "cda:code/@nullFlavor='NA'", "CONFORMITY_CODE_NOT_APPLICABLE")


def some(rows: str, path: str) -> Rule:
    return rule(_name(path), rows, _qualified(path), "CONFORMITY_MISSING", path=path)


def once(rows: str, path: str) -> Rule:
    return rule(_name(path), rows, f"count({_qualified(path)})=1", "CONFORMITY_ONCE", path=path)


def at_most_once(rows: str, path: str) -> Rule:
    return rule(f"{_name(path)}-twice", rows, f"count({_qualified(path)})<=1", "CONFORMITY_TWICE", path=path)


def never(rows: str, *paths: str) -> Rule:
    test = " and ".join(f"not({_qualified(path)})" for path in paths)
    return rule(f"no-{_name(paths[0])}", rows, test, "CONFORMITY_FORBIDDEN", path=", ".join(paths))


def text_reference(rows: str) -> Rule:
    return rule("text", rows, "cda:text/cda:reference/@value", "CONFORMITY_TEXT_REFERENCE")


def status(rows: str, *codes: str) -> Rule:
    test = f"cda:statusCode[{_any('@code', codes)}]"
    return rule("status", rows, test, "CONFORMITY_STATUS", codes=" ou ".join(codes))


def template(rows: str, root: str, name: str = "parent") -> Rule:
    return rule(name, rows, bears(root), "CONFORMITY_TEMPLATE", template=root)


def templates(rows: str, count: int) -> Rule:
    return rule("templates", rows, f"count(cda:templateId)>={count}", "CONFORMITY_TEMPLATES", count=str(count))


def entry(rows: str, root: str, named: str, *, name: str = "entry", steps: str = "cda:entry") -> Rule:
    return rule(name, rows, holding(root, steps), "CONFORMITY_ENTRY", entry=named, template=root)


def _name(path: str) -> str:
    return path.replace("/", "-").replace("@", "").lower()


def _qualified(path: str) -> str:
    return "/".join(step if step.startswith("@") else f"cda:{step}" for step in path.split("/"))
