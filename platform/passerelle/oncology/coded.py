"""What a clinical document says in codes: sections of statements, as values without identity.

Source: HL7 CDA R2 (clinical statements), CI-SIS volets FRCP and PPS. Whatever a field here has no place for is kept
as an `Element`, so that nothing coded is lost between a document, this value and the next document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

LOINC: Final = "2.16.840.1.113883.6.1"
CISIS: Final = "1.2.250.1.213.1.1.4.322"
"""TerminologieCISIS, the codes of the ANS itself (ORG-126, GEN-065, …)."""
_EMPTY_LINES: Final = re.compile("\n{3,}")
SNOMED_CT: Final = "2.16.840.1.113883.6.96"


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """An element as it stands, of the namespace of CDA unless its name holds another (`{urn:…}name`)."""

    name: str
    attributes: tuple[tuple[str, str], ...] = ()
    children: tuple[Element | str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Id:
    """An instance identifier (II)."""

    root: str | None = None
    extension: str | None = None
    null_flavor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Words of the narrative.

    `reference` is where they stand in the narrative as it was received (`#name`); None when the narrative is ours to
    write.
    """

    text: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Qualifier:
    """What a qualifier of a code is, and says."""

    name: Code | None = None
    value: Code | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A coded value (CD, CE, CS…), or why there is none (`null_flavor`)."""

    code: str | None = None
    system: str | None = None
    label: str | None = None
    system_name: str | None = None
    system_version: str | None = None
    null_flavor: str | None = None
    type: str | None = None
    """The type given with it (`xsi:type`), where the element leaves a choice."""
    original: Words | None = None
    qualifiers: tuple[Qualifier, ...] = ()
    translations: tuple[Code, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """What a statement found: a code, a number, a text, as `type` tells (CD, BL, INT, PQ, ST, ED, IVL_PQ…)."""

    type: str | None = None
    code: Code | None = None
    value: str | None = None
    unit: str | None = None
    null_flavor: str | None = None
    text: Words | None = None
    media_type: str | None = None
    representation: str | None = None
    parts: tuple[Element, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A point in time as HL7 writes it (`YYYY[MM[DD[HH[MM[SS]]]]][+ZZZZ]`), or why there is none."""

    value: str | None = None
    null_flavor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """A point in time, or an interval with either end open."""

    value: str | None = None
    low: Moment | None = None
    high: Moment | None = None
    null_flavor: str | None = None
    type: str | None = None
    parts: tuple[Element, ...] = ()

    @property
    def start(self) -> str | None:
        """When it was or began."""
        return self.value or (self.low.value if self.low else None)

    @property
    def stop(self) -> str | None:
        """When it ended or shall end; None for a point in time."""
        return self.high.value if self.high else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """The name of a person, part by part (`family`, `given`, `prefix`, `suffix`; "" for words without a part)."""

    parts: tuple[NamePart, ...] = ()
    use: str | None = None
    null_flavor: str | None = None

    def part(self, kind: str) -> str | None:
        """The first part of a kind."""
        return next((each.text for each in self.parts if each.kind == kind), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamePart:
    """One part of a name; the qualifier tells names of birth (BR) and used names (CL)."""

    kind: str
    text: str
    qualifier: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A postal address, line by line: (kind of line, words)."""

    lines: tuple[tuple[str, str], ...] = ()
    use: str | None = None
    null_flavor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Telecom:
    """A telephone number or an electronic address (`tel:`, `mailto:`)."""

    value: str | None = None
    use: str | None = None
    null_flavor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """A structure: identifiers (FINESS), name, where it is, kind of practice."""

    ids: tuple[Id, ...] = ()
    name: str | None = None
    telecoms: tuple[Telecom, ...] = ()
    addresses: tuple[Address, ...] = ()
    setting: Code | None = None
    code: Code | None = None
    null_flavor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Participation:
    """Who took part, in a document or in a statement.

    `part` is the element: `author`, `performer`, `participant`, `informant`, `legalAuthenticator`; `type_code` its
    role (RESP, REFB, PRF, INF, CON…), `function` what he did there (353, PCP, CORRE).
    """

    part: str
    templates: tuple[Id, ...] = ()
    type_code: str | None = None
    control: str | None = None
    function: Code | None = None
    time: Time | None = None
    signature: str | None = None
    entity_class: str | None = None
    null_flavor: str | None = None
    ids: tuple[Id, ...] = ()
    code: Code | None = None
    addresses: tuple[Address, ...] = ()
    telecoms: tuple[Telecom, ...] = ()
    name: Name | None = None
    organisation: Organisation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A clinical statement: `kind` is its element (observation, act, procedure, encounter, organizer, …)."""

    kind: str
    class_code: str | None = None
    mood: str | None = None
    negated: bool | None = None
    name: str | None = None
    """The `ID` by which the narrative shows it (a picture, an attached file)."""
    templates: tuple[Id, ...] = ()
    ids: tuple[Id, ...] = ()
    code: Code | None = None
    text: Words | None = None
    status: str | None = None
    times: tuple[Time, ...] = ()
    priority: Code | None = None
    values: tuple[Value, ...] = ()
    sites: tuple[Code, ...] = ()
    participations: tuple[Participation, ...] = ()
    others: tuple[Element, ...] = ()
    links: tuple[Link, ...] = ()

    @property
    def time(self) -> Time | None:
        """Its first time."""
        return self.times[0] if self.times else None

    @property
    def value(self) -> Value | None:
        """Its first value."""
        return self.values[0] if self.values else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A statement where it stands: in a section, in an organizer, or in relation (`type_code`) to another."""

    statement: Statement
    type_code: str | None = None
    inverted: bool | None = None
    control: str | None = None
    sequence: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section: its own words, or those that its statements make.

    `narrative` is None when the text is written from the statements.
    """

    code: Code | None = None
    templates: tuple[Id, ...] = ()
    ids: tuple[Id, ...] = ()
    title: str | None = None
    narrative: tuple[Element | str, ...] | None = None
    participations: tuple[Participation, ...] = ()
    others: tuple[Element, ...] = ()
    entries: tuple[Link, ...] = ()
    sections: tuple[Section, ...] = ()


def statements(section: Section) -> Iterator[Statement]:
    """Every statement of a section and of those within it, in the order of the document."""
    for entry in section.entries:
        yield from within(entry.statement)
    for each in section.sections:
        yield from statements(each)


def within(statement: Statement) -> Iterator[Statement]:
    """A statement, then those below it."""
    yield statement
    for link in statement.links:
        yield from within(link.statement)


def unreferenced(section: Section) -> Section:
    """The section ready for a narrative of our own: words are kept, where they stood is not."""
    return replace(section, narrative=None, entries=tuple(map(_unreferenced, section.entries)))


def _unreferenced(link: Link) -> Link:
    statement = link.statement
    text = None if statement.values and statement.text and statement.text.reference else _words(statement.text)
    bare = replace(
        statement,
        code=unreferenced_code(statement.code),
        text=text,
        values=tuple(replace(each, code=unreferenced_code(each.code)) for each in statement.values),
        sites=tuple(code for each in statement.sites if (code := unreferenced_code(each))),
        priority=unreferenced_code(statement.priority),
        links=tuple(map(_unreferenced, statement.links)),
    )
    return replace(link, statement=bare)


def unreferenced_code(code: Code | None) -> Code | None:
    """A code with its words, and not where they stood."""
    if code is None:
        return None
    return replace(
        code,
        original=_words(code.original),
        qualifiers=tuple(
            Qualifier(name=unreferenced_code(each.name), value=unreferenced_code(each.value))
            for each in code.qualifiers
        ),
        translations=tuple(each for one in code.translations if (each := unreferenced_code(one))),
    )


def _words(words: Words | None) -> Words | None:
    return Words(text=words.text) if words and words.text else None


def plain(text: str | None) -> str | None:
    """Words as they are kept: blanks collapsed, never two empty lines, none at either end; None when none is left."""
    if text is None:
        return None
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip("\n") or None
