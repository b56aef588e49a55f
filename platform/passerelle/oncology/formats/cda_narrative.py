"""The readable part of a section, written from its statements: tables of what was asked and answered.

Every statement is pointed at by `reference`: `p2-7` is the row that shows the seventh statement of the second section,
`p2-7t` its own words, `p2-7v` those of its value, `p2-7s` those of its site. Written twice from the same section it is
the same, so that who reads a document again knows which narrative is ours (`unlinked`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Any, Final

from passerelle.dossier.formats.rendering import time_words
from passerelle.kernel.hl7_time import Hl7Time
from passerelle.oncology.coded import Code, Element, Link, Participation, Section, Statement, Value, Words
from passerelle.oncology.narrated import lines

Inline = tuple[Element | str, ...]
Path = tuple[int, ...]

ROOTS: Final = ("p", "q", "r")
"""Beginnings of our identifiers: the first that no narrative kept as it was received uses."""
COMMENT: Final = "48767-8"
PROBLEM: Final = "1.3.6.1.4.1.19376.1.5.3.1.4.5"
TOLD: Final = frozenset({"act", "encounter", "observation", "procedure", "substanceAdministration", "supply"})
"""The statements that have a `text`."""
_ASKED: Final = frozenset({"PRP", "RQO", "INT", "ARQ"})


@cache
def _words() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("words.toml").read_text(encoding="utf-8"))


@dataclass(slots=True)
class Narrated:
    """A narrative, and the number of each statement in it."""

    children: Inline
    numbers: dict[Path, int] = field(default_factory=dict)


def numbered(links: Iterable[Link]) -> dict[Path, int]:
    """The number of each statement of a section, by where it stands."""
    found: dict[Path, int] = {}

    def count(inside: Iterable[Link], above: Path) -> None:
        for at, link in enumerate(inside):
            found[(*above, at)] = len(found) + 1
            count(link.statement.links, (*above, at))

    count(links, ())
    return found


def narrate(section: Section, prefix: str) -> Narrated:
    """The narrative of a section without one."""
    numbers = numbered(section.entries)
    children = tuple(_Writer(prefix, numbers).section(section))
    if not children:
        children = (Element(name="paragraph", children=(_words()["empty"],)),)
    return Narrated(_joined(children), numbers)


def _joined(children: Inline) -> Inline:
    """The same with texts that follow each other made one, as who reads it finds them."""
    joined: list[Element | str] = []
    for each in children:
        if isinstance(each, Element):
            joined.append(replace(each, children=_joined(each.children)))
        elif joined and isinstance(joined[-1], str):
            joined[-1] += each
        elif each:
            joined.append(each)
    return tuple(each for each in joined if not isinstance(each, str) or each.strip())


def has_row(statement: Statement) -> bool:
    """Whether the narrative has a row for a statement itself, not only for those below it."""
    code = statement.code
    return bool(code and (code.code or code.label or code.original)) or bool(statement.text or statement.values)


def unlinked(section: Section, prefix: str) -> Section | None:
    """The section as it was before its narrative was written, when that is ours; else None."""
    if section.narrative is None:
        return section
    numbers = numbered(section.entries)
    try:
        entries = tuple(_loose(link, (at,), numbers, prefix) for at, link in enumerate(section.entries))
    except _NotOurs:
        return None
    bare = replace(section, narrative=None, entries=entries)
    return bare if narrate(bare, prefix).children == section.narrative else None


class _NotOurs(Exception):
    """The narrative is not one that we wrote."""


def _loose(link: Link, path: Path, numbers: dict[Path, int], prefix: str) -> Link:
    statement = link.statement
    name = f"{prefix}-{numbers[path]}"
    text = statement.text
    if text is not None and text.reference is not None:
        if text.reference == f"#{name}":
            text = None
        elif text.reference == f"#{name}t":
            text = Words(text=text.text)
        else:
            raise _NotOurs
    return replace(
        link,
        statement=replace(
            statement,
            text=text,
            values=tuple(_loose_value(each, name, at) for at, each in enumerate(statement.values)),
            sites=tuple(_loose_code(each, f"{name}s{at}") for at, each in enumerate(statement.sites)),
            links=tuple(_loose(each, (*path, at), numbers, prefix) for at, each in enumerate(statement.links)),
        ),
    )


def _loose_value(value: Value, name: str, at: int) -> Value:
    if value.code is None:
        return value
    if value.code.original is not None and value.code.original.reference == f"#{name}":
        return replace(value, code=replace(value.code, original=None))
    return replace(value, code=_loose_code(value.code, f"{name}v{at}"))


def _loose_code(code: Code, name: str) -> Code:
    if code.original is None or code.original.reference is None:
        return code
    if code.original.reference != f"#{name}":
        raise _NotOurs
    return replace(code, original=Words(text=code.original.text))


class _Writer:
    def __init__(self, prefix: str, numbers: dict[Path, int]) -> None:
        self._prefix = prefix
        self._numbers = numbers
        self._said = _words()

    def section(self, section: Section) -> Iterator[Element]:
        """The tables of a section, one for each run of like statements."""
        run: list[tuple[Path, Statement]] = []
        for at, link in enumerate(section.entries):
            if run and _layout(run[-1][1]) != _layout(link.statement):
                yield self._table(run)
                run = []
            run.append(((at,), link.statement))
        if run:
            yield self._table(run)
        for who in section.participations:
            yield Element(name="paragraph", children=(f"{self._said['entered']} : {person(who)}",))

    def _table(self, run: list[tuple[Path, Statement]]) -> Element:
        layout = _layout(run[0][1])
        if layout in {"treatments", "proposals"}:
            return self._treatments(run, with_status=layout == "treatments")
        return self._requests(run) if layout == "requests" else self._answers(run)

    def _answers(self, run: list[tuple[Path, Statement]]) -> Element:
        rows = [row for path, statement in run for row in self._rows(path, statement)]
        is_dated = any(len(row) > 2 and row[2] for row in rows)
        head = [self._said["item"], self._said["said"], *([self._said["date"]] if is_dated else [])]
        return _table(head, [row if is_dated else row[:2] for row in rows])

    def _rows(self, path: Path, statement: Statement) -> Iterator[list[Inline]]:
        """A row for a statement, then those of the statements below it."""
        if _is_heading(statement):
            heading = _content(self._name(path), (self._label(statement),))
            yield [(replace(heading, attributes=(*heading.attributes, ("styleCode", "Bold"))),)]
        elif has_row(statement):
            yield [(self._label(statement),), self._shown(path, statement), _dated(statement)]
        yield from self._beside(path, statement, comments=True)

    def _beside(self, path: Path, statement: Statement, *, comments: bool = False) -> Iterator[list[Inline]]:
        """Where, with whom, and the statements below."""
        for at, site in enumerate(statement.sites):
            yield [(self._said["site"],), self._coded(site, f"{self._name(path)}s{at}"), ()]
        for who in statement.participations:
            role = self._said["role_of"].get(who.part, self._said["role_of"]["participant"])
            yield [(role,), (person(who),), ((_when(who.time.start),) if who.time and who.time.start else ())]
        for at, link in enumerate(statement.links):
            if comments or not _is_comment(link.statement):
                yield from self._rows((*path, at), link.statement)

    def _shown(self, path: Path, statement: Statement) -> Inline:
        """What a statement says: its own words, its values; the place to which its `text` points."""
        name = self._name(path)
        inside: list[Element | str] = []
        if statement.text and statement.text.text:
            inside.append(_content(f"{name}t", tuple(lines(statement.text.text))))
        for at, value in enumerate(statement.values):
            if inside:
                inside.append(" ; ")
            inside += self._value(value, f"{name}v{at}")
        if statement.kind == "observationMedia" and statement.name:
            return (Element(name="renderMultiMedia", attributes=(("referencedObject", statement.name),)),)
        if statement.negated:
            inside.insert(0, self._said["absent"])
        return (_content(name, tuple(inside)),) if inside else (Element(name="content", attributes=(("ID", name),)),)

    def _value(self, value: Value, name: str) -> Inline:
        if value.code is not None:
            return self._coded(value.code, name)
        if value.null_flavor:
            return (self._null(value.null_flavor),)
        if value.type == "BL":
            return (self._said["yes"] if value.value == "true" else self._said["no"],)
        if value.text and value.text.text and value.representation is None:
            return tuple(lines(value.text.text))
        return (" ".join(filter(None, (value.value, value.unit))) or self._said["attached"],)

    def _coded(self, code: Code, name: str) -> Inline:
        said: list[Element | str] = []
        if code.code or code.label:
            said.append(code.label or code.code or "")
            if code.label and code.code and code.code not in code.label and _is_for_eyes(code):
                said.append(f" [{code.code}]")
        elif code.null_flavor and not code.original:
            said.append(self._null(code.null_flavor))
        if code.original and code.original.text:
            said += [*([" - "] if said else []), _content(name, tuple(lines(code.original.text)))]
        for qualifier in code.qualifiers:
            if qualifier.name and qualifier.value:
                words = qualifier.value.label or qualifier.value.code or ""
                said.append(f"{' ; ' if said else ''}{qualifier.name.label or qualifier.name.code} : {words}")
        return tuple(said)

    def _treatments(self, run: list[tuple[Path, Statement]], *, with_status: bool) -> Element:
        said = self._said
        is_ranked = any(each.priority for _, each in run)
        status = [said["status"]] if with_status else []
        head = [said["treatment"], said["start"], said["end"], *status, said["precision"], said["comment"]]
        rows: list[list[Inline]] = []
        for path, statement in run:
            name = self._name(path)
            words = statement.text.text if statement.text else None
            row: list[Inline] = [
                (_content(name, (self._label(statement),)),),
                _start(statement),
                _stop(statement),
                *([(said["status_of"].get(statement.status, statement.status or ""),)] if with_status else ()),
                (_content(f"{name}t", tuple(lines(words))),) if words else (),
                tuple(
                    part
                    for at in _comments(statement)
                    for part in self._shown((*path, at), statement.links[at].statement)
                ),
            ]
            rank = statement.priority.original.text if statement.priority and statement.priority.original else None
            rows.append([((rank,) if rank else ()), *row] if is_ranked else row)
            rows += self._beside(path, statement)
        return _table([said["order"], *head] if is_ranked else head, rows)

    def _requests(self, run: list[tuple[Path, Statement]]) -> Element:
        said = self._said
        rows: list[list[Inline]] = []
        for path, statement in run:
            rows.append([self._shown(path, statement), _start(statement), _stop(statement)])
            rows += self._beside(path, statement)
            rows += (
                row for at in _comments(statement) for row in self._rows((*path, at), statement.links[at].statement)
            )
        return _table([said["request"], said["earliest"], said["latest"]], rows)

    def _label(self, statement: Statement) -> str:
        code = statement.code
        if code is None:
            return ""
        original = code.original.text if code.original else None
        label = self._said["label_of"].get(code.code) or code.label or code.code or ""
        # What kind of act it is, where its code only says that it is one (the lines of a care plan).
        kind = next((each.value for each in code.qualifiers if each.name is None and each.value), None)
        if kind and (kind.label or kind.code):
            label = f"{label} : {kind.label or kind.code}"
        return " - ".join(filter(None, (label, original)))

    def _null(self, flavor: str) -> str:
        return str(self._said["null_of"].get(flavor, self._said["null_of"]["NI"]))

    def _name(self, path: Path) -> str:
        return f"{self._prefix}-{self._numbers[path]}"


def _layout(statement: Statement) -> str:
    if statement.kind == "procedure":
        return "proposals" if statement.mood in _ASKED else "treatments"
    if statement.kind == "observation" and statement.mood in _ASKED:
        return "requests"
    return "answers"


def _comments(statement: Statement) -> list[int]:
    return [at for at, link in enumerate(statement.links) if _is_comment(link.statement)]


def _is_comment(statement: Statement) -> bool:
    return statement.code is not None and statement.code.code == COMMENT


def _is_for_eyes(code: Code) -> bool:
    """Codes that physicians know by heart: CIM-10, CIM-O, TNM."""
    return code.system in {"2.16.840.1.113883.6.3", "2.16.840.1.113883.6.43.1", "2.16.840.1.113883.15.6"}


def _is_heading(statement: Statement) -> bool:
    """Whether it only holds others together."""
    empty = all(each.code and each.code == Code(null_flavor="NA") for each in statement.values)
    return bool(statement.links) and has_row(statement) and empty and not statement.text


def _dated(statement: Statement) -> Inline:
    start, stop = _start(statement), _stop(statement)
    return (*start, " - ", *stop) if start and stop else start or stop


def _start(statement: Statement) -> Inline:
    start = statement.time.start if statement.time else None
    return (_when(start),) if start else ()


def _stop(statement: Statement) -> Inline:
    stop = statement.time.stop if statement.time else None
    return (_when(stop),) if stop else ()


def _when(given: str) -> str:
    return time_words(Hl7Time.parse(given))


def person(who: Participation) -> str:
    """A person in one line: name, profession, structure."""
    name = who.name
    spoken = " ".join(filter(None, (name.part("suffix"), name.part("given"), name.part("family")))) if name else ""
    label = who.code.label if who.code else None
    return ", ".join(filter(None, (spoken, label, who.organisation.name if who.organisation else None)))


def _content(name: str, inside: Inline) -> Element:
    return Element(name="content", attributes=(("ID", name),), children=inside)


def _table(head: list[str], rows: list[list[Inline]]) -> Element:
    def row(cells: Iterable[Inline], kind: str) -> Element:
        made = [Element(name=kind, children=each) for each in cells]
        if kind == "td" and len(made) < len(head):
            made[-1] = replace(made[-1], attributes=(("colspan", str(len(head) - len(made) + 1)),))
        return Element(name="tr", children=tuple(made))

    titles = Element(name="thead", children=(row(((each,) for each in head), "th"),))
    return Element(
        name="table", children=(titles, Element(name="tbody", children=tuple(row(each, "td") for each in rows)))
    )
