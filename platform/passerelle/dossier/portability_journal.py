"""The journal that goes out with an export: the lines its reader may see, with the proofs that they are sealed.

The lines about a document that waits for its announcement, or that is hidden from this reader, wait with it. So do
the export's own: nothing can prove them before they are committed and sealed, and the next export gives them.
Source: CSP L.1111-19.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final
from uuid import UUID

from passerelle.audit import export, journal, verifier
from passerelle.audit.transactions import Act
from passerelle.dossier import access, reading, traces, visits

_FOLDER: Final = "journal"
_BATCH: Final = 1_000
SHOWN_AT_MOST: Final = 1_000
"""How many lines the index shows; all of them are in the export."""


@dataclass(frozen=True, slots=True)
class Lines:
    """`files` by their paths: the lines, and what verifies them. `shown` are the newest, `count` all there are.

    `unsealed` are the ids of those too young to be proven.
    """

    files: Mapping[str, bytes]
    shown: list[journal.JournalLine]
    count: int
    unsealed: tuple[int, ...]


async def lines_for(act: Act, patient_id: UUID) -> Lines:
    """Every line of the patient's journal that this reader may see, for a use case that has decided.

    To be called before it journals itself, so that its own lines are left out.
    """
    standing = await access.standing_of(act.context, act.connection, patient_id)
    out_of_sight = reading.out_of_sight(act, patient_id, standing)
    kept, kinds = visits.for_reader(standing, patient_id), traces.kinds_kept_from(standing)
    shown: list[journal.JournalLine] = []
    chosen: list[export.LineKey] = []
    before: int | None = None
    while True:
        page = await journal.page(
            act.connection,
            patient_id,
            first=_BATCH,
            before_line=before,
            but_about=out_of_sight,
            but_visits=kept,
            but_kinds=kinds,
            even_emergencies=True,  # a sealed line is whole: it says the reason
        )
        chosen += [(patient_id, line.line_id) for line in page]
        shown += page[: SHOWN_AT_MOST - len(shown)]
        if len(page) < _BATCH:
            break
        before = page[-1].line_id
    sealed = await export.export_lines(act.connection, act.context.tenant, chosen)
    package = files(export.__package__)
    return Lines(
        {
            f"{_FOLDER}/{verifier.EXPORT_NAME}": export.written(sealed),
            f"{_FOLDER}/verifier.py": package.joinpath("verifier.py").read_bytes(),
            f"{_FOLDER}/LISEZMOI.txt": package.joinpath("export.txt").read_bytes(),
        },
        shown,
        len(chosen),
        tuple(line["line_id"] for line in sealed["unsealed"]),
    )
