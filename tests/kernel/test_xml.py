"""XML from strangers: what is refused, and that nothing else leaves the parser."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from passerelle.kernel import xml
from passerelle.kernel.errors import InvalidInput, LimitExceeded

DOCTYPES = {
    "internal entity": (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "XML_ENTITY"),
    "entity in an attribute": (b'<!DOCTYPE a [<!ENTITY x "y">]><a b="&x;"/>', "XML_ENTITY"),
    "parameter entity": (b'<!DOCTYPE a [<!ENTITY % x SYSTEM "http://exemple.invalid/x"> %x;]><a/>', "XML_ENTITY"),
    "external entity": (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "XML_ENTITY"),
    "external DTD": (b'<!DOCTYPE a SYSTEM "http://exemple.invalid/a.dtd"><a/>', "XML_DOCTYPE"),
    "public DTD": (b'<!DOCTYPE a PUBLIC "-//X" "http://exemple.invalid/a.dtd"><a/>', "XML_DOCTYPE"),
    "bare": (b"<!DOCTYPE a><a/>", "XML_DOCTYPE"),
    "unfinished": (b"<!DOCTYPE a [<!ELEMENT", "XML_DOCTYPE"),
}


@pytest.mark.parametrize(("data", "code"), DOCTYPES.values(), ids=DOCTYPES.keys())
def test_no_document_type_is_ever_read(data: bytes, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        xml.parse(data)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "EMPTY_FILE"),
        (b" \n ", "EMPTY_FILE"),
        (b"<a>", "NOT_XML"),
        (b"<a></b>", "NOT_XML"),
        (b"<x:a/>", "NOT_XML"),
        (b"\x00\x01", "NOT_XML"),
        (b"<a/>tail", "NOT_XML"),
        (b'<?xml version="1.0" encoding="inconnu"?><a/>', "NOT_XML"),
        (b'<?xml version="1.0" encoding="utf-7"?><a/>', "NOT_XML"),
        ("<a>é</a>".encode("latin-1"), "NOT_XML"),
        (b"<a>&inconnue;</a>", "NOT_XML"),
    ],
)
def test_what_is_not_xml(data: bytes, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        xml.parse(data)
    assert refused.value.code == code
    assert "{" not in refused.value.message


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"<a>" * (xml.MAX_DEPTH + 1) + b"</a>" * (xml.MAX_DEPTH + 1), "XML_TOO_DEEP"),
        (b"<a>" + b"<b/>" * xml.MAX_NODES + b"</a>", "XML_TOO_MANY_NODES"),
        (b"<a>" + b"<!---->" * xml.MAX_NODES + b"</a>", "XML_TOO_MANY_NODES"),
        (b"<a>" + b"<?b?>" * xml.MAX_NODES + b"</a>", "XML_TOO_MANY_NODES"),
    ],
    ids=["depth", "elements", "comments", "instructions"],
)
def test_limits(data: bytes, code: str) -> None:
    with pytest.raises(LimitExceeded) as refused:
        xml.parse(data)
    assert refused.value.code == code


def test_size_is_limited_before_anything_is_read() -> None:
    with pytest.raises(LimitExceeded) as refused:
        xml.parse(b"<a>beaucoup</a>", max_bytes=10)
    assert refused.value.code == "XML_TOO_LARGE"


@pytest.mark.parametrize(
    "data",
    [
        b"<a>\xc3\xa9</a>",
        b"\xef\xbb\xbf<a>\xc3\xa9</a>",
        '<?xml version="1.0" encoding="iso-8859-1"?><a>é</a>'.encode("iso-8859-1"),
        '<?xml version="1.0" encoding="windows-1252"?><a>é</a>'.encode("cp1252"),
        '<?xml version="1.0" encoding="utf-16"?><a>é</a>'.encode("utf-16"),
        "<a>é</a>".encode("utf-16"),
    ],
    ids=["utf-8", "mark", "iso-8859-1", "windows-1252", "utf-16", "utf-16 undeclared"],
)
def test_encodings(data: bytes) -> None:
    assert xml.parse(data).text == "é"


def test_a_text_over_ten_megabytes_is_read() -> None:
    assert len(xml.parse(b"<a>" + b"x" * 11_000_000 + b"</a>").text or "") == 11_000_000


def test_comments_and_instructions_are_left_out() -> None:
    root = xml.parse(b"<?style x?><a>un<!-- deux --> trois<?quatre?></a>")
    assert root.text == "un trois"
    assert len(root) == 0


pieces = st.sampled_from(
    [
        b"<a>",
        b"</a>",
        b"<a/>",
        b"<!DOCTYPE a [",
        b"<!ENTITY x 'y'>",
        b"]>",
        b"&x;",
        b"<![CDATA[",
        b"]]>",
        b"<!--",
        b"-->",
    ]
)


@given(st.one_of(st.binary(), st.lists(st.one_of(pieces, st.binary(max_size=4))).map(b"".join)))
def test_any_octets_give_a_tree_or_a_refusal(data: bytes) -> None:
    try:
        root = xml.parse(data)
    except InvalidInput:
        return
    assert isinstance(root, etree._Element)
    assert b"<!DOCTYPE" not in data or b"<![CDATA[" in data or b"<!--" in data or b"<?" in data
