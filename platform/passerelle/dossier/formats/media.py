"""The files that a CDA carries inside itself: images shown, every other kind named on a card."""

from __future__ import annotations

import base64
import binascii
from typing import Final, Literal

from lxml import etree

from passerelle.dossier.formats import markup
from passerelle.dossier.formats.hl7v3 import NAMESPACE, content, find
from passerelle.dossier.formats.markup import Html

MAX_IMAGE_BYTES: Final = 5 * 1024 * 1024
MAX_IMAGES_BYTES: Final = 25 * 1024 * 1024
MAX_TEXT: Final = 200_000

_WHERE_IT_IS: Final = (
    "Le texte de ce document est dans ce fichier, que cette page n’ouvre pas. Pour le lire, téléchargez le document "
    "d’origine (contentUrl) : le fichier y est contenu, encodé en base64."
)

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_JPEG: Final = b"\xff\xd8\xff"
_KINDS: Final = {
    "application/pdf": "document PDF",
    "image/jpeg": "image JPEG",
    "image/png": "image PNG",
    "image/tiff": "image TIFF",
    "text/plain": "texte",
    "text/rtf": "texte RTF",
    "application/rtf": "texte RTF",
    "text/xml": "fichier XML",
    "application/xml": "fichier XML",
    "application/dicom": "image DICOM",
}


class Media:
    """The media of one document by their ID. Images count against one limit for the whole page."""

    def __init__(self, document: etree._Element) -> None:
        self._unshown: dict[int, etree._Element] = {}
        self._by_id: dict[str, list[etree._Element]] = {}
        self._left = MAX_IMAGES_BYTES
        for media in document.iter(f"{{{NAMESPACE}}}observationMedia"):
            self._unshown[id(media)] = media
            for owner in (media, *media.iterancestors(f"{{{NAMESPACE}}}regionOfInterest")):
                name = owner.get("ID")
                if name:
                    self._by_id.setdefault(name, []).append(media)

    def shown(self, references: str | None, caption: Html) -> Html:
        """What a `renderMultiMedia` calls for; a card where nothing can be shown."""
        found = [media for name in (references or "").split() for media in self._by_id.get(name, ())]
        if not found:
            return _card("Pièce jointe absente du document", None)
        return markup.joined(self._one(media, caption) for media in found)

    def rest(self) -> Html:
        """The media that the narrative did not call for."""
        return markup.joined([self._one(media, markup.EMPTY) for media in list(self._unshown.values())])

    def _one(self, media: etree._Element, caption: Html) -> Html:
        self._unshown.pop(id(media), None)
        value = find(media, "value")
        if value is None:
            return _card("Pièce jointe vide", None)
        data = octets(value)
        media_type = (value.get("mediaType") or "").strip().lower()
        kind = _image_kind(data)
        if kind is not None and data is not None and len(data) <= min(MAX_IMAGE_BYTES, self._left):
            self._left -= len(data)
            picture = markup.image(kind, data, "Image jointe au document")
            return markup.element(
                "figure", markup.joined([picture, markup.element("figcaption", caption) if caption else markup.EMPTY])
            )
        return card_of(media_type, data)


def octets(value: etree._Element) -> bytes | None:
    """The octets of an encapsulated value (ED); None when it holds none or they cannot be decoded."""
    written = content(value) or ""
    if value.get("representation") != "B64":
        return written.encode()
    try:
        return base64.b64decode("".join(written.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def card_of(media_type: str, data: bytes | None) -> Html:
    """A card that names a file we carry and do not open: its kind and its size."""
    kind = _KINDS.get(media_type, "fichier")
    return _card(f"Fichier joint : {kind}", None if data is None else _size(len(data)))


def unstructured(body: etree._Element) -> Html:
    """The body of a document without sections: a card, and the words when they are plain text or how to get them."""
    value = find(body, "text")
    if value is None:
        return _card("Document sans contenu", None)
    if find(value, "reference") is not None and not (value.text or "").strip():
        return _card("Fichier désigné par une adresse extérieure, qui n’est pas ouverte", None)
    data = octets(value)
    media_type = (value.get("mediaType") or "text/plain").strip().lower()
    card = card_of(media_type, data)
    if media_type != "text/plain" or data is None:
        return markup.joined([card, markup.element("p", markup.text(_WHERE_IT_IS))])
    words = data.decode("utf-8", "replace")[:MAX_TEXT]
    return markup.joined([card, markup.element("pre", markup.text(words))])


def _image_kind(data: bytes | None) -> Literal["image/png", "image/jpeg"] | None:
    """By its first octets, whatever the document calls it."""
    if data is None:
        return None
    if data.startswith(_PNG):
        return "image/png"
    return "image/jpeg" if data.startswith(_JPEG) else None


def _card(words: str, size: str | None) -> Html:
    return markup.element("aside", markup.text(words if size is None else f"{words}, {size}"), "card")


def _size(octet_count: int) -> str:
    if octet_count < 1024:
        return f"{octet_count} octets"
    if octet_count < 1024 * 1024:
        return f"{round(octet_count / 1024)} Ko"
    return f"{octet_count / (1024 * 1024):.1f} Mo".replace(".", ",")
