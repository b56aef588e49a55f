"""The sheet of a case as its board, and whoever asked for it, read it: one statement, decided and journalled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CTE, Integer, Select, Text, Uuid, and_, bindparam, cast, func, literal, select

from passerelle.dossier import judging, named, reach
from passerelle.dossier.judging import Judged
from passerelle.kernel.context import Context
from passerelle.kernel.database import Statement
from passerelle.kernel.errors import Conflict
from passerelle.oncology import access
from passerelle.oncology.attachments import is_attached
from passerelle.oncology.tables import board_sheet, case_attachment
from passerelle_policies.vocabulary import Action, Kind

#: Of one version; `readable` are the documents attached to its case that the reader may read, as JSON.
SHOWN: Final = (
    "case_id", "version", "state", "revision", "content", "missing", "sources", "correction_because", "written_by",
    "written_at", "approved_by", "approved_at", "document_id", "attached", "readable",
)  # fmt: skip
_CASE_ID = bindparam("oncology_case_id", type_=Uuid())
_VERSION = bindparam("sheet_version", type_=Integer())


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetRead:
    """One version of a sheet being read, as selectables: `sheet` has the columns of `SHOWN`, one row or none."""

    judged: Judged
    sheet: CTE


def sheet_read() -> SheetRead:
    """Bind values in `parameters`. Whoever is let in and has no row asked for a version that is not there."""
    patient_id = bindparam("access_patient_id", type_=Uuid())
    this = and_(
        board_sheet.c.patient_id == patient_id,
        board_sheet.c.case_id == _CASE_ID,
        board_sheet.c.version == func.coalesce(_VERSION, board_sheet.c.version),
    )
    judged = access.judged(Kind.BOARD_SHEET, provided=select(literal(1)).select_from(board_sheet).where(this).exists())
    entry: Any = named.entries("source_entry")
    held = (
        select(func.json_agg(cast(entry.c.document_id, Text())))
        .select_from(
            judged.facts.join(case_attachment, is_attached(case_attachment, patient_id, _CASE_ID)).join(
                entry,
                and_(
                    entry.c.patient_id == case_attachment.c.patient_id,
                    entry.c.document_id == case_attachment.c.document_id,
                ),
            )
        )
        .where(named.visible_to_each(entry, judged.facts, named.lines()))
        .scalar_subquery()
    )
    own = (board_sheet.c[name] for name in SHOWN if name != "readable")
    sheet = (
        select(*own, held.label("readable"))
        .where(this, judged.is_allowed())
        .order_by(board_sheet.c.version.desc())
        .limit(1)
        .cte("sheet_version")
    )
    return SheetRead(judged=judged, sheet=sheet)


def parameters(context: Context, patient_id: UUID, case_id: UUID, version: int | None = None) -> dict[str, Any]:
    """Every bind value of `sheet_read`."""
    return {
        **access.parameters(context, Kind.BOARD_SHEET, patient_id, case_id),
        **reach.reach_parameters(context, Kind.DOCUMENT, Action.READ),
        "sheet_version": version,
    }


def _read() -> Select[Any]:
    it = sheet_read()
    shown = (it.sheet.c[name].label(f"shown_{name}") for name in SHOWN)
    return (
        select(it.judged.verdict, *shown)
        .select_from(it.judged.verdict.outerjoin(it.sheet, it.judged.verdict.c.allowed))
        .add_cte(it.judged.journal_line)
    )


READ_SHEET = Statement(_read())


async def read(context: Context, patient_id: UUID, case_id: UUID, version: int | None = None) -> Mapping[str, Any]:
    """One version of a case's sheet, the newest unless one is named; a mapping with the names of `SHOWN`.

    Refused: ACCESS_REFUSED alike for a case that is not there and one that the actor may not know of; SHEET_NOT_BEGUN.
    """
    row = (await context.tenant.database.fetch(READ_SHEET, parameters(context, patient_id, case_id, version)))[0]
    said = dict(zip(READ_SHEET.columns, row, strict=True))
    if not said["allowed"]:
        raise judging.refusal(context, Kind.BOARD_SHEET, said)
    if said["shown_version"] is None:
        raise Conflict("SHEET_NOT_BEGUN")
    return {name: said[f"shown_{name}"] for name in SHOWN}
