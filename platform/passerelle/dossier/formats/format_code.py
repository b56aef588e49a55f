"""The XDS formatCode of a CDA: by its template (ASS_A11), or by what an unstructured body carries (XDS-SD)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from passerelle_policies import nomenclatures

_UNSTRUCTURED: Final = {
    "application/pdf": "urn:ihe:iti:xds-sd:pdf:2008",
    "text/plain": "urn:ihe:iti:xds-sd:text:2008",
    "image/jpeg": "urn:ihe:iti-fr:xds-sd:jpeg:2010",
    "text/rtf": "urn:ihe:iti-fr:xds-sd:rtf:2010",
    "application/rtf": "urn:ihe:iti-fr:xds-sd:rtf:2010",
    "image/tiff": "urn:ihe:iti-fr:xds-sd:tiff:2010",
}


def format_code(templates: Sequence[str], media_type: str | None) -> str | None:
    """The format of a document that declares `templates`, the most particular last; `media_type` is that of
    its unstructured body, if it has one. None when no list knows it.
    """
    if media_type is not None:
        return _UNSTRUCTURED.get(media_type.strip().lower())
    for template in reversed(templates):
        code = nomenclatures.format_code_of(template)
        if code is not None:
            return code
    return None
