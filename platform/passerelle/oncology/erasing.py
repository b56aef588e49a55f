"""What stays of the cases of a patient whose shared record was purged: that there were some, nothing of health.

Nobody may delete a row: what it said is blanked, as in `dossier.remains`. What stays is what a count is made of: the
session, the states and their instants. Sources: CSP R.1111-36; RGPD, art. 17.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import and_, case, func, literal, null, select, update

from passerelle.audit.transactions import Act, transaction
from passerelle.dossier.remains import ERASED
from passerelle.kernel.context import Context
from passerelle.oncology import cases
from passerelle.oncology.cases import CaseState
from passerelle.oncology.tables import (
    board_case,
    board_sheet,
    care_plan,
    care_plan_reminder,
    case_attachment,
    recourse_referral,
)

_NOTHING: Final[dict[str, object]] = {}


async def erase(context: Context, patient_id: UUID) -> None:
    """Blank what is kept of a purged record's patient; his cases that were not heard leave their session.

    Safe to repeat: what is blank stays so.
    """
    async with transaction(context) as act:
        waiting = and_(board_case.c.patient_id == patient_id, board_case.c.state == CaseState.REGISTERED.value)
        for row in [*await act.connection.execute(select(board_case).where(waiting).with_for_update())]:
            await cases.ended(act, cases.case_of(row), CaseState.WITHDRAWN)
        await _blank(act, patient_id)


async def _blank(act: Act, patient_id: UUID) -> None:
    for table, said in (
        (
            board_case,
            {
                "question": "",
                "informed_how": "",
                "requester": ERASED,
                "presenter": ERASED,
                "off_standard_because": None,
            },
        ),
        (
            case_attachment,
            {
                "attached_by": ERASED,
                "detached_at": func.coalesce(case_attachment.c.detached_at, literal(act.now)),
            },
        ),
        (
            board_sheet,
            {
                "content": _NOTHING,
                "missing": None,
                "sources": null(),
                "attached": None,
                "correction_because": None,
                "written_by": ERASED,
                "approved_by": case((board_sheet.c.approved_by.is_not(None), ERASED)),
                "fingerprint": case((board_sheet.c.fingerprint.is_not(None), "")),
            },
        ),
        (
            care_plan,
            {
                "content": _NOTHING,
                "written_by": ERASED,
                "issued_by": case((care_plan.c.issued_by.is_not(None), ERASED)),
            },
        ),
        (
            care_plan_reminder,
            {"ended_at": func.coalesce(care_plan_reminder.c.ended_at, literal(act.now))},
        ),
        (recourse_referral, {"sent_by": ERASED, "declined_because": None}),
    ):
        await act.connection.execute(update(table).where(table.c.patient_id == patient_id).values(said))
