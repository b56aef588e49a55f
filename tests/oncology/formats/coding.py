"""What a document holds in codes, to compare two of them: every element outside the narrative."""

from __future__ import annotations

from collections import Counter

from lxml import etree

_CDA = "{urn:hl7-org:v3}"

Coded = Counter[tuple[tuple[str, ...], tuple[tuple[str, str], ...], str]]


def coded(document: etree._Element, *, pointing: bool = True) -> Coded:
    """Every element but the narrative, with its place, its attributes and its words.

    Without `pointing`, where in the narrative a reference points is left out: that is the writer's own affair.
    """
    found: Coded = Counter()

    def gather(element: etree._Element, above: tuple[str, ...]) -> None:
        name = str(element.tag)
        if name == f"{_CDA}text" and above[-1:] == (f"{_CDA}section",):
            return
        kept = {
            str(key): str(value)
            for key, value in element.attrib.items()
            if not (str(key) == "mediaType" and name == f"{_CDA}text")  # how the words are written, not what they say
        }
        if not pointing and name == f"{_CDA}reference" and kept.get("value", "").startswith("#"):
            kept.pop("value")
        if not (name == f"{_CDA}title" and kept.get("nullFlavor")):
            found[((*above, name), tuple(sorted(kept.items())), " ".join((element.text or "").split()))] += 1
        for child in element:
            gather(child, (*above, name))

    for child in document:
        gather(child, ())
    return found
