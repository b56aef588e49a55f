"""A small checker of resources against a StructureDefinition's snapshot: names, cardinalities, formats, code lists.

It knows of data types what an AuditEvent has in it, and of the code lists those that R4 requires.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "fhir" / "tracabilite"
REQUIRED = {
    "http://hl7.org/fhir/ValueSet/audit-event-action": set("CRUDE"),
    "http://hl7.org/fhir/ValueSet/audit-event-outcome": {"0", "4", "8", "12"},
}
_DAY = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_HOUR = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]\d\d:\d\d)"
FORMATS = {
    "code": r"\S+(\s\S+)*",
    "uri": r"\S+",
    "id": r"[A-Za-z0-9\-.]{1,64}",
    "string": r"[\s\S]*\S[\s\S]*",
    "dateTime": rf"{_DAY}T{_HOUR}",
    "instant": rf"{_DAY}T{_HOUR}",
    "http://hl7.org/fhirpath/System.String": r"[A-Za-z0-9\-.]{1,64}",
}
_CODING = {"system", "version", "code", "display", "userSelected"}
COMPLEX = {
    "Coding": _CODING,
    "CodeableConcept": {"coding", "text"},
    "Reference": {"reference", "type", "identifier", "display"},
    "Period": {"start", "end"},
    "Meta": {"profile", "versionId", "lastUpdated", "source", "security", "tag"},
    "Narrative": {"status", "div"},
    "BackboneElement": None,
}


@dataclass(frozen=True)
class Element:
    path: str
    least: int
    most: float
    types: tuple[str, ...]
    targets: frozenset[str]
    required: str | None


@cache
def profile() -> dict[str, Element]:
    """The elements of the French profile by path."""
    name = FOLDER / "conformance" / "StructureDefinition-tde-auditevent.json"
    snapshot = json.loads(name.read_text("utf-8-sig"))["snapshot"]["element"]
    return {
        each["path"]: Element(
            path=each["path"],
            least=each["min"],
            most=float("inf") if each["max"] == "*" else int(each["max"]),
            types=tuple(of["code"] for of in each.get("type", ())),
            targets=frozenset(
                target.partition("|")[0].rpartition("/")[2]
                for of in each.get("type", ())
                for target in of.get("targetProfile", ())
            ),
            required=each["binding"]["valueSet"].partition("|")[0]
            if each.get("binding", {}).get("strength") == "required"
            else None,
        )
        for each in snapshot
    }


def faults(resource: dict[str, Any]) -> list[str]:
    """What is wrong with a resource, by path."""
    if resource.get("resourceType") != "AuditEvent":
        return ["resourceType"]
    return list(_object("AuditEvent", {name: said for name, said in resource.items() if name != "resourceType"}))


def _object(path: str, held: dict[str, Any]) -> Iterator[str]:
    children = {each.path: each for each in profile().values() if each.path.rpartition(".")[0] == path}
    known = set()
    for child in children.values():
        name = child.path.rpartition(".")[2]
        names = [name.replace("[x]", of[0].upper() + of[1:]) for of in child.types] if "[x]" in name else [name]
        known |= set(names)
        present = [(each, held[each]) for each in names if each in held]
        count = sum(len(said) if isinstance(said, list) else 1 for _, said in present)
        if not child.least <= count <= child.most:
            yield f"{child.path}: {count} for {child.least}..{child.most}"
        for each, said in present:
            if isinstance(said, list) != (child.most > 1 or child.path in _LISTS):
                yield f"{child.path}: a list or not"
            type_ = child.types[names.index(each)] if len(names) > 1 else child.types[0]
            for one in said if isinstance(said, list) else [said]:
                yield from _value(child, type_, one)
    yield from (f"{path}: {name} is not of the profile" for name in held.keys() - known)


_LISTS = {"AuditEvent.subtype", "AuditEvent.agent"}  # that the profile narrows, and that stay lists in JSON


def _value(element: Element, type_: str, said: Any) -> Iterator[str]:
    if said in (None, "", [], {}):
        yield f"{element.path}: empty"
    elif type_ == "boolean":
        if not isinstance(said, bool):
            yield f"{element.path}: not a boolean"
    elif type_ in FORMATS:
        if not isinstance(said, str) or not re.fullmatch(FORMATS[type_], said):
            yield f"{element.path}: not a {type_}"
        elif element.required and said not in REQUIRED[element.required]:
            yield f"{element.path}: {said} is not of the list"
    elif not isinstance(said, dict):
        yield f"{element.path}: not a {type_}"
    else:
        allowed = COMPLEX[type_]
        if allowed is not None and not said.keys() <= allowed:
            yield f"{element.path}: {sorted(said.keys() - allowed)}"
        if any(each.path.startswith(f"{element.path}.") for each in profile().values()):
            yield from _object(element.path, said)
        if type_ == "Reference" and not {said.get("type"), "Resource"} & {*element.targets, None}:
            yield f"{element.path}: a {said['type']}"
        if type_ == "Coding" and not {"system", "code"} <= said.keys():
            yield f"{element.path}: a coding without its system"
