"""Whether an oncology document is valid: our own rules always, the official schemas when the operator installed them.

The operator gives a folder (`PASSERELLE_CISIS_DIR`): the public set of the CI-SIS as it is published, that is
`infrastructure/cda/CDA_extended.xsd` with what it includes, and `schematrons/` with its profiles and value sets. A
folder with `CDA_extended.xsd` alone will do. Schematrons are run by saxonche, which is installed beside
(`ops/requirements/schematron.txt`); without it, the schema alone is used. Nothing here touches the network.
"""

from __future__ import annotations

import asyncio
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from passerelle.dossier.formats.cda import clinical_document
from passerelle.kernel.errors import InvalidInput
from passerelle.kernel.messages import sentence
from passerelle.oncology.formats.conformity import (
    MAX_FINDINGS,
    NEWEST_EDITION,
    TEMPLATES,
    Finding,
    broken_rules,
    edition_of,
)
from passerelle.oncology.formats.rules.shapes import HL7, DocumentKind
from passerelle.oncology.formats.schematron import FOUND, NotSchematron, as_xslt

if TYPE_CHECKING:
    from collections.abc import Iterator

EDITIONS: Final = ("2022.01", "2025.01")
_SCHEMA_PLACES: Final = ("infrastructure/cda/CDA_extended.xsd", "xsd/CDA_extended.xsd", "CDA_extended.xsd")
_PROFILES: Final = (
    "profils/IHE.sch",
    "profils/structurationMinimale/ASIP-STRUCT-MIN-StrucMin.sch",
    "profils/CI-SIS_ModelesDeContenusCDA.sch",
    "profils/CI-SIS_Modeles_ANS.sch",
    "profils/terminologies/schematron/terminologie.sch",
)
_DOCUMENTS: Final = {DocumentKind.FRCP: "CI-SIS_CANCER-FRCP", DocumentKind.CARE_PLAN: "CI-SIS_CANCER-PPS"}
_STEP: Final = re.compile(r"/Q\{[^}]*\}([\w.-]+)\[(\d+)\]")
_EXPECTED: Final = re.compile(r"Expected is (?:one of )?\(([^)]*)\)")


class Unusable(InvalidInput):
    """The folder, or a file of it, cannot be used: for the operator to mend."""


@dataclass
class Official:
    """The official schemas of one folder, each loaded when it is first asked for, and then kept."""

    folder: Path
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _schema: tuple[etree.XMLSchema, Path] | None = field(default=None, repr=False)
    _saxon: _Saxon | None = field(default=None, repr=False)

    def schema_file(self) -> Path:
        """The XSD of CDA. Raises Unusable CISIS_FOLDER_MISSING, CISIS_SCHEMA_MISSING."""
        if not self.folder.is_dir():
            raise Unusable("CISIS_FOLDER_MISSING", folder=str(self.folder))
        found = next((self.folder / each for each in _SCHEMA_PLACES if (self.folder / each).is_file()), None)
        if found is None:
            raise Unusable("CISIS_SCHEMA_MISSING", folder=str(self.folder))
        return found

    def schematron_files(self, kind: DocumentKind, edition: str = NEWEST_EDITION) -> tuple[Path, ...]:
        """The schematrons there are for a kind and edition of document; none when they are not installed."""
        names = (*_PROFILES, f"{_DOCUMENTS[kind]}_{edition}.sch")
        return tuple(path for name in names if (path := self.folder / "schematrons" / name).is_file())

    def prepare(self) -> tuple[Path, ...]:
        """Load the schema and compile every schematron that there is; the files. Raises Unusable."""
        used = {self._compiled_schema()[1]: None}
        for kind in DocumentKind:
            for edition in EDITIONS:
                files = self.schematron_files(kind, edition)
                if files and has_processor():
                    self._processor().prepare(files)
                    used.update(dict.fromkeys(files))
        return tuple(used)

    def against_schema(self, document: etree._Element) -> tuple[Finding, ...]:
        """What the XSD says of a ClinicalDocument. Raises Unusable."""
        schema, path = self._compiled_schema()
        with self._lock:
            if schema.validate(document):
                return ()
            errors: Any = schema.error_log
            return tuple(_of_schema(each, path) for each in islice(errors, MAX_FINDINGS))

    def against_schematrons(self, document: etree._Element, kind: DocumentKind) -> tuple[Finding, ...]:
        """What the schematrons that are installed say of a ClinicalDocument. Raises Unusable."""
        files = self.schematron_files(kind, edition_of(document, kind))
        if not files or not has_processor():
            return ()
        return self._processor().told_of(etree.tostring(document, encoding="unicode"), files)

    def _compiled_schema(self) -> tuple[etree.XMLSchema, Path]:
        with self._lock:
            if self._schema is None:
                path = self.schema_file()
                self._schema = _loaded(path), path
            return self._schema

    def _processor(self) -> _Saxon:
        with self._lock:
            if self._saxon is None:
                self._saxon = _Saxon()
            return self._saxon


def has_processor() -> bool:
    """Whether saxonche is there to run schematrons."""
    return find_spec("saxonche") is not None


_in_use: list[Official] = []


def use(folder: Path | None) -> None:
    """Check documents of this process against the schemas of `folder`, from now on; None for our own rules alone."""
    _in_use[:] = [] if folder is None else [Official(folder)]


async def checked(document: etree._Element | bytes, kind: DocumentKind) -> tuple[Finding, ...]:
    """What is wrong with a document of this kind, empty when nothing is; worked out beside the event loop.

    In: the ClinicalDocument element or the bytes of a document. Refused: what `kernel.xml.parse` refuses,
    NOT_A_CLINICAL_DOCUMENT. An installed schema that cannot be used is a finding too: nothing passes unchecked.
    """
    return await asyncio.to_thread(check, document, kind)


def check(document: etree._Element | bytes, kind: DocumentKind) -> tuple[Finding, ...]:
    """As `checked`, in this thread: for commands and benches."""
    element = clinical_document(document) if isinstance(document, bytes) else document
    return (*_officially(element, kind), *broken_rules(element, kind))


def check_file(data: bytes) -> tuple[Finding, ...]:
    """As `check`, the kind told from the document. Refused besides: ONCOLOGY_DOCUMENT_UNKNOWN."""
    document = clinical_document(data)
    borne = {each.get("root") for each in document.iterfind(f"{{{HL7}}}templateId")}
    kind = next((each for each, template in TEMPLATES.items() if template in borne), None)
    if kind is None:
        raise InvalidInput("ONCOLOGY_DOCUMENT_UNKNOWN")
    return check(document, kind)


def _officially(document: etree._Element, kind: DocumentKind) -> Iterator[Finding]:
    for official in _in_use:
        try:
            yield from official.against_schema(document)
            yield from official.against_schematrons(document, kind)
        except Unusable as unusable:
            yield Finding("official.unusable", unusable.message, "ClinicalDocument")


def _loaded(path: Path) -> etree.XMLSchema:
    try:
        return etree.XMLSchema(etree.parse(path, etree.XMLParser(no_network=True, resolve_entities=False)))
    except (OSError, etree.XMLSyntaxError, etree.XMLSchemaParseError) as broken:
        raise Unusable("CISIS_SCHEMA_UNREADABLE", file=path.name) from broken


def _of_schema(error: Any, path: Path) -> Finding:
    """An error of the XSD without the value that it quotes, which is the document's."""
    element = str(error.message).partition("'")[2].partition("'")[0].rpartition("}")[2] or "?"
    expected = _EXPECTED.search(str(error.message))
    if error.type_name == "SCHEMAV_ELEMENT_CONTENT":
        wanted = ", ".join(each.strip().rpartition("}")[2] for each in expected[1].split(",")) if expected else "?"
        message = sentence("CONFORMITY_XSD_CONTENT", {"element": element, "expected": wanted})
    else:
        message = sentence("CONFORMITY_XSD_VALUE", {"element": element})
    return Finding("xsd", message, f"ligne {error.line}", (path.name,))


class _Saxon:
    """The processor and the stylesheets it has compiled. It lives in one thread, as SaxonC wants it."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="schematron")
        self._processor: Any = None
        self._compiled: dict[Path, Any] = {}

    def told_of(self, document: str, files: tuple[Path, ...]) -> tuple[Finding, ...]:
        """What each of these schematrons finds in a document."""
        return self._thread.submit(self._run, document, files).result()

    def prepare(self, files: tuple[Path, ...]) -> None:
        """Compile these schematrons."""
        for path in files:
            self._thread.submit(self._stylesheet, path).result()

    def _run(self, document: str, files: tuple[Path, ...]) -> tuple[Finding, ...]:
        sheets = [(path, self._stylesheet(path)) for path in files]
        node = self._processor.parse_xml(xml_text=document)
        found = (finding for path, sheet in sheets for finding in _told_by(path, sheet, node))
        return tuple(islice(found, MAX_FINDINGS))

    def _stylesheet(self, path: Path) -> Any:
        # Imported where it is used: it is heavy, and may not be installed.
        from saxonche import PySaxonApiError, PySaxonProcessor

        if self._processor is None:
            self._processor = PySaxonProcessor(license=False)
            self._processor.set_configuration_property("http://saxon.sf.net/feature/allowedProtocols", "file")
        if path not in self._compiled:
            try:
                text = as_xslt(path).decode()
                self._compiled[path] = self._processor.new_xslt30_processor().compile_stylesheet(stylesheet_text=text)
            except (NotSchematron, PySaxonApiError) as broken:
                raise Unusable("CISIS_SCHEMATRON_UNUSABLE", file=path.name) from broken
        return self._compiled[path]


def _told_by(path: Path, sheet: Any, node: Any) -> Iterator[Finding]:
    from saxonche import PySaxonApiError

    try:
        sheet.set_global_context_item(xdm_item=node)
        report = sheet.transform_to_string(xdm_node=node)
    except PySaxonApiError as broken:
        raise Unusable("CISIS_SCHEMATRON_UNUSABLE", file=path.name) from broken
    for each in etree.fromstring(report.encode()).iter(FOUND):
        yield Finding(f"{path.stem}.{each.get('rule')}", each.text or "", _place(each.get("place", "")), (path.name,))


def _place(path: str) -> str:
    """The place as our own findings write it."""
    steps = [f"{name}[{ordinal}]" for name, ordinal in _STEP.findall(path)][1:]
    return "/".join(steps) or "ClinicalDocument"
