"""Laboratory reports (CR-BIO) whose results are coded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from passerelle_ops.demo.corpus.write import Paper, write

_LOINC: Final = "2.16.840.1.113883.6.1"


def laboratory_report(paper: Paper, codes: Sequence[str], *, cancelled: Sequence[str] = ()) -> bytes:
    """A report with a result for each LOINC code, and some that were given up."""
    results = [_result(each, "completed") for each in codes] + [_result(each, "aborted") for each in cancelled]
    sections = (
        f'  <component><section><code code="18719-5" codeSystem="{_LOINC}"/><title>Biochimie</title>'
        "<text><paragraph>Résultats codés.</paragraph></text>"
        f"{''.join(results)}</section></component>\n"
    )
    return write(replace(paper, sections=sections))


def _result(code: str, status: str) -> str:
    return (
        '<entry><observation classCode="OBS" moodCode="EVN"><templateId root="1.3.6.1.4.1.19376.1.3.1.6"/>'
        f'<code code="{code}" codeSystem="{_LOINC}"/><statusCode code="{status}"/>'
        '<effectiveTime nullFlavor="UNK"/></observation></entry>'
    )
