"""The journal's lines, for whoever asks a decision again: what was asked, who someone was, what had been done.

Used by the replay of a rule pack and by what somebody could have read on a day.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, Text, and_, cast, func, literal, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit import pruned_facts
from passerelle.audit.journal import JournalLine, Outcome
from passerelle.audit.tables import journal
from passerelle.kernel.actors import Actor
from passerelle_policies.vocabulary import Action, ActorKind, Mode

#: What a decision is asked again from, in the order of `decisions`.
ASKED = ("actor_kind", "actor_profession", "kind", "action", "mode", "purpose", "outcome", "code", "rule", "pack")


def _decided(since: datetime, until: datetime | None) -> ColumnElement[bool]:
    return and_(journal.c.at >= since, journal.c.at < until if until is not None else true())


async def count_decisions(connection: AsyncConnection, since: datetime, until: datetime | None = None) -> int:
    """How many lines `decisions` gives."""
    counted = select(func.count()).select_from(journal).where(_decided(since, until))
    return (await connection.execute(counted)).scalar_one()


async def decisions(
    connection: AsyncConnection, since: datetime, until: datetime | None = None, *, batch: int = 5_000
) -> AsyncIterator[Sequence[Row[Any]]]:
    """Every line since then, in batches and in no order: its id, the columns of `ASKED`, its facts as JSON text.

    No name and no patient is among them.
    """
    wanted: Select[Any] = select(journal.c.line_id, *(journal.c[name] for name in ASKED), cast(journal.c.facts, Text()))
    async with connection.stream(
        wanted.where(_decided(since, until)), execution_options={"yield_per": batch}
    ) as streamed:
        async for rows in streamed.partitions():
            yield rows


async def last_line_of(connection: AsyncConnection, rpps: str, at: datetime) -> JournalLine | None:
    """The newest line of a professional until then: it tells under which profession he came in."""
    lines = (
        select(*(journal.c[name] for name in JournalLine.__dataclass_fields__))
        .where(journal.c.actor_id == rpps, journal.c.actor_kind == ActorKind.PROFESSIONAL.value, journal.c.at <= at)
        .order_by(journal.c.at.desc(), journal.c.line_id.desc())
        .limit(1)
    )
    row = (await connection.execute(lines)).mappings().one_or_none()
    return JournalLine(**row) if row else None


async def was_done(connection: AsyncConnection, patient_id: UUID, action: Action, until: datetime) -> bool:
    """Whether the act was allowed on this patient, by anyone, until then."""
    done = select(literal(1)).where(
        journal.c.patient_id == patient_id,
        journal.c.action == action.value,
        journal.c.outcome == Outcome.ALLOWED.value,
        journal.c.at <= until,
    )
    asked = select(or_(done.exists(), pruned_facts.was_done(patient_id, action, until)))
    return bool((await connection.execute(asked)).scalar_one())


async def modes_of(
    connection: AsyncConnection, patient_id: UUID, actor: Actor, since: datetime, until: datetime
) -> frozenset[Mode]:
    """The modes in which an actor came to a patient from `since` to `until`, let in or not; `until` is exclusive."""
    came = select(journal.c.mode).where(
        journal.c.patient_id == patient_id,
        journal.c.actor_id == actor.id,
        journal.c.actor_kind == actor.kind.value,
        journal.c.at >= since,
        journal.c.at < until,
    )
    return frozenset(map(Mode, (await connection.execute(came.distinct())).scalars()))
