"""The pharmacy record in the export of its patient: its life, and what was dispensed as far as he sees it.

As the view shows it: within the windows, and while the record is open; what is stored beyond is read by nobody. Source:
RGPD, art. 15 and 20; CSP L.1111-23, R.1111-20-4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Uuid, literal, select

from passerelle.audit.transactions import Act
from passerelle.dossier.portability_beside import Portion, camel
from passerelle.kernel import messages
from passerelle.kernel.clock import legal_day
from passerelle.pharmacy import access, history, records
from passerelle.pharmacy.checks.kept_overrides import kept_overrides
from passerelle.pharmacy.tables import pharmacy_record_act
from passerelle.pharmacy.windows import windows
from passerelle_policies.decision import decide
from passerelle_policies.vocabulary import Action, Kind

PATH: Final = "donnees/dossier-pharmaceutique.json"
_TITLE: Final = "Dossier pharmaceutique"
_HEADS: Final = ("Date", "Produit", "Quantité", "Posologie", "Lot")
_OF_ACTS: Final = ("act", "from_state", "to_state", "at", "basis", "proof", "kept_until")
_OF_OVERRIDES: Final = ("at", "code", "products", "reason")


async def taken_away(act: Act, patient_id: UUID) -> Portion | None:
    """What the actor takes away of a pharmacy record; None for whoever may not see its state, or where there is none.

    Each of the two readings, of the state and of what was dispensed, has its line in the journal.
    """
    if not await _may_read(act, patient_id, Kind.PHARMACY_RECORD):
        return None
    held = (await act.connection.execute(records.shown_at(literal(patient_id, Uuid())))).one()._mapping
    if held["state"] is None:
        return None
    await access.require(act, patient_id, Kind.PHARMACY_RECORD, Action.READ)
    lines: Sequence[Mapping[str, Any]] = ()
    overrides: Sequence[Mapping[str, Any]] = ()
    is_open = await _may_read(act, patient_id, Kind.DISPENSATION)
    if is_open:
        await access.require(act, patient_id, Kind.DISPENSATION, Action.READ)
        lines = await _lines(act, patient_id)
        overrides = await kept_overrides(act, literal(patient_id, Uuid()))
    told = messages.sentence(f"PHARMACY_EXPORT_{held['state']}".upper(), {})
    return Portion(
        path=PATH,
        data={
            **{camel(name): held[name] for name in records.SHOWN},
            "acts": await _acts(act, patient_id),
            "windows": [
                {"productClass": each.product_class, "since": each.since, "until": each.until}
                for each in windows(legal_day(act.context.clock))
            ],
            "dispensed": [{camel(name): line[name] for name in history.SHOWN} for line in lines],
            "overrides": [{camel(name): each[name] for name in _OF_OVERRIDES} for each in overrides],
        },
        title=_TITLE,
        caption=told,
        heads=_HEADS,
        rows=[_row(line) for line in lines],
        own_lines=2 if is_open else 1,
    )


async def _may_read(act: Act, patient_id: UUID, kind: Kind) -> bool:
    """Whether the rules let the actor read; nothing is journalled, and nothing told."""
    facts = await access.facts_of(act, patient_id, kind)
    return decide(facts, kind, Action.READ, overrides=act.context.tenant.parameters).allowed


async def _lines(act: Act, patient_id: UUID) -> Sequence[Mapping[str, Any]]:
    lines = history.shown_lines(literal(patient_id, Uuid())).cte("lines")
    newest_first = (lines.c.dispensed_on.desc(), lines.c.dispensation_id.desc(), lines.c.number.desc())
    asked = select(lines).order_by(*newest_first)
    found = await act.connection.execute(asked, history.lines_parameters(act.context))
    return [row._asdict() for row in found]


async def _acts(act: Act, patient_id: UUID) -> list[dict[str, Any]]:
    done = pharmacy_record_act
    asked = select(done).where(done.c.patient_id == patient_id).order_by(done.c.at, done.c.act_id)
    return [
        {**{camel(name): row._mapping[name] for name in _OF_ACTS}, "by": row.by.partition(":")[0]}
        for row in await act.connection.execute(asked)
    ]


def _row(line: Mapping[str, Any]) -> tuple[str, ...]:
    quantity = f"{line['quantity'].normalize():f}"
    return (f"{line['dispensed_on']:%d/%m/%Y}", line["label"], quantity, line["dose_text"] or "", line["batch"] or "")
