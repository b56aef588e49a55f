"""Walking an HL7 v3 document: every path is in the namespace of CDA R2."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

from lxml import etree

from passerelle.dossier.formats import values

NAMESPACE: Final = "urn:hl7-org:v3"
XSL_NAMESPACE: Final = "http://www.w3.org/1999/XSL/Transform"


@cache
def _qualified(path: str) -> str:
    return "/".join(f"{{{NAMESPACE}}}{step}" for step in path.split("/"))


def find(element: etree._Element, path: str) -> etree._Element | None:
    """The first element at `path` (`author/assignedAuthor`)."""
    return element.find(_qualified(path))


def find_all(element: etree._Element, path: str) -> Iterator[etree._Element]:
    """Every element at `path`, in document order."""
    return element.iterfind(_qualified(path))


def attribute(element: etree._Element, path: str, name: str) -> str | None:
    """Attribute `name` of the first element at `path`."""
    found = find(element, path)
    return None if found is None else found.get(name)


def content(element: etree._Element | None) -> str | None:
    """All the text inside an element."""
    return None if element is None else "".join(str(piece) for piece in element.itertext())


def identifier(element: etree._Element | None, field: str) -> str | None:
    """An instance identifier (II) as XDS writes it: `root^extension`, or `root` alone; None when it has no root."""
    if element is None:
        return None
    root = values.key(element.get("root"), field)
    if root is None:
        return None
    extension = values.key(element.get("extension"), field)
    return values.key(f"{root}^{extension}" if extension else root, field)
