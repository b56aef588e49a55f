"""A CDA shown: one page of our own HTML, with the header in French words and the narrative as the author wrote it.

Nothing in the page acts or comes from elsewhere: no script, no link, no form, our own style, images as data. The
style sheet inside an "auto-présentable" file is a program and is never run. The page also carries a content
security policy that would hold a browser to this.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from lxml import etree

from passerelle.dossier.formats import cda, markup
from passerelle.dossier.formats.hl7v3 import find
from passerelle.dossier.formats.markup import Html
from passerelle.dossier.formats.media import Media, unstructured
from passerelle.dossier.formats.narrative import Narrative
from passerelle.dossier.formats.submission import Author, DocumentMetadata, PatientIdentity
from passerelle.kernel.clock import PARIS
from passerelle.kernel.hl7_time import Hl7Time

_STYLE: Final = """
:root { color-scheme: light; }
body { font: 1rem/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff; margin: 0 auto; max-width: 60rem;
  padding: 1.5rem; overflow-wrap: break-word; }
header { border-bottom: 2px solid #2b4c7e; margin-bottom: 1.5rem; }
h1 { font-size: 1.5rem; color: #2b4c7e; margin: 0 0 .75rem; }
h2, h3, h4, h5, h6 { color: #2b4c7e; margin: 1.25rem 0 .5rem; }
h2 { font-size: 1.2rem; } h3 { font-size: 1.08rem; } h4, h5, h6 { font-size: 1rem; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .2rem 1rem; margin: 0 0 1rem; }
dt { color: #555; } dd { margin: 0; }
.wide { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; }
th, td { border: 1px solid #bbb; padding: .25rem .5rem; text-align: left; vertical-align: top; }
th { background: #eef2f8; } caption { text-align: left; font-weight: 600; padding: .25rem 0; }
figure { margin: 1rem 0; } img { max-width: 100%; height: auto; }
pre { white-space: pre-wrap; font: inherit; }
.bold { font-weight: 600; } .italic { font-style: italic; } .underline { text-decoration: underline; }
.centre { text-align: center; } .right { text-align: right; } .paragraph { margin: .5rem 0; }
.note { font-size: .9rem; color: #444; border-top: 1px solid #ccc; }
.card { border: 1px solid #2b4c7e; border-radius: .3rem; padding: .6rem .9rem; margin: .75rem 0; background: #f4f7fb; }
.warning { border-left: 4px solid #b34000; padding-left: .75rem; }
footer { margin-top: 2rem; border-top: 1px solid #ccc; color: #555; font-size: .85rem; }
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")

CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; img-src data:; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"
)
"""What the page needs of a browser; the face sends it as a header too."""

_MONTHS: Final = (
    "janvier", "février", "mars", "avril", "mai", "juin",
    "juillet", "août", "septembre", "octobre", "novembre", "décembre",
)  # fmt: skip
_SEXES: Final = {"M": "masculin", "F": "féminin", "U": "indéterminé", "UN": "indéterminé"}


def render(data: bytes) -> str:
    """The page of one CDA document. Refused: what `cda.read_cda` refuses."""
    document = cda.clinical_document(data)
    metadata = cda.metadata(document)
    media = Media(document)
    parts = [_header(metadata), markup.element("main", _body(document, media)), _attachments(media), _footer()]
    return _page(metadata.title, markup.joined(parts))


def _page(title: str, inside: Html) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="fr">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{CONTENT_SECURITY_POLICY}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{markup.text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{inside}\n</body>\n</html>\n"
    )


def _header(metadata: DocumentMetadata) -> Html:
    rows = [
        *_patient_rows(metadata.patient),
        *[(_author_term(author), author_words(author)) for author in metadata.authors],
        ("Signataire", author_words(metadata.legal_authenticator) if metadata.legal_authenticator else ""),
        ("Établi le", time_words(metadata.creation_time)),
        ("Acte du", _period(metadata.service_start, metadata.service_stop)),
        ("Type", metadata.type_label or metadata.type_code),
        ("Version", "" if metadata.version_number is None else str(metadata.version_number)),
        ("Conservé par", metadata.custodian_name or metadata.custodian_id or ""),
    ]
    terms = markup.joined(
        markup.joined([markup.element("dt", markup.text(term)), markup.element("dd", markup.text(words))])
        for term, words in rows
        if words
    )
    return markup.element(
        "header",
        markup.joined(
            [markup.element("h1", markup.text(metadata.title)), markup.element("dl", terms), _notice(metadata)]
        ),
    )


def _notice(metadata: DocumentMetadata) -> Html:
    """What the document's own confidentiality codes say to its reader (EX_3.2-1025)."""
    said = [
        sentence
        for is_so, sentence in (
            (metadata.masked, "Document masqué aux professionnels de santé."),
            (metadata.hidden_from_patient, "Document non visible par le patient."),
            (metadata.hidden_from_representatives, "Document non visible par les représentants légaux du patient."),
            (metadata.confidentiality in {"R", "V"}, "Document d’accès restreint."),
        )
        if is_so
    ]
    return markup.joined(markup.element("p", markup.text(sentence), "warning") for sentence in said)


def _patient_rows(patient: PatientIdentity) -> list[tuple[str, str]]:
    birth_name = " ".join(filter(None, [patient.family_name, *patient.given_names]))
    used_name = " ".join(filter(None, [patient.used_name, patient.used_given_name]))
    given = patient.given_names
    said = {" ".join(filter(None, [patient.family_name, *given[:count]])).casefold() for count in (0, 1, len(given))}
    return [
        ("Patient", birth_name or used_name),
        ("Nom utilisé", used_name if birth_name and used_name.casefold() not in said else ""),
        ("Né(e) le", time_words(Hl7Time.parse(patient.birth_date)) if patient.birth_date else ""),
        ("Sexe", _SEXES.get(patient.sex or "", "")),
        ("Matricule INS", "" if patient.ins is None else patient.ins.value),
    ]


def _author_term(author: Author) -> str:
    return {"professional": "Auteur", "patient": "Rédigé par le patient", "device": "Produit par"}[author.kind]


def author_words(author: Author) -> str:
    """An author in one line: name in the order of the patient's, profession, structure."""
    name = " ".join(filter(None, [author.family_name, author.given_name]))
    return ", ".join(filter(None, [name, author.profession_label, author.structure_name]))


def _period(start: Hl7Time | None, stop: Hl7Time | None) -> str:
    first, last = (time_words(each) if each is not None else "" for each in (start, stop))
    return f"{first}, jusqu’au {last}" if first and last and first != last else first or last


def time_words(time: Hl7Time) -> str:
    """A time in French, as precise as it was given; the text as given when it is broken."""
    if time.earliest is None or time.is_broken:
        return time.given.strip()
    local = time.earliest.astimezone(PARIS)
    if time.precision == "year":
        return str(local.year)
    month = f"{_MONTHS[local.month - 1]} {local.year}"
    if time.precision == "month":
        return month
    day = f"{'1er' if local.day == 1 else local.day} {month}"
    if time.precision == "day":
        return day
    return f"{day} à {local.hour} h" + ("" if time.precision == "hour" else f" {local.minute:02}")


def _body(document: etree._Element, media: Media) -> Html:
    structured = find(document, "component/structuredBody")
    if structured is not None:
        return Narrative(media).sections(structured)
    unstructured_body = find(document, "component/nonXMLBody")
    if unstructured_body is not None:
        return unstructured(unstructured_body)
    return markup.element("p", markup.text("Ce document n’a pas de corps."))


def _attachments(media: Media) -> Html:
    rest = media.rest()
    if not rest:
        return markup.EMPTY
    return markup.element("section", markup.joined([markup.element("h2", markup.text("Pièces jointes")), rest]))


def _footer() -> Html:
    words = "Affichage établi par Passerelle d’après l’en-tête et le texte du document ; seul le document fait foi."
    return markup.element("footer", markup.element("p", markup.text(words)))
