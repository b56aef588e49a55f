"""The narrative of a CDA (sections and their text blocks) as HTML of ours.

Source: HL7 CDA R2 §4.3.5 (Section.text): paragraphs, lists, tables, contents, notes, renderMultiMedia. What
is not in that list contributes its words only; links keep their words and lose their address.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from lxml import etree

from passerelle.dossier.formats import markup
from passerelle.dossier.formats.hl7v3 import NAMESPACE, content, find, find_all
from passerelle.dossier.formats.markup import Class, Html, Tag
from passerelle.dossier.formats.media import Media

_HEADINGS: Final[tuple[Tag, ...]] = ("h2", "h3", "h4", "h5", "h6")
_STYLES: Final[dict[str, Class]] = {
    "bold": "bold",
    "emphasis": "bold",
    "italics": "italic",
    "underline": "underline",
}
_ALIGNMENTS: Final[dict[str, Class]] = {"center": "centre", "right": "right"}
_PLAIN: Final[dict[str, Tag]] = {
    "sub": "sub",
    "sup": "sup",
    "thead": "thead",
    "tbody": "tbody",
    "tfoot": "tfoot",
    "tr": "tr",
    "caption": "caption",
    "item": "li",
}
_LEFT_OUT: Final = frozenset({"col", "colgroup"})


class Narrative:
    """Renders the body of one document."""

    def __init__(self, media: Media) -> None:
        self._media = media
        self._notes: list[Html] = []
        self._note_numbers: dict[str, int] = {}
        self._renderers: dict[str, Callable[[etree._Element], Html]] = {
            "br": lambda _element: markup.LINE_BREAK,
            "content": self._content,
            "paragraph": self._paragraph,
            "list": self._list,
            "table": self._table,
            "td": lambda element: self._cell("td", element),
            "th": lambda element: self._cell("th", element),
            "renderMultiMedia": self._multimedia,
            "footnote": self._note,
            "footnoteRef": self._note_reference,
        }

    def sections(self, parent: etree._Element, level: int = 0) -> Html:
        """The sections below a `structuredBody` or a `section`, each with its title, text and sub-sections."""
        return markup.joined(self._section(each, level) for each in find_all(parent, "component/section"))

    def _section(self, section: etree._Element, level: int) -> Html:
        title = (content(find(section, "title")) or "").strip()
        parts = [markup.element(_HEADINGS[min(level, 4)], markup.text(title))] if title else []
        block = find(section, "text")
        if block is not None:
            parts.append(markup.element("div", self._inside(block)))
            parts.append(self._taken_notes())
        parts.append(self.sections(section, level + 1))
        return markup.element("section", markup.joined(parts))

    def _inside(self, element: etree._Element) -> Html:
        """The words and elements inside `element`. Recursive: `kernel.xml` has limited the depth."""
        pieces = [markup.text(element.text or "")]
        for child in element:
            name = _local_name(child)
            if name is not None and name not in _LEFT_OUT:
                render = self._renderers.get(name)
                plain = _PLAIN.get(name)
                if render is not None:
                    pieces.append(render(child))
                else:
                    inside = self._inside(child)
                    pieces.append(inside if plain is None else markup.element(plain, inside))
            pieces.append(markup.text(child.tail or ""))
        return markup.joined(pieces)

    def _content(self, element: etree._Element) -> Html:
        revised = element.get("revised")
        tag: Tag = "del" if revised == "delete" else "ins" if revised == "insert" else "span"
        return markup.element(tag, self._inside(element), *_styles(element))

    def _paragraph(self, element: etree._Element) -> Html:
        # A `p` would be closed by the browser at a list inside it; CDA allows none, documents hold some.
        return markup.element("div", self._inside_with_caption(element), "paragraph", *_styles(element))

    def _list(self, element: etree._Element) -> Html:
        tag: Tag = "ol" if element.get("listType") == "ordered" else "ul"
        caption = find(element, "caption")
        head = markup.EMPTY if caption is None else markup.element("div", self._inside(caption), "bold")
        items = (markup.element("li", self._inside_with_caption(item)) for item in find_all(element, "item"))
        return markup.joined([head, markup.element(tag, markup.joined(items))])

    def _table(self, element: etree._Element) -> Html:
        return markup.element("div", markup.element("table", self._inside(element)), "wide")

    def _cell(self, tag: Literal["td", "th"], element: etree._Element) -> Html:
        classes = [*_styles(element)]
        alignment = _ALIGNMENTS.get((element.get("align") or "").lower())
        if alignment is not None:
            classes.append(alignment)
        return markup.cell(
            tag, self._inside(element), *classes, columns=element.get("colspan"), rows=element.get("rowspan")
        )

    def _multimedia(self, element: etree._Element) -> Html:
        caption = find(element, "caption")
        words = markup.EMPTY if caption is None else self._inside(caption)
        return self._media.shown(element.get("referencedObject"), words)

    def _note(self, element: etree._Element) -> Html:
        self._notes.append(markup.EMPTY)  # its number, before the notes inside it take theirs
        number = len(self._notes)
        self._notes[number - 1] = self._inside(element)
        name = element.get("ID")
        if name:
            self._note_numbers[name] = number
        return _mark(number)

    def _note_reference(self, element: etree._Element) -> Html:
        number = self._note_numbers.get(element.get("IDREF") or "")
        return markup.EMPTY if number is None else _mark(number)

    def _taken_notes(self) -> Html:
        """The notes of the section that ends here."""
        notes, self._notes, self._note_numbers = self._notes, [], {}
        if not notes:
            return markup.EMPTY
        return markup.element("ol", markup.joined(markup.element("li", each) for each in notes), "note")

    def _inside_with_caption(self, element: etree._Element) -> Html:
        """Like `_inside`, with a caption as bold words: outside a table `caption` means nothing to a browser."""
        caption = find(element, "caption")
        if caption is None:
            return self._inside(element)
        head = markup.element("span", self._inside(caption), "bold")
        tail = caption.tail
        element.remove(caption)
        return markup.joined([head, markup.text(f" {tail or ''}"), self._inside(element)])


def _local_name(element: etree._Element) -> str | None:
    """The name of an element of CDA; None for an entity or what else is no element."""
    if not isinstance(element.tag, str):
        return None
    name = etree.QName(element.tag)
    return name.localname if name.namespace == NAMESPACE else ""


def _styles(element: etree._Element) -> tuple[Class, ...]:
    words = (element.get("styleCode") or "").lower().replace("bolditalics", "bold italics").split()
    return tuple(_STYLES[word] for word in words if word in _STYLES)


def _mark(number: int) -> Html:
    return markup.element("sup", markup.text(str(number)))
