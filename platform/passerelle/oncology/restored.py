"""Cases that were withdrawn from a session, and documents taken away from one, after a backup was made: so again.

As `dossier.restored`: a board reads no more than before the loss. Source: CSP L.1110-4.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import select, text, tuple_

from passerelle.audit import journal
from passerelle.audit.transactions import Act
from passerelle.dossier import house_rules
from passerelle.dossier.restored import RULE
from passerelle.oncology import cases
from passerelle.oncology.cases import CaseState
from passerelle.oncology.tables import board_case, case_attachment
from passerelle_policies.vocabulary import Action, Kind

TABLES: Final = (case_attachment.name, board_case.name)
_DETACHED: Final = text(
    "update case_attachment a set detached_at = s.detached_at"
    " from jsonb_populate_recordset(null::case_attachment, cast(:said as jsonb)) s"
    " where (a.patient_id, a.case_id, a.document_id) = (s.patient_id, s.case_id, s.document_id)"
    " and s.detached_at < coalesce(a.detached_at, 'infinity') returning a.patient_id"
)


async def put_back(act: Act, what: str, said: Sequence[Mapping[str, Any]]) -> int:
    """Put back what the ledger says of cases or of what is attached to them; says how much changed by it."""
    if what == case_attachment.name:
        whose = (await act.connection.execute(_DETACHED, {"said": json.dumps([*said])})).scalars().all()
        action = Action.ATTACH
    else:
        withdrawn = [(each["patient_id"], each["case_id"]) for each in said if each["state"] == CaseState.WITHDRAWN]
        registered = select(board_case).where(
            board_case.c.state == CaseState.REGISTERED.value,
            tuple_(board_case.c.patient_id, board_case.c.case_id).in_(withdrawn),
        )
        rows = (await act.connection.execute(registered.with_for_update())).all()
        for row in rows:
            await cases.ended(act, cases.case_of(row), CaseState.WITHDRAWN)
        whose, action = [row.patient_id for row in rows], Action.CANCEL
    lines = [house_rules.line(act, Kind.BOARD_CASE, action, RULE, patient_id=each) for each in whose]
    if lines:
        await journal.append_all(act.connection, act.context, lines)
    return len(lines)
