"""A CDA shown: everything the author wrote is there, nothing in the page acts."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import get_args
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.dossier.formats import markup
from passerelle.dossier.formats.rendering import CONTENT_SECURITY_POLICY, render, time_words
from passerelle.kernel.errors import InvalidInput
from passerelle.kernel.hl7_time import Hl7Time
from passerelle.kernel.xml import MAX_DEPTH
from passerelle_ops.demo.corpus.exchange import pdf, stylesheet
from passerelle_ops.demo.corpus.kinds import KINDS
from passerelle_ops.demo.corpus.quirks import quirks
from passerelle_ops.demo.corpus.write import write
from tests.formats.samples import changed, sound

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAG7buVgAAAABJRU5ErkJggg==")
FRAME = {"html", "head", "meta", "title", "style", "body", "br", "img"}
ELEMENTS = FRAME | set(get_args(markup.Tag))
ATTRIBUTES = {
    "class": re.compile(r"[a-z ]+"),
    "colspan": re.compile(r"\d{1,4}"),
    "rowspan": re.compile(r"\d{1,4}"),
    "alt": re.compile("Image jointe au document"),
    "src": re.compile(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/]+=*"),
}


class Page(HTMLParser):
    """What a browser would find in a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment stands in the page")

    def handle_pi(self, data: str) -> None:
        raise AssertionError("an instruction stands in the page")

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def harmless(page: str) -> Page:
    """The page, once nothing in it is found to act or to come from elsewhere."""
    seen = Page(page)
    in_head = True
    for tag, attributes in seen.elements:
        in_head = in_head and tag != "body"
        assert tag in ELEMENTS, tag
        for name, value in attributes.items():
            if in_head:
                assert name in {"lang", "charset", "http-equiv", "content", "name"}
            else:
                assert name in ATTRIBUTES, name
                assert ATTRIBUTES[name].fullmatch(value or ""), value
    assert [tag for tag, _ in seen.elements].count("style") == 1
    assert page.count("<style>") == 1
    return seen


def narrative(inside: str, entries: str = "") -> bytes:
    """A document whose body is one section with this text."""
    written = write(sound()).decode()
    start, end = written.index("<structuredBody>"), written.index("</structuredBody>")
    section = f"<component><section><title>Section</title><text>{inside}</text>{entries}</section></component>"
    return (written[:start] + "<structuredBody>" + section + written[end:]).encode()


@pytest.mark.parametrize("type_code", KINDS)
def test_each_kind_of_document_shows_all_its_words(type_code: str) -> None:
    made = sound(type_code=type_code)
    data = write(made)
    page = harmless(render(data))
    for words in re.findall(r"<(?:title|paragraph|item|td|th)>([^<]+)</", data.decode()):
        assert " ".join(words.split()) in page.text.replace("&", "&amp;").replace("<", "&lt;")
    assert made.patient.family_name in page.text
    assert made.structure.name in page.text
    assert "12 mars 2026 à 11 h" in page.text


@pytest.mark.parametrize("name", [name for name, quirk in quirks().items() if quirk.expected == "stored"])
def test_each_quirk_that_is_stored_is_shown(name: str) -> None:
    quirk = quirks()[name]
    if quirk.filename.endswith(".xml"):
        harmless(render(quirk.data))


def test_names_stand_in_one_order_and_are_not_said_twice() -> None:
    made = sound()
    alone = replace(made, patient=replace(made.patient, used_name=None))
    page = harmless(render(write(alone)))
    assert "Nom utilisé" not in page.text
    assert f"{made.patient.family_name} {made.patient.given_names[0]}" in page.text
    assert f"{made.writer.family_name} {made.writer.given_name}" in page.text

    other = replace(made, patient=replace(made.patient, used_name="USUELLE"))
    page = harmless(render(write(other)))
    assert "Nom utilisé USUELLE" in page.text.replace("Nom utilisé", "Nom utilisé ")


def test_the_program_around_a_document_is_not_run() -> None:
    page = render(stylesheet(sound()))
    assert "exécuté" not in page
    assert page == render(write(sound()))


@pytest.mark.parametrize(
    ("inside", "shown"),
    [
        ('<content styleCode="Bold">fort</content>', '<span class="bold">fort</span>'),
        ('<content styleCode="BoldItalics">x</content>', '<span class="bold italic">x</span>'),
        ('<content revised="delete">x</content>', "<del>x</del>"),
        ("H<sub>2</sub>O x<sup>2</sup><br/>", "H<sub>2</sub>O x<sup>2</sup><br>"),
        ('<list listType="ordered"><item>un</item></list>', "<ol><li>un</li></ol>"),
        (
            "<list><caption>Liste</caption><item><caption>A</caption>b</item></list>",
            '<div class="bold">Liste</div><ul><li><span class="bold">A</span> b</li></ul>',
        ),
        (
            '<table border="1"><col/><caption>T</caption><tr><td colspan="2" align="right">1</td></tr></table>',
            '<div class="wide"><table><caption>T</caption><tr><td colspan="2" class="right">1</td></tr></table></div>',
        ),
        (
            'a<footnote ID="n">note</footnote> b<footnoteRef IDREF="n"/>',
            'a<sup>1</sup> b<sup>1</sup></div><ol class="note"><li>note</li></ol>',
        ),
        ('<linkHtml href="javascript:alert(1)">lien</linkHtml>', "<div>lien</div>"),
        ('<td rowspan="x" onclick="f()">2</td>', "<td>2</td>"),
        ("<paragraph><caption>Note</caption>texte</paragraph>", '<span class="bold">Note</span> texte'),
        ("<unknown>mots</unknown>", "<div>mots</div>"),
        ('<x:script xmlns:x="http://www.w3.org/1999/xhtml">alert(1)</x:script>', "<div>alert(1)</div>"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("<![CDATA[<img src=x onerror=alert(1)>]]>", "&lt;img src=x onerror=alert(1)&gt;"),
    ],
)
def test_the_narrative(inside: str, shown: str) -> None:
    page = render(narrative(inside))
    harmless(page)
    assert shown in page


def test_sections_within_sections_go_one_heading_down() -> None:
    inner = "<component><section><title>Dedans</title><text>x</text></section></component>"
    page = render(narrative("dehors", inner))
    assert "<h2>Section</h2>" in page
    assert "<h3>Dedans</h3>" in page


def _media(value: str, name: str = "m") -> str:
    return f'<entry><observationMedia classCode="OBS" moodCode="EVN" ID="{name}">{value}</observationMedia></entry>'


def _b64(data: bytes, media_type: str) -> str:
    return f'<value mediaType="{media_type}" representation="B64">{base64.b64encode(data).decode()}</value>'


def test_an_image_is_carried_in_the_page_and_told_by_its_octets() -> None:
    for media_type in ("image/png", "text/html"):
        page = render(narrative('<renderMultiMedia referencedObject="m"/>', _media(_b64(PNG, media_type))))
        harmless(page)
        assert f"data:image/png;base64,{base64.b64encode(PNG).decode()}" in page


@pytest.mark.parametrize(
    ("value", "card"),
    [
        (_b64(pdf(["x"]), "application/pdf"), "Fichier joint : document PDF, "),
        (_b64(b"<svg onload='alert(1)'/>", "image/svg+xml"), "Fichier joint : fichier, 24 octets"),
        (_b64(b"<script/>", "image/png"), "Fichier joint : image PNG, 9 octets"),
        ('<value mediaType="image/png" representation="B64">pas du base64 !</value>', "Fichier joint : image PNG"),
        (
            '<value mediaType="image/png"><reference value="http://exemple.invalid/x.png"/></value>',
            "image PNG, 0 octets",
        ),
        ("", "Pièce jointe vide"),
    ],
)
def test_every_other_file_is_named_and_not_opened(value: str, card: str) -> None:
    page = render(narrative('<renderMultiMedia referencedObject="m"/>', _media(value)))
    assert card in harmless(page).text
    assert "<img" not in page


def test_media_that_no_text_calls_for_are_listed_at_the_end_and_missing_ones_are_told() -> None:
    page = harmless(render(narrative('<renderMultiMedia referencedObject="absent"/>', _media(_b64(PNG, "image/png")))))
    assert "Pièce jointe absente du document" in page.text
    assert page.text.index("Pièces jointes") > page.text.index("Section")


def test_images_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("passerelle.dossier.formats.media.MAX_IMAGES_BYTES", len(PNG))
    two = _media(_b64(PNG, "image/png")) + _media(_b64(PNG, "image/png"), "n")
    page = render(narrative('<renderMultiMedia referencedObject="m n"/>', two))
    assert page.count("<img") == 1
    assert "Fichier joint : image PNG" in page


def test_a_body_without_sections_is_a_card_and_plain_text_is_shown() -> None:
    page = harmless(render(write(replace(sound(), body=("application/pdf", pdf(["x"]))))))
    assert "Fichier joint : document PDF" in page.text
    assert "téléchargez le document d’origine (contentUrl)" in page.text
    words = "État <stable> & bon"
    page = harmless(render(write(replace(sound(), body=("text/plain", words.encode())))))
    assert words in page.text
    assert "contentUrl" not in page.text
    outside = (
        '<nonXMLBody><text mediaType="application/pdf"><reference value="http://exemple.invalid"/></text></nonXMLBody>'
    )
    written = write(sound()).decode()
    start, end = written.index("<structuredBody>"), written.index("</structuredBody>") + len("</structuredBody>")
    page = harmless(render((written[:start] + outside + written[end:]).encode()))
    assert "exemple.invalid" not in page.text
    assert "adresse extérieure" in page.text
    page = harmless(render((written[:start] + written[end:]).encode()))
    assert "n’a pas de corps" in page.text


def test_a_hidden_document_warns_its_reader() -> None:
    page = harmless(render(write(replace(sound(), confidentiality="INVISIBLE_PATIENT"))))
    assert "Document non visible par le patient." in page.text


def test_the_deepest_narrative_that_is_read_is_shown() -> None:
    depth = MAX_DEPTH - 6
    page = render(narrative("<content>" * depth + "fond" + "</content>" * depth))
    assert "fond" in harmless(page).text
    section, end = "<component><section><title>t</title><text/>", "</section></component>"
    page = render(narrative("", section * 40 + end * 40))
    assert page.count("<h6>") == 37


def test_the_policy_of_the_page_lets_nothing_in() -> None:
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY
    assert CONTENT_SECURITY_POLICY in render(write(sound()))


def test_what_cannot_be_read_cannot_be_shown() -> None:
    with pytest.raises(InvalidInput, match="NOT_XML"):
        render(b"<a>")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2021", "2021"),
        ("202103", "mars 2021"),
        ("20210301", "1er mars 2021"),
        ("2021030109", "1er mars 2021 à 9 h"),
        ("20210702171000+0100", "2 juillet 2021 à 18 h 10"),
        ("2021-03-01", "2021-03-01"),
        ("", ""),
    ],
)
def test_times_in_french(text: str, words: str) -> None:
    assert time_words(Hl7Time.parse(text)) == words


names = st.sampled_from(
    ["content", "paragraph", "list", "item", "table", "tr", "td", "th", "caption", "linkHtml", "renderMultiMedia",
     "footnote", "footnoteRef", "script", "img", "iframe", "a", "style", "svg", "br", "sub", "text", "title"]
)  # fmt: skip
attributes = st.dictionaries(
    st.sampled_from(
        ["href", "src", "onclick", "onerror", "style", "styleCode", "class", "colspan", "rowspan", "align", "ID",
         "IDREF", "referencedObject", "listType", "revised"]
    ),
    st.one_of(
        st.sampled_from(["javascript:alert(1)", '"><script>alert(1)</script>', "m", "Bold", "2", "1e9", "ordered"]),
        st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"], exclude_characters="￾￿"), max_size=8),
    ),
    max_size=3,
)  # fmt: skip
words = st.one_of(
    st.sampled_from(
        ["</style><script>", "javascript:alert(1)", "<img src=x onerror=alert(1)>", "http://exemple.invalid"]
    ),
    st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"], exclude_characters="￾￿"), max_size=12),
)


@st.composite
def markups(draw: st.DrawFn, depth: int = 4) -> str:
    """Elements of CDA and of HTML in any order, with any attribute."""

    def pieces() -> Iterator[str]:
        for _ in range(draw(st.integers(0, 3))):
            if depth and draw(st.booleans()):
                name = draw(names)
                given = "".join(f" {key}={quoteattr(value)}" for key, value in draw(attributes).items())
                space = draw(st.sampled_from(["", ' xmlns="http://www.w3.org/1999/xhtml"']))
                yield f"<{name}{space}{given}>{draw(markups(depth - 1))}</{name}>"
            else:
                yield escape(draw(words))

    return "".join(pieces())


@given(markups(), words, st.binary(max_size=12), st.sampled_from(["image/png", "text/html", "application/pdf"]))
def test_whatever_the_document_holds_the_page_is_harmless(inside: str, title: str, data: bytes, kind: str) -> None:
    body = narrative(inside, _media(_b64(data, kind))).decode()
    body = body.replace("Compte rendu de consultation", escape(title), 1)
    harmless(render(body.encode()))


def test_a_header_is_text_too() -> None:
    hostile = '"><script>alert(1)</script>'
    made = sound()
    data = changed(made.writer.family_name, escape(hostile))
    assert hostile in harmless(render(data)).text
