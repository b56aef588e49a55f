"""What one structured document says of a case, as answers to fields of a board sheet (`sources.toml`).

Codes are taken as they are given; a T, an N or an M is read off the code of the UICC, or off the label of PathLex,
which begins with it. Nothing is guessed: what is not coded so is not taken.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any, Final

from lxml import etree

from passerelle.dossier.formats import cda
from passerelle.dossier.formats.hl7v3 import NAMESPACE, attribute, find, find_all
from passerelle.kernel.errors import InvalidInput
from passerelle.kernel.hl7_time import Hl7Time
from passerelle.oncology import sheet_fields
from passerelle.oncology.attachments import AttachmentNature
from passerelle.oncology.coded import Code, Section, Statement, statements
from passerelle.oncology.formats import frcp
from passerelle.oncology.formats.cda_statements import CODED, Body
from passerelle.oncology.formats.cda_values import XSI_TYPE
from passerelle.oncology.narrated import text_of

#: Answers by the names of fields and lists of `sheet.toml`.
Taken = Mapping[str, object]
_TNM: Final = re.compile(r"[cpyra]{0,3}([TNM](?:is|X|[0-4])(?:mi|[a-d]\d?)?)(?![0-9A-Za-z])", re.ASCII)
_SITE: Final = re.compile(r"C\d\d(\.\d)?", re.ASCII)
_LABORATORY: Final = "examinations"
_WITH_ITS_DAY: Final = 8
_NUMBERS: Final = frozenset({"PQ", "REAL", "INT"})
_KIND_OF_PAPER: Final = "69764-9"  # of what is attached to a report


@dataclass(frozen=True, slots=True)
class _Declared:
    words: Sequence[Mapping[str, Any]]
    fields: Sequence[str]
    lists: Sequence[str]
    coded: Mapping[str, str]
    tumour: Mapping[str, Any]


@cache
def _declared() -> _Declared:
    given = tomllib.loads(files(__package__).joinpath("sources.toml").read_text("utf-8"))
    coded = {each["code"]: each["field"] for each in given["statement"]}
    return _Declared(given["words"], given["answers"]["fields"], given["answers"]["lists"], coded, given["tumour"])


def taken(nature: AttachmentNature, octets: bytes, day: str, *, results_max: int) -> Taken:
    """The answers that a document of this nature gives; `day` is its own, as HL7 writes it. Of a laboratory report, the
    first `results_max` results.

    Refused: what `cda.clinical_document` refuses, SHEET_TOO_MANY_STATEMENTS, VALUE_TOO_LONG, VALUE_MALFORMED; and of an
    earlier sheet what `formats.frcp.read` refuses.
    """
    if nature is AttachmentNature.BOARD_SHEET:
        return _handed_on(octets)
    document = cda.clinical_document(octets)
    if nature is AttachmentNature.LABORATORY:
        results = "\n".join(islice(_results(document), results_max))
        return {_LABORATORY: results} if results else {}
    sections = _sections(document)
    found: dict[str, object] = {}
    for each in _declared().words:
        if each["nature"] == nature:
            text = "\n".join(_texts(sections, each["sections"]))
            if text:
                found[each["field"]] = text
                if "dated" in each:
                    found[each["dated"]] = day
    said = [each for section in sections for each in statements(section)]
    for statement in said:
        field = _declared().coded.get(_code(statement))
        if field is not None and statement.value is not None and statement.value.code is not None:
            found.setdefault(field, statement.value.code)
    if nature is AttachmentNature.PATHOLOGY and (tumour := _tumour(said)):
        found["tumours"] = [tumour]
    return found


def _handed_on(octets: bytes) -> Taken:
    sheet = frcp.read(octets)
    declared = _declared()
    answers = {name: sheet_fields.answer(sheet, name) for name in declared.fields}
    lists = {name: list(sheet_fields.items(sheet, name)) for name in declared.lists}
    return {name: value for name, value in {**answers, **lists}.items() if value not in (None, [])}


def _sections(document: etree._Element) -> list[Section]:
    structured = find(document, "component/structuredBody")
    if structured is None:
        raise InvalidInput("SHEET_HAS_NO_SECTIONS")
    body = Body(document)
    return [body.section(each) for each in find_all(structured, "component/section")]


def _texts(sections: Sequence[Section], codes: Sequence[str]) -> Iterator[str]:
    for section in sections:
        if section.code is not None and section.code.code in codes and section.narrative is not None:
            text = text_of(section.narrative)
            if text:
                yield "\n".join(filter(None, text.split("\n")))
        yield from _texts(section.sections, codes)


def _code(statement: Statement) -> str:
    return (statement.code.code or "") if statement.code else ""


def _tumour(said: Sequence[Statement]) -> dict[str, object]:
    """The first histological type, place and T, N, M that a report codes."""
    declared, found = _declared().tumour, dict[str, object]()
    for statement in said:
        for site in statement.sites:
            if site.code and _SITE.fullmatch(site.code):
                found.setdefault("topography", site)
        value = statement.value.code if statement.value else None
        if value is None or value.code is None:
            continue
        is_histology = value.system == declared["pathlex"] and _code(statement) in declared["histology"]
        if value.system in declared["morphology"] or is_histology:
            found.setdefault("morphology", value)
        said_as = {declared["tnm"]: value.code, declared["pathlex"]: value.label}.get(value.system or "")
        if read := _TNM.match(said_as or ""):
            stage = Code(code=read[1], system=declared["tnm"], label=value.label)
            found.setdefault(f"tnm_{read[1][0].lower()}", stage)
    return found


def _results(document: etree._Element) -> Iterator[str]:
    """A line for each result that a report gives as a number or a code."""
    for observation in document.iter(f"{{{NAMESPACE}}}observation"):
        value = find(observation, "value")
        name = attribute(observation, "code", "displayName")
        if value is None or name is None:
            continue
        kind = (value.get(XSI_TYPE) or "").rpartition(":")[2]
        number = f"{value.get('value') or ''} {value.get('unit') or ''}".strip() if kind in _NUMBERS else None
        shown = number or (value.get("displayName") if kind in CODED else None)
        if shown and attribute(observation, "code", "code") != _KIND_OF_PAPER:
            yield f"{_day(attribute(observation, 'effectiveTime', 'value'))}{name} : {shown}"


def _day(given: str | None) -> str:
    if given is None or len(given) < _WITH_ITS_DAY or Hl7Time.parse(given).is_broken:
        return ""
    return f"{given[6:8]}/{given[4:6]}/{given[:4]} "
