"""CDA R2 written from the values of `oncology.coded` and `oncology.header`: the same octets for equal values.

What was kept as it stood goes back to its place in the order of the HL7 schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Final
from xml.sax.saxutils import escape

from passerelle.dossier.formats.hl7v3 import NAMESPACE
from passerelle.kernel.errors import InvalidInput
from passerelle.oncology.coded import (
    Address,
    Code,
    Element,
    Id,
    Link,
    Moment,
    Name,
    Organisation,
    Participation,
    Section,
    Statement,
    Telecom,
    Time,
    Value,
    Words,
)
from passerelle.oncology.formats import cda_narrative
from passerelle.oncology.formats.cda_order import SECTION, STATEMENT
from passerelle.oncology.formats.cda_people import entity_of
from passerelle.oncology.formats.cda_values import XSI_TYPE

Placed = tuple[str, str]
"""An element by its name, and as it is written."""
_QUOTES: Final = {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
_MARKUP: Final = re.compile('[<>&"\n\r\t]')
_NOT_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_PREFIXES: Final = {
    "http://www.w3.org/2001/XMLSchema-instance": "xsi",
    "http://www.w3.org/XML/1998/namespace": "xml",
}
_NAME: Final = re.compile(r"(?:\{([^{}<>&\"]*)\})?([A-Za-z_][\w.-]*)")
_LINKS: Final = {"organizer": "component"}


def spoken(words: str) -> str:
    """Words between tags."""
    return escape(words) if _MARKUP.search(words) else words


def quoted(value: str) -> str:
    """A value between quotation marks."""
    return f'"{escape(value, _QUOTES)}"' if _MARKUP.search(value) else f'"{value}"'


def tag(name: str, inside: str = "", **attributes: str | None) -> str:
    """An element; attributes that are None are left out."""
    written = name
    for key, value in attributes.items():
        if value is not None:
            written += f" {key}={quoted(value)}"
    return f"<{written}>{inside}</{name}>" if inside else f"<{written}/>"


def as_it_stood(element: Element, above: str = NAMESPACE) -> str:
    """An element that was kept whole, inside one of the namespace `above`.

    Refused: VALUE_MALFORMED for what is no name of XML.
    """
    namespace, name = _named(element.name)
    inside = "".join(
        spoken(each) if isinstance(each, str) else as_it_stood(each, namespace or NAMESPACE)
        for each in element.children
    )
    declared = "" if (namespace or NAMESPACE) == above else f" xmlns={quoted(namespace or NAMESPACE)}"
    written = f"{name}{declared}{_attributes(element)}"
    return f"<{written}>{inside}</{name}>" if inside else f"<{written}/>"


@lru_cache(maxsize=512)
def _named(name: str) -> tuple[str | None, str]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise InvalidInput("VALUE_MALFORMED", field="element")
    return match[1], match[2]


def _attributes(element: Element) -> str:
    written = ""
    for at, (name, value) in enumerate(element.attributes):
        namespace, local = _named(name)
        if name == XSI_TYPE:
            written += f" xsi:type={quoted(value.rpartition(':')[2])}"
        elif namespace is None:
            written += f" {local}={quoted(value)}"
        elif namespace in _PREFIXES:
            written += f" {_PREFIXES[namespace]}:{local}={quoted(value)}"
        else:
            written += f" xmlns:a{at}={quoted(namespace)} a{at}:{local}={quoted(value)}"
    return written


def part(name: str) -> str:
    """The name of an element that a value gives. Refused: VALUE_MALFORMED for what is no name of CDA."""
    namespace, local = _named(name)
    if namespace is not None:
        raise InvalidInput("VALUE_MALFORMED", field="element")
    return local


def in_order(placed: Iterable[Placed], others: Iterable[Element], order: dict[str, int]) -> str:
    """Elements and those kept whole, in the order of the schema."""
    every = [*placed, *((each.name, as_it_stood(each)) for each in others)]
    if others:
        every.sort(key=lambda each: order.get(each[0], len(order)))
    return "".join(text for _, text in every)


def is_xml(text: str) -> str:
    """`text`, when every character of it may stand in XML. Refused: VALUE_MALFORMED."""
    if _NOT_XML.search(text):
        raise InvalidInput("VALUE_MALFORMED", field="text")
    return text


def identifier(name: str, value: Id) -> str:
    """An II."""
    return tag(name, root=value.root, extension=value.extension, nullFlavor=value.null_flavor)


def code(name: str, value: Code, place: str | None = None, kind: str | None = None) -> str:
    """A code; its original words by reference to `place`, else where they were, else as they are."""
    inside = original(value.original, place)
    for each in value.qualifiers:
        parts = (code(part, held) for part, held in (("name", each.name), ("value", each.value)) if held)
        inside += tag("qualifier", "".join(parts))
    inside += "".join(code("translation", each) for each in value.translations)
    return tag(
        name,
        inside,
        **{"xsi:type": kind or value.type},
        code=value.code,
        codeSystem=value.system,
        codeSystemName=value.system_name,
        codeSystemVersion=value.system_version,
        displayName=value.label,
        nullFlavor=value.null_flavor,
    )


def original(words: Words | None, place: str | None) -> str:
    """An `originalText`."""
    if words is None:
        return ""
    if words.reference is not None and place is None:
        return tag("originalText", tag("reference", value=words.reference))
    if place is not None and words.text:
        return tag("originalText", tag("reference", value=f"#{place}"))
    return tag("originalText", spoken(words.text)) if words.text else ""


def moment(name: str, value: Moment) -> str:
    """A point in time."""
    return tag(name, value=value.value, nullFlavor=value.null_flavor)


def time(name: str, value: Time) -> str:
    """A point in time or an interval."""
    inside = moment("low", value.low) if value.low else ""
    inside += "".join(map(as_it_stood, value.parts))
    inside += moment("high", value.high) if value.high else ""
    return tag(name, inside, **{"xsi:type": value.type}, value=value.value, nullFlavor=value.null_flavor)


def person_name(value: Name) -> str:
    """A person's name."""
    inside = "".join(
        tag(part(each.kind), spoken(each.text), qualifier=each.qualifier) if each.kind else spoken(each.text)
        for each in value.parts
    )
    return tag("name", inside, use=value.use, nullFlavor=value.null_flavor)


def address(value: Address) -> str:
    """A postal address."""
    inside = "".join(tag(part(kind), spoken(words)) for kind, words in value.lines)
    return tag("addr", inside, use=value.use, nullFlavor=value.null_flavor)


def telecom(value: Telecom) -> str:
    """A telephone number or an electronic address."""
    return tag("telecom", value=value.value, use=value.use, nullFlavor=value.null_flavor)


def organisation(name: str, value: Organisation) -> str:
    """An organisation in its role."""
    inside = "".join(identifier("id", each) for each in value.ids)
    if name == "scopingEntity":
        inside += code("code", value.code) if value.code else ""
        inside += tag("desc", spoken(value.name)) if value.name else ""
    else:
        inside += tag("name", spoken(value.name)) if value.name else ""
        inside += "".join(map(telecom, value.telecoms)) + "".join(map(address, value.addresses))
        inside += code("standardIndustryClassCode", value.setting) if value.setting else ""
    return tag(name, inside, nullFlavor=value.null_flavor)


_PERSON: Final = {
    "assignedAuthor": ("assignedPerson", "representedOrganization"),
    "assignedEntity": ("assignedPerson", "representedOrganization"),
    "associatedEntity": ("associatedPerson", "scopingOrganization"),
    "participantRole": ("playingEntity", "scopingEntity"),
    "relatedEntity": ("relatedPerson", ""),
}


def participation(value: Participation) -> str:
    """Who took part."""
    entity = entity_of(value.part, has_class=value.entity_class is not None)
    person, structure = _PERSON[entity]
    inside = "".join(identifier("id", each) for each in value.ids)
    inside += code("code", value.code) if value.code else ""
    inside += "".join(map(address, value.addresses)) + "".join(map(telecom, value.telecoms))
    inside += tag(person, person_name(value.name)) if value.name else ""
    inside += organisation(structure, value.organisation) if value.organisation and structure else ""
    head = "".join(identifier("templateId", each) for each in value.templates)
    head += code("functionCode", value.function) if value.function else ""
    head += time("time", value.time) if value.time else ""
    head += tag("signatureCode", code=value.signature) if value.signature else ""
    whole = head + tag(entity, inside, classCode=value.entity_class, nullFlavor=value.null_flavor)
    return tag(part(value.part), whole, typeCode=value.type_code, contextControlCode=value.control)


class Body:
    """Writes sections, with a narrative of their own or the one they were received with."""

    def __init__(self, sections: Iterable[Section]) -> None:
        self._sections = tuple(sections)
        kept = {name for section in self._sections for name in _names(section)}
        roots = cda_narrative.ROOTS
        self._root = next((root for root in roots if not any(_uses(root, name) for name in kept)), roots[0])

    def written(self) -> str:
        """Every section, as the components of a structured body."""
        return "".join(
            tag("component", self._section(each, f"{self._root}{at}")) for at, each in enumerate(self._sections, 1)
        )

    def _section(self, section: Section, prefix: str) -> str:
        narrative = section.narrative
        place: _Placing = _kept
        if narrative is None:
            narrated = cda_narrative.narrate(section, prefix)
            narrative, place = narrated.children, _Place(prefix, narrated.numbers)
        text = "".join(spoken(each) if isinstance(each, str) else as_it_stood(each) for each in narrative)
        placed: list[Placed] = [("templateId", identifier("templateId", each)) for each in section.templates]
        placed += (("id", identifier("id", each)) for each in section.ids)
        if section.code:
            placed.append(("code", code("code", section.code)))
        if section.title:
            placed.append(("title", tag("title", spoken(section.title))))
        placed.append(("text", tag("text", text)))
        placed += ((each.part, participation(each)) for each in section.participations)
        placed += (("entry", _link("entry", each, (at,), place)) for at, each in enumerate(section.entries))
        placed += (
            ("component", tag("component", self._section(each, f"{prefix}.{at}")))
            for at, each in enumerate(section.sections, 1)
        )
        return tag("section", in_order(placed, section.others, SECTION))


_Placing = Callable[[cda_narrative.Path], str | None]


def _kept(_path: cda_narrative.Path) -> None:
    """Nothing is pointed at but what was when it was received."""


class _Place:
    def __init__(self, prefix: str, numbers: dict[cda_narrative.Path, int]) -> None:
        self._prefix = prefix
        self._numbers = numbers

    def __call__(self, path: cda_narrative.Path) -> str:
        return f"{self._prefix}-{self._numbers[path]}"


def _link(name: str, link: Link, path: cda_narrative.Path, place: _Placing) -> str:
    inside = tag("sequenceNumber", value=link.sequence) if link.sequence else ""
    inverted = None if link.inverted is None else str(link.inverted).lower()
    return tag(
        name,
        inside + _statement(link.statement, path, place),
        typeCode=link.type_code,
        inversionInd=inverted,
        contextConductionInd=link.control,
    )


def _statement(value: Statement, path: cda_narrative.Path, place: _Placing) -> str:
    own = place(path)
    placed: list[Placed] = [("templateId", identifier("templateId", each)) for each in value.templates]
    placed += (("id", identifier("id", each)) for each in value.ids)
    if value.code is not None:
        placed.append(("code", code("code", value.code)))
    text = _text(value, own)
    if text:
        placed.append(("text", text))
    if value.status is not None:
        placed.append(("statusCode", tag("statusCode", code=value.status)))
    placed += (("effectiveTime", time("effectiveTime", each)) for each in value.times)
    if value.priority is not None:
        placed.append(("priorityCode", code("priorityCode", value.priority)))
    placed += (("value", _value(each, value, own, at)) for at, each in enumerate(value.values))
    placed += (
        ("targetSiteCode", code("targetSiteCode", each, f"{own}s{at}" if own else None))
        for at, each in enumerate(value.sites)
    )
    placed += ((each.part, participation(each)) for each in value.participations)
    name = _LINKS.get(value.kind, "entryRelationship")
    placed += ((name, _link(name, each, (*path, at), place)) for at, each in enumerate(value.links))
    return tag(
        part(value.kind),
        in_order(placed, value.others, STATEMENT),
        classCode=value.class_code,
        moodCode=value.mood,
        negationInd=None if value.negated is None else str(value.negated).lower(),
        ID=value.name,
    )


def _text(value: Statement, own: str | None) -> str:
    if own is None:
        words = value.text
        if words is None:
            return ""
        inside = spoken(words.text or "") if words.reference is None else tag("reference", value=words.reference)
        return tag("text", inside)
    if value.kind not in cda_narrative.TOLD or not cda_narrative.has_row(value):
        return ""
    said = value.text is not None and value.text.text
    return tag("text", tag("reference", value=f"#{own}{'t' if said else ''}"))


def _value(value: Value, statement: Statement, own: str | None, at: int) -> str:
    if value.code is not None:
        coded, place = value.code, f"{own}v{at}" if own else None
        if own and coded.original is None and _is_problem(statement):
            coded = replace(coded, original=Words(reference=f"#{own}"))
            place = None
        return code("value", coded, place, value.type)
    inside = "".join(map(as_it_stood, value.parts))
    if value.text is not None:
        words = value.text
        inside += spoken(words.text or "") if words.reference is None else tag("reference", value=words.reference)
    return tag(
        "value",
        inside,
        **{"xsi:type": value.type},
        value=value.value,
        unit=value.unit,
        nullFlavor=value.null_flavor,
        mediaType=value.media_type,
        representation=value.representation,
    )


def _is_problem(statement: Statement) -> bool:
    """Whether the rules want the words of its value: then the row that shows it stands for them."""
    return any(each.root == cda_narrative.PROBLEM for each in statement.templates)


def _names(section: Section) -> Iterable[str]:
    """The IDs of the narratives that are kept as they were received."""
    yield from _named_in(section.narrative or ())
    for each in section.sections:
        yield from _names(each)


def _named_in(children: Iterable[Element | str]) -> Iterable[str]:
    for each in children:
        if isinstance(each, Element):
            yield from (value for name, value in each.attributes if name == "ID")
            yield from _named_in(each.children)


def _uses(root: str, name: str) -> bool:
    return name.startswith(root) and name[1:2].isdigit()
