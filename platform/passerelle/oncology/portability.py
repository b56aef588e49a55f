"""The cases of a patient before tumour boards, and the networks they were referred to, in the export of his record.

As he reads them, while his record is open. The sheets that were approved and the care plans that were handed to him are
documents of the record, and go out with it. The network that a case was lent to knows no number of his, and keeps
nothing of it (0126): what it received is told here. Source: RGPD, art. 15 and 20.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from passerelle.audit import journal
from passerelle.audit.transactions import Act
from passerelle.dossier import access as dossier_access
from passerelle.dossier.portability_beside import Portion, camel
from passerelle.kernel import messages
from passerelle.kernel.clock import written_day
from passerelle.oncology import cases
from passerelle.oncology.tables import recourse_referral
from passerelle_policies.decision import decide
from passerelle_policies.vocabulary import Action, Kind

PATH: Final = "donnees/reunions-de-concertation.json"
_TITLE: Final = "Réunions de concertation (RCP)"
_HEADS: Final = ("Session", "RCP", "Question posée", "État")


async def taken_away(act: Act, patient_id: UUID) -> Portion | None:
    """What the actor takes away of the cases of a patient; None for whoever may not read them, or where there is none.

    The reading has its line in the journal.
    """
    facts = await dossier_access.facts_of(act.context, act.connection, patient_id)
    decision = decide(facts, Kind.BOARD_CASE, Action.READ, overrides=act.context.tenant.parameters)
    if not decision.allowed:
        return None
    rows = await cases.shown_to_patient(act, patient_id)
    if not rows:
        return None
    line = dossier_access.line(decision, Kind.BOARD_CASE, Action.READ, patient_id, facts)
    await journal.append(act.connection, act.context, line)
    return Portion(
        path=PATH,
        data={"cases": _written(rows), "referrals": _written(await _referrals(act, patient_id))},
        title=_TITLE,
        caption=messages.sentence("BOARD_CASES_EXPORT", {}),
        heads=_HEADS,
        rows=[_row(row) for row in rows],
        own_lines=1,
    )


async def _referrals(act: Act, patient_id: UUID) -> list[Mapping[str, Any]]:
    """To which networks his cases were referred, and what became of it, the first one first."""
    of = recourse_referral.c
    told = (of.case_id, of.to_network, of.state, of.sent_at, of.received_at, of.ended_at, of.declined_because)
    found = select(*told).where(of.patient_id == patient_id).order_by(of.sent_at, of.referral_id)
    return [dict(row) for row in (await act.connection.execute(found)).mappings()]


def _written(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{camel(name): value for name, value in row.items()} for row in rows]


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    state = messages.sentence(f"BOARD_CASE_EXPORT_{row['state']}".upper(), {})
    return (written_day(row["starts_at"]), row["board_name"], row["question"], state)
