"""Owing a network what it is to hear of a patient as a whole: when it became his home, or a place of his.

What happens later is found in the outbox (`addressing`). A place is written down and committed first, and owed its
whole in a later transaction: what was addressed to nobody, because the place was not known yet, is in that whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Insert,
    Select,
    Text,
    Uuid,
    bindparam,
    cast,
    column,
    func,
    literal,
    null,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit import lines_elsewhere
from passerelle.dossier import federated_emergencies, whereabouts
from passerelle.pharmacy import federated_dispensations
from passerelle_tenants.federation import addressing
from passerelle_tenants.federation.tables import federation_out
from passerelle_tenants.federation.travellers import Audience, Priority

Objects = Callable[[ColumnElement[UUID], ColumnElement[str]], Select[Any]]
#: A patient and the network that is to hear of him.
Pair = tuple[UUID, str]


@dataclass(frozen=True, slots=True)
class Whole:
    """All the objects of one kind that a network is to have of a patient, as home or as a place; `objects` has one
    column, `object_id`; without it the object is the patient."""

    kind: str
    priority: Priority
    to: Audience
    objects: Objects | None = None


WHOLE: Final = (
    Whole("dossier", Priority.NARROWS, Audience.PLACES),
    Whole("relations", Priority.NARROWS, Audience.EVERYWHERE),
    Whole("document_marks", Priority.NARROWS, Audience.PLACES, whereabouts.decided_of),
    Whole("document", Priority.FILLS, Audience.HOME, lambda patient, _: whereabouts.kept_here(patient)),
    Whole("dispensation", Priority.FILLS, Audience.HOME, lambda patient, _: federated_dispensations.kept_here(patient)),
    Whole("journal_line", Priority.TELLS, Audience.HOME, lambda patient, _: lines_elsewhere.kept(patient)),
    Whole("emergency", Priority.NARROWS, Audience.HOME, lambda patient, _: federated_emergencies.unsettled(patient)),
)


async def owe(connection: AsyncConnection, kind: str, priority: Priority, pairs: Sequence[Pair], now: datetime) -> None:
    """Owe networks the newest state of patients, under a kind whose object is the patient."""
    if pairs:
        await connection.execute(_owed(Whole(kind, priority, Audience.NAMED)), _values(pairs, now))


async def owe_whole(connection: AsyncConnection, to: Audience, pairs: Sequence[Pair], now: datetime) -> None:
    """Owe each of the networks all that it is to have of a patient, as his home, as a place of a home that is here, or
    whatever it is to him (EVERYWHERE)."""
    if not pairs:
        return
    for whole in WHOLE:
        if whole.to is to:
            await connection.execute(_STATEMENTS[whole], _values(pairs, now))


async def owe_no_more(connection: AsyncConnection, pairs: Sequence[Pair], now: datetime) -> None:
    """What those networks were owed as the home of patients, they are owed no more: home is elsewhere."""
    kinds = [whole.kind for whole in WHOLE if whole.to is Audience.HOME]
    for patient_id, to_tenant in pairs:
        await connection.execute(
            update(federation_out)
            .where(
                federation_out.c.patient_id == patient_id,
                federation_out.c.to_tenant == to_tenant,
                federation_out.c.kind.in_(kinds),
                federation_out.c.acked_version < federation_out.c.version,
            )
            .values(acked_version=federation_out.c.version, acked_at=now, dead_at=None, code="HOME_MOVED")
        )


async def is_owed(connection: AsyncConnection, patient_id: UUID) -> bool:
    """Whether any network has not yet acknowledged something of a patient; what is dead is not waited for."""
    waiting = select(literal(1)).where(
        federation_out.c.patient_id == patient_id,
        federation_out.c.acked_version < federation_out.c.version,
        federation_out.c.dead_at.is_(None),
    )
    return (await connection.execute(waiting.limit(1))).first() is not None


def _values(pairs: Sequence[Pair], now: datetime) -> dict[str, Any]:
    return {"patients": [each for each, _ in pairs], "networks": [each for _, each in pairs], "now": now}


def _owed(whole: Whole) -> Insert:
    pairs = (
        func.unnest(bindparam("patients", type_=ARRAY(Uuid())), bindparam("networks", type_=ARRAY(Text())))
        .table_valued(column("patient_id", Uuid()), column("network", Text()))
        .render_derived(name="pairs")
    )
    now, network = bindparam("now", type_=DateTime(timezone=True)), pairs.c.network.label("to_tenant")
    rows: Select[Any]
    if whole.objects is None:
        objects, rows = pairs.c.patient_id, select(network)
    else:
        held = whole.objects(pairs.c.patient_id, pairs.c.network).lateral("held")
        objects, rows = held.c.object_id, select(network).select_from(pairs.join(held, literal(True)))
    rows = rows.add_columns(
        literal(whole.kind).label("kind"),
        objects.label("object_id"),
        pairs.c.patient_id,
        literal(whole.priority.value).label("priority"),
        now.label("since"),
        cast(null(), JSONB).label("payload"),
    )
    return addressing.owe(rows.subquery("whole"), now)


_STATEMENTS: Final = {whole: _owed(whole) for whole in WHOLE}
