"""The examinations whose results a laboratory report holds, by their codes.

Source: CI-SIS CR-BIO, FR-Resultat-examens-de-biologie-element-clinique-pertinent (1.2.250.1.213.1.1.3.80; IHE
Laboratory Observation). The header names only the chapter (biochemistry, haematology): these go into the index beside
it, so that a result is found again by what was looked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from lxml import etree

from passerelle.dossier.formats import values
from passerelle.dossier.formats.hl7v3 import NAMESPACE, find, find_all
from passerelle.dossier.formats.submission import EventCode

_MOST: Final = 200
"""Results whose codes are kept for one report; the longest published has 58."""
_RESULT: Final = "1.3.6.1.4.1.19376.1.3.1.6"


def examinations(document: etree._Element) -> Iterator[EventCode]:
    """The code of each result, in the order of the document; those that are cancelled are none."""
    return islice(_coded_results(document), _MOST)


def _coded_results(document: etree._Element) -> Iterator[EventCode]:
    for observation in document.iter(f"{{{NAMESPACE}}}observation"):
        if not any(each.get("root") == _RESULT for each in find_all(observation, "templateId")):
            continue
        status, coded = find(observation, "statusCode"), find(observation, "code")
        if coded is None or (status is not None and status.get("code") == "aborted"):
            continue
        code, system = values.key(coded.get("code"), "examination"), values.key(coded.get("codeSystem"), "examination")
        if code is not None and system is not None:
            label = values.text(coded.get("displayName"), "examination")
            yield EventCode(code=code, system=system, label=label)
