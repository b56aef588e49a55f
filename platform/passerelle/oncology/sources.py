"""What a sheet takes from the documents that are attached to its case, so that nobody types again what is coded.

Only what the actor may read through the case is read, each reading journalled. The newest document that answers a field
answers it; an answer that a person wrote stays. Each answer names its document (`board_sheet.sources`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from passerelle.audit.transactions import Act
from passerelle.dossier import access as dossier_access
from passerelle.dossier import named
from passerelle.dossier.named import Named
from passerelle.kernel.clock import PARIS
from passerelle.kernel.errors import BrokenIntegrity, InvalidInput
from passerelle.oncology import access, attachments, sheet_fields
from passerelle.oncology.attachments import AttachmentNature
from passerelle.oncology.cases import Case
from passerelle.oncology.extraction import Taken, taken
from passerelle.oncology.formats import frcp
from passerelle.oncology.sheet import BoardSheet
from passerelle.oncology.sheet_table import table

_STRUCTURED: Final = "text/xml"
#: Those of which something is taken.
_READ: Final = frozenset({
    AttachmentNature.PATHOLOGY, AttachmentNature.GENETICS, AttachmentNature.OPERATION, AttachmentNature.LABORATORY,
    AttachmentNature.SUMMARY, AttachmentNature.BOARD_SHEET,
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefilled:
    """A sheet with what its sources say. `sources`: by field or list that a document answered, that document's id."""

    sheet: BoardSheet
    sources: Mapping[str, str]


async def prefilled(act: Act, case: Case, sheet: BoardSheet, sources: Mapping[str, str] | None = None) -> Prefilled:
    """The sheet of a case with what is attached to it, as already decided; `sources` are those it had before.

    Answered anew is what a document answered before, never what a person did. A document that cannot be read says
    nothing. Raises TryLater when a content is away.
    """
    known, answered_now = dict(sources or {}), set[str]()
    for document_id, answers in await _taken_from_all(act, case):
        for name, value in answers.items():
            is_a_persons = name not in known and _is_answered(sheet, name)
            if name in answered_now or is_a_persons:
                continue
            with suppress(InvalidInput):  # of another code list, or too long: a person writes it
                sheet = sheet_fields.put(sheet, **{name: value})
                known[name] = str(document_id)
                answered_now.add(name)
    return Prefilled(sheet=sheet, sources=known)


def _is_answered(sheet: BoardSheet, name: str) -> bool:
    if name in table().records:
        return bool(sheet_fields.items(sheet, name))
    return sheet_fields.answer(sheet, name) is not None


async def _taken_from_all(act: Act, case: Case) -> list[tuple[UUID, Taken]]:
    """What each document that the actor may read says, the newest first."""
    found = {key: each for key, each in (await attachments.readable(act, case)).items() if _says_something(each)}
    standing = await access.standing_on_case(act, case.patient_id, case.case_id)
    results_max = dossier_access.number(act.context, "oncology.results_max")
    newest = sorted(found.values(), key=lambda each: (each.row.act_at, each.row.document_id), reverse=True)
    said = []
    for each in newest:
        with suppress(BrokenIntegrity, InvalidInput):
            document_id = each.row.document_id
            ((_, octets),) = (await named.contents(act, case.patient_id, [document_id], standing)).values()
            day = f"{each.row.act_at.astimezone(PARIS):%Y%m%d}"
            nature = attachments.natures()[each.row.type_code]
            said.append((document_id, await asyncio.to_thread(taken, nature, octets, day, results_max=results_max)))
    return said


def _says_something(each: Named) -> bool:
    row = each.row
    is_read = attachments.natures().get(row.type_code) in _READ
    return is_read and row.mime_type == _STRUCTURED and row.size <= frcp.MAX_BYTES and bool(row.content_name)
