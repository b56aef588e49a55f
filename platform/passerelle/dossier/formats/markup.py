"""HTML written from a closed list: text is always escaped, attributes are only ours.

No function here takes an address, a style or a handler, so that nothing active can be written by mistake.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable
from typing import Final, Literal, NewType

Html = NewType("Html", str)
"""Markup that this module wrote."""

Tag = Literal[
    "article", "aside", "caption", "dd", "del", "div", "dl", "dt", "figure", "figcaption", "footer", "h1", "h2", "h3",
    "h4", "h5", "h6", "header", "ins", "li", "main", "ol", "p", "pre", "section", "span", "strong", "sub", "sup",
    "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
]  # fmt: skip
"""Every element that a page may hold besides images, line breaks and the frame of the page."""

Class = Literal["bold", "card", "centre", "italic", "note", "paragraph", "right", "underline", "warning", "wide"]
"""Every class of our style sheet that markup may name."""

EMPTY: Final = Html("")
LINE_BREAK: Final = Html("<br>")
_MAX_SPAN: Final = 1000


def text(words: str) -> Html:
    """Words, escaped."""
    return Html(html.escape(words))


def joined(parts: Iterable[Html]) -> Html:
    """Markup one after the other."""
    return Html("".join(parts))


def element(tag: Tag, inside: Html, *classes: Class) -> Html:
    """One element with classes of ours."""
    named = f' class="{" ".join(sorted(set(classes)))}"' if classes else ""
    return Html(f"<{tag}{named}>{inside}</{tag}>")


def cell(tag: Literal["td", "th"], inside: Html, *classes: Class, columns: str | None, rows: str | None) -> Html:
    """A table cell; `columns` and `rows` are kept when they are small whole numbers."""
    spans = _span("colspan", columns) + _span("rowspan", rows)
    opened = element(tag, inside, *classes)
    return Html(f"<{tag}{spans}{opened.removeprefix(f'<{tag}')}")


def image(media_type: Literal["image/png", "image/jpeg"], data: bytes, description: str) -> Html:
    """An image carried in the page itself."""
    encoded = base64.b64encode(data).decode("ascii")
    return Html(f'<img src="data:{media_type};base64,{encoded}" alt="{html.escape(description)}">')


def _span(name: str, given: str | None) -> str:
    if given is None or not (given.isascii() and given.isdigit()) or len(given) > len(str(_MAX_SPAN)):
        return ""
    number = int(given)
    return f' {name}="{number}"' if 1 < number <= _MAX_SPAN else ""
