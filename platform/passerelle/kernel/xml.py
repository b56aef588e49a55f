"""XML from strangers, parsed without entities, without a document type and without the network.

A first pass with expat refuses what must never reach the tree (any DOCTYPE, too deep, too many nodes); only
then does lxml build it. After OWASP's XML External Entity Prevention; HL7 CDA R2 has no use for a DOCTYPE.
"""

from __future__ import annotations

from typing import Final
from xml.parsers import expat

from lxml import etree

from passerelle.kernel.errors import InvalidInput, LimitExceeded

MAX_BYTES: Final = 100 * 1024 * 1024
MAX_DEPTH: Final = 100
"""Published samples of CDA reach 19."""
MAX_NODES: Final = 1_000_000
"""Elements, attributes, comments and processing instructions together."""


def parse(data: bytes, *, max_bytes: int = MAX_BYTES) -> etree._Element:
    """The root element of `data`, without comments or processing instructions.

    Refused: EMPTY_FILE, XML_TOO_LARGE, XML_TOO_DEEP, XML_TOO_MANY_NODES, XML_ENTITY (an entity is declared),
    XML_DOCTYPE (any other document type, external DTD included), NOT_XML.
    """
    if not data.strip():
        raise InvalidInput("EMPTY_FILE")
    if len(data) > max_bytes:
        raise LimitExceeded("XML_TOO_LARGE", limit=max_bytes)
    _guard(data)
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=True,  # the guard has set the limits; without it a text over 10 MB (a scan) is refused
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError, LookupError) as broken:
        raise InvalidInput("NOT_XML", line=getattr(broken, "lineno", None) or 0) from broken
    if root.getroottree().docinfo.internalDTD is not None:
        raise InvalidInput("XML_DOCTYPE")
    return root


class _Guard:
    """Counts as expat reads, and stops it at the first thing that is refused."""

    def __init__(self) -> None:
        self.depth = 0
        self.nodes = 0

    def start(self, _name: str, attributes: list[str]) -> None:
        self.depth += 1
        self.count(1 + len(attributes) // 2)
        if self.depth > MAX_DEPTH:
            raise LimitExceeded("XML_TOO_DEEP", limit=MAX_DEPTH)

    def end(self, _name: str) -> None:
        self.depth -= 1

    def count(self, nodes: int = 1) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise LimitExceeded("XML_TOO_MANY_NODES", limit=MAX_NODES)

    def entity(self, *_declaration: object) -> None:
        raise InvalidInput("XML_ENTITY")

    def doctype_end(self) -> None:
        raise InvalidInput("XML_DOCTYPE")


def _guard(data: bytes) -> None:
    guard = _Guard()
    parser = expat.ParserCreate()
    parser.ordered_attributes = True
    parser.StartElementHandler = guard.start
    parser.EndElementHandler = guard.end
    parser.CommentHandler = lambda _text: guard.count()
    parser.ProcessingInstructionHandler = lambda _target, _text: guard.count()
    parser.EntityDeclHandler = guard.entity
    parser.EndDoctypeDeclHandler = guard.doctype_end
    seen_doctype = False

    def doctype(*_declaration: object) -> None:
        nonlocal seen_doctype
        seen_doctype = True

    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(data, True)
    except expat.ExpatError as broken:
        if seen_doctype:
            raise InvalidInput("XML_DOCTYPE") from broken
        raise InvalidInput("NOT_XML", line=broken.lineno) from broken
    except (ValueError, LookupError) as broken:  # an encoding that Python does not know
        raise InvalidInput("NOT_XML", line=1) from broken
