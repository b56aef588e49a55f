"""Every oddity seen in published samples and every hostile input, with what must become of each.

The odd are named after the notes of MANIFEST.csv; the outcome is that of a test tenant whose rule calls every
live INS OID qualified. The hostile are refused whole, with the code given.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Final

from passerelle.identities.ins import INS_C, NIA, NIR, NIR_DEMO, Ins
from passerelle.kernel.clock import PARIS
from passerelle_ops.demo.corpus.exchange import Enclosed, pdf, sidecar_octets, stylesheet, xdm_files, zipped
from passerelle_ops.demo.corpus.people import ins_of, patient, structure, writer
from passerelle_ops.demo.corpus.write import Paper, unique_id, write

STORED: Final = "stored"
REPLACED: Final = "replaced"
_MARK: Final = b"\xef\xbb\xbf"
_PIXEL: Final = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00:~\x9bU\x00\x00\x00\n"
    b"IDATx\x9cc\xf8\x0f\x00\x01\x01\x01\x00\x1b\xb6\xeeV\x00\x00\x00\x00IEND\xaeB`\x82"
)
_MANIFEST: Final = "IHE_XDM/SUBSET01/METADATA.XML"
_DOCUMENT: Final = "IHE_XDM/SUBSET01/DOC00001.XML"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirk:
    """Files to feed and the outcome: `stored`, `replaced` or a code. `needs` must be fed first."""

    name: str
    files: Mapping[str, bytes]
    expected: str
    needs: str | None = None

    @property
    def filename(self) -> str:
        """The file or folder to feed."""
        return next(iter(self.files)).split("/IHE_XDM/")[0]

    @property
    def data(self) -> bytes:
        """The octets of the first file."""
        return next(iter(self.files.values()))


@cache
def quirks(seed: str = "1") -> Mapping[str, Quirk]:
    """All of them by name, the same octets for the same seed."""
    found: dict[str, Quirk] = {}
    for make in (_encodings, _bodies, _identities, _times, _versions, _visibilities, _types, _exchanges, _pdfs):
        for quirk in make(seed):
            found[quirk.name] = quirk
    for name, (filename, data, code) in hostile().items():
        found[name] = Quirk(name=name, files={filename: data}, expected=code)
    return found


def paper(name: str, seed: str = "1", *, type_code: str = "11488-4") -> Paper:
    """A sound document to start from."""
    return Paper(
        type_code=type_code,
        patient=patient(f"{seed}/{name}"),
        writer=writer(seed),
        structure=structure(seed),
        at=datetime(2026, 3, 12, 11, 17, tzinfo=PARIS),
        seed=f"{seed}/{name}",
    )


def huge() -> bytes:
    """A well-formed document over the size limit, made on demand: 100 MB of blanks."""
    return b"<ClinicalDocument>" + b" " * (100 * 1024 * 1024) + b"</ClinicalDocument>"


def hostile() -> dict[str, tuple[str, bytes, str]]:
    """What is fed to harm, by name: file name, octets, code of the refusal."""
    sound = write(paper("hostile")).decode()
    head, body = sound.split("\n", 1)

    def with_doctype(declaration: str) -> bytes:
        return f"{head}\n{declaration}\n{body}".encode()

    lol = "".join(f'<!ENTITY l{n} "{"&l" + str(n - 1) + ";" if n else ""}{"lol" * 10}">' for n in range(10))
    deep = "<section>" * 300 + "</section>" * 300
    return {
        "entity bomb": ("bombe.xml", with_doctype(f"<!DOCTYPE ClinicalDocument [{lol}]>"), "XML_ENTITY"),
        "external entity": (
            "entite.xml",
            with_doctype('<!DOCTYPE ClinicalDocument [<!ENTITY x SYSTEM "file:///etc/hostname">]>'),
            "XML_ENTITY",
        ),
        "external DTD": (
            "dtd.xml",
            with_doctype('<!DOCTYPE ClinicalDocument SYSTEM "http://exemple.invalid/cda.dtd">'),
            "XML_DOCTYPE",
        ),
        "deep nesting": ("profond.xml", f"<ClinicalDocument>{deep}</ClinicalDocument>".encode(), "XML_TOO_DEEP"),
        "too many nodes": ("nombreux.xml", b"<a>" + b"<b/>" * 1_000_001 + b"</a>", "XML_TOO_MANY_NODES"),
        "not XML": ("texte.xml", b"<ClinicalDocument><title>sans fin", "NOT_XML"),
        "not anything": ("image.bin", b"\x00\x01\x02 rien de connu", "FORMAT_UNKNOWN"),
        "another XML": ("autre.xml", b"<?xml version='1.0'?><note>Bonjour</note>", "NOT_A_CLINICAL_DOCUMENT"),
        "empty file": ("vide.xml", b"", "EMPTY_FILE"),
        "zip bomb": ("bombe.zip", _zip({_MANIFEST: b"\x00" * (64 * 1024 * 1024)}), "ZIP_BOMB"),
        "path traversal": ("hors.zip", _zip({"../../etc/cron.d/x": b"x"}), "PATH_TRAVERSAL"),
        "path traversal by URI": ("uri.zip", _leading_out(), "PATH_TRAVERSAL"),
        "damaged zip": ("abime.zip", zipped(xdm_files([_enclosed("abime")]))[:-40], "ZIP_DAMAGED"),
        "zip without manifest": ("sans.zip", _zip({"README.TXT": b"rien"}), "XDM_MANIFEST_MISSING"),
        "PDF without metadata": ("seul.pdf", pdf(["Sans métadonnées"]), "PDF_METADATA_MISSING"),
    }


def _file(name: str, filename: str, data: bytes, expected: str = STORED, needs: str | None = None) -> Quirk:
    return Quirk(name=name, files={filename: data}, expected=expected, needs=needs)


def _encodings(seed: str) -> list[Quirk]:
    def octets(name: str, declaration: str | None = None) -> bytes:
        made = paper(name, seed)
        return write(made if declaration is None else replace(made, declaration=declaration))

    latin = '<?xml version="1.0" encoding="ISO-8859-1"?>\n'
    return [
        _file("utf-8-bom", "bom.xml", _MARK + octets("bom")),
        _file("no encoding declaration", "sans-encodage.xml", octets("sans", '<?xml version="1.0"?>\n')),
        _file("no declaration", "sans-declaration.xml", octets("nu", "")),
        _file("line ends CRLF", "crlf.xml", octets("crlf").replace(b"\n", b"\r\n")),
        _file("ISO-8859-1", "latin1.xml", octets("latin", latin).decode().encode("iso-8859-1", "xmlcharrefreplace")),
        _file(
            "UTF-16",
            "utf16.xml",
            octets("utf16", '<?xml version="1.0" encoding="UTF-16"?>\n').decode().encode("utf-16"),
        ),
    ]


def _bodies(seed: str) -> list[Quirk]:
    page = pdf(["Compte rendu d'examens biologiques", "Hémoglobine 12,1 g/dL"])
    level_one = replace(paper("niveau-1", seed, type_code="11502-2"), body=("application/pdf", page))
    plain = replace(paper("niveau-1-texte", seed), body=("text/plain", "Patient vu ce jour, état stable.".encode()))
    return [
        _file("auto-présentable", "auto.xml", stylesheet(paper("auto", seed))),
        _file("nonXMLBody application/pdf", "niveau1.xml", write(level_one)),
        _file("nonXMLBody text/plain", "niveau1-texte.xml", write(plain)),
        _file("base64 PDF part", "piece.xml", write(replace(paper("b64", seed), attachment=("application/pdf", page)))),
        _file("base64 PNG part", "image.xml", write(replace(paper("png", seed), attachment=("image/png", _PIXEL)))),
        _file(
            "CDA XSD invalid",
            "hors-schema.xml",
            write(paper("xsd", seed)).replace(b"<realmCode", b"<inconnu/><realmCode"),
        ),
    ]


def _identities(seed: str) -> list[Quirk]:
    def known_as(name: str, change: Callable[[Paper], tuple[Ins, ...]], expected: str = STORED) -> Quirk:
        made = paper(name, seed)
        who = replace(made.patient, identifiers=change(made))
        return _file(name, f"identite-{len(name)}-{name[:3]}.xml", write(replace(made, patient=who)), expected)

    def under(oid: str) -> Callable[[Paper], tuple[Ins, ...]]:
        return lambda made: (Ins(oid, made.patient.identifiers[0].value),)

    def altered(made: Paper) -> tuple[Ins, ...]:
        own = made.patient.identifiers[0]
        return (Ins(own.oid, own.value[:13] + f"{(int(own.value[13:]) % 97) + 1:02d}"),)

    corsican = ins_of("F", "19790328", "2A004", 12)
    return [
        known_as("INS-C only", lambda _: (Ins(INS_C, "0218805328320789819507"),), "IDENTITY_NOT_QUALIFIED"),
        known_as("no identifier", lambda _: (), "IDENTITY_NOT_QUALIFIED"),
        known_as(
            "local identifier only", lambda _: (Ins("1.2.3.4.567.8.9.10", "1234567890121"),), "IDENTITY_NOT_QUALIFIED"
        ),
        known_as(
            "INS-C beside the INS", lambda made: (Ins(INS_C, "1234567890112345678901"), *made.patient.identifiers)
        ),
        known_as("INS-NIR not 15 chars", lambda made: (Ins(NIR, made.patient.identifiers[0].number),)),
        known_as("invalid NIR key", altered),
        known_as("production INS OID", under(NIR)),
        known_as("NIA OID", under(NIA)),
        known_as("demo INS OID", under(NIR_DEMO)),
        known_as("Corsican matricule", lambda _: (corsican,)),
        known_as(
            "malformed matricule",
            lambda made: (Ins(made.patient.identifiers[0].oid, "NIR inconnu"),),
            "IDENTITY_NOT_QUALIFIED",
        ),
    ]


def _times(seed: str) -> list[Quirk]:
    def at(name: str, written: str) -> Quirk:
        return _file(
            name, f"date-{written[:8]}-{len(written)}.xml", write(replace(paper(name, seed), effective_time=written))
        )

    return [
        at("effectiveTime date only", "20170417"),
        at("effectiveTime month only", "201704"),
        at("effectiveTime to the minute", "202302091130+0100"),
        at("effectiveTime without offset", "20230209113000"),
        at("effectiveTime broken", "20230230T11h30"),
    ]


def _versions(seed: str) -> list[Quirk]:
    first = paper("v1", seed)
    first = replace(first, set_id=unique_id(f"{seed}/chaine"))
    second = replace(first, seed=f"{seed}/v2", version=2, replaces=Ins(unique_id(first.seed), ""))
    orphan = replace(paper("orphelin", seed), version=2, replaces=Ins("1.2.250.1.213.1.1.9", "INCONNU_1"))
    again = replace(paper("meme-id", seed), title="Autre contenu sous le même identifiant")
    extended = replace(paper("extension", seed), unique_id=Ins("1.2.250.1.213.1.1.9.77", f"A7102_{seed}"))
    return [
        _file("version 1", "v1.xml", write(first)),
        _file("relatedDocument RPLC", "v2.xml", write(second), REPLACED, needs="version 1"),
        _file("relatedDocument RPLC without its parent", "orphelin.xml", write(orphan), "PARENT_UNKNOWN"),
        _file("uniqueId", "id.xml", write(paper("meme-id", seed))),
        _file("same uniqueId, other octets", "id-autre.xml", write(again), "UNIQUE_ID_REUSED", needs="uniqueId"),
        _file("uniqueId with extension", "extension.xml", write(extended)),
        _file("no version", "sans-version.xml", write(replace(paper("sans-version", seed), version=None))),
    ]


def _visibilities(seed: str) -> list[Quirk]:
    def coded(code: str, expected: str = STORED) -> Quirk:
        made = replace(paper(f"conf-{code}", seed), confidentiality=code)
        return _file(f"confidentiality {code}", f"conf-{code.lower()}.xml", write(made), expected)

    return [
        coded("R"),
        coded("MASQUE_PS"),
        coded("INVISIBLE_PATIENT"),
        coded("INVISIBLE_REPRESENTANTS_LEGAUX"),
        coded("INVISIBLE_REP_LEGAUX"),
        coded("SECRET", "CONFIDENTIALITY_UNKNOWN"),
    ]


def _types(seed: str) -> list[Quirk]:
    outside = write(paper("hors-dmp", seed, type_code="56446-8"))
    unknown = write(paper("type-inconnu", seed)).replace(b'code="11488-4"', b'code="00000-0"')
    return [
        _file("type outside ASS_X16", "hors-dmp.xml", outside, "TYPE_NOT_IN_DMP"),
        _file("type outside JDV_J07", "type-inconnu.xml", unknown, "TYPE_UNKNOWN"),
    ]


def _enclosed(name: str, seed: str = "1", **declared: str | int) -> Enclosed:
    made = paper(name, seed, type_code="11502-2")
    data = write(made).replace(b"\n", b"\r\n")
    return replace(Enclosed(made, data), **declared)  # type: ignore[arg-type]


def _exchanges(seed: str) -> list[Quirk]:
    two = [_enclosed("xdm-a", seed), _enclosed("xdm-b", seed)]
    folder = {f"lot/{name}": data for name, data in sorted(xdm_files([_enclosed("xdm-f", seed)], seed="f").items())}
    changed = xdm_files([_enclosed("xdm-lf", seed)], seed="lf")
    changed[_DOCUMENT] = changed[_DOCUMENT].replace(b"\r\n", b"\n")
    wrong = zipped(xdm_files([_enclosed("xdm-w", seed, declared_hash="0" * 40)], seed="w"))
    lower = {name.lower(): data for name, data in xdm_files([_enclosed("xdm-c", seed)], seed="c").items()}
    size = zipped(xdm_files([_enclosed("xdm-s", seed, declared_size=7)], seed="s"))
    missing = xdm_files([_enclosed("xdm-m", seed)], seed="m")
    del missing[_DOCUMENT]
    other = replace(_enclosed("xdm-o", seed), paper=paper("quelqu'un d'autre", seed, type_code="11502-2"))
    return [
        _file("XDM zip", "lot.zip", zipped(xdm_files(two, seed=seed))),
        Quirk(name="XDM folder", files=folder, expected=STORED),
        _file("XDM names in lower case", "lot-min.zip", zipped(lower)),
        _file("XDM line ends changed", "lot-lf.zip", zipped(changed), "XDM_HASH_MISMATCH"),
        _file("XDM wrong hash", "lot-hash.zip", wrong, "XDM_HASH_MISMATCH"),
        _file("XDM wrong size", "lot-taille.zip", size, "XDM_SIZE_MISMATCH"),
        _file("XDM file missing", "lot-manquant.zip", zipped(missing), "XDM_FILE_MISSING"),
        _file("XDM of another patient", "lot-autre.zip", zipped(xdm_files([other], seed="o")), "XDM_DOCUMENT_DIFFERS"),
    ]


def _pdfs(seed: str) -> list[Quirk]:
    made = paper("pdf", seed)
    page = pdf(["Compte rendu de consultation", "État stable."])
    return [
        Quirk(name="PDF with metadata", files={"cr.pdf": page, "cr.pdf.json": sidecar_octets(made)}, expected=STORED),
        Quirk(
            name="PDF cut short",
            files={"coupe.pdf": page[:80], "coupe.pdf.json": sidecar_octets(paper("coupe", seed))},
            expected="PDF_UNREADABLE",
        ),
        Quirk(
            name="PDF with wrong metadata",
            files={"mal.pdf": page, "mal.pdf.json": b'{"title": "Sans identifiant"}'},
            expected="METADATA_INVALID",
        ),
    ]


def _leading_out() -> bytes:
    files = xdm_files([_enclosed("uri")])
    files[_MANIFEST] = files[_MANIFEST].replace(b"DOC00001.XML", b"../../../etc/passwd")
    return zipped(files)


def _zip(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED, 1)
    return packed.getvalue()
