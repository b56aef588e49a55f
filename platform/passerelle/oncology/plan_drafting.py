"""The draft of a care plan that an approved sheet gives, to be completed with the patient (`plan_derivation`)."""

from __future__ import annotations

from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import insert, select, update

from passerelle.audit.transactions import Act
from passerelle.oncology.cases import Case
from passerelle.oncology.coded import Id
from passerelle.oncology.plan_derivation import derived_from
from passerelle.oncology.sheet import BoardSheet
from passerelle.oncology.sheet_header import named
from passerelle.oncology.tables import care_plan

_KIND: Final = "care_plan"
_UNTOUCHED: Final = 1


async def draft_plan(act: Act, case: Case, sheet: BoardSheet) -> UUID:
    """Draft the care plan of a case from its approved sheet, as already decided; its id.

    A correction drafts it anew as long as nobody wrote in the draft; what somebody wrote or handed out stays.
    """
    held = (
        await act.connection.execute(
            select(care_plan)
            .where(
                care_plan.c.patient_id == case.patient_id,
                care_plan.c.case_id == case.case_id,
                care_plan.c.kind == _KIND,
            )
            .order_by(care_plan.c.version.desc())
            .limit(1)
        )
    ).first()
    plan_id: UUID = held.plan_id if held else uuid4()
    if held is not None and (held.state != "draft" or held.revision != _UNTOUCHED or held.version != 1):
        return plan_id
    plan = derived_from(
        sheet,
        id=Id(root=named(plan_id, "version/1")),
        set_id=Id(root=named(plan_id, "set")),
        author=sheet.header.authors[0],
        created=(sheet.header.created.value if sheet.header.created else None) or "",
    )
    said = {"content": plan.to_json(), "written_by": act.context.actor.subject, "written_at": act.now}
    if held is None:
        new = insert(care_plan).values(
            patient_id=case.patient_id,
            plan_id=plan_id,
            version=1,
            kind=_KIND,
            case_id=case.case_id,
            state="draft",
            **said,
        )
        await act.connection.execute(new)
    else:
        this = (care_plan.c.patient_id == case.patient_id, care_plan.c.plan_id == plan_id, care_plan.c.version == 1)
        await act.connection.execute(update(care_plan).where(*this).values(**said))
    return plan_id
