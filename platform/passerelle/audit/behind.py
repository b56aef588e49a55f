"""How far a network is behind with its journal, its outbox and its ledger, for whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, Text, and_, case, cast, exists, func, literal, not_, or_, select, text

from passerelle.audit import narrowings
from passerelle.audit.shown_lines import is_copy
from passerelle.audit.tables import journal, journal_leaf, journal_seal, outbox
from passerelle.kernel.context import Tenant
from passerelle.kernel.database import Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """Since when the oldest line of the journal waits for its seal, the oldest event for whoever listens, and the
    oldest change that narrows for the ledger.

    `waiting` events were not relayed, of which `failing` were tried in vain.
    """

    unsealed_since: datetime | None
    waiting: int
    failing: int
    waiting_since: datetime | None
    unkept_since: datetime | None


async def behind(tenant: Tenant) -> Behind:
    """As the database has it now. Raises `TryLater` when it is away."""
    (found,) = await tenant.database.fetch(_BEHIND, {})
    return Behind(**dict(zip(Behind.__dataclass_fields__, found, strict=True)))


def _behind() -> Statement:
    last = select(journal_seal).order_by(journal_seal.c.tree_size.desc()).limit(1).cte("last")
    number = cast(journal.c.transaction_id, BigInteger)
    has_leaf = exists().where(
        and_(journal_leaf.c.patient_id == journal.c.patient_id, journal_leaf.c.line_id == journal.c.line_id)
    )
    low_water = func.coalesce(select(last.c.low_water).scalar_subquery(), 0)
    # A line of another network says when it was written there, not since when it waits here.
    unsealed = select(journal.c.at).where(~has_leaf, not_(is_copy(journal)))
    by_number = unsealed.where(number >= low_water).order_by(number, journal.c.line_id).limit(1)
    # Where the database was restored from another server's, the numbers noted mean nothing until the next seal.
    sealed_at = select(last.c.sealed_at).scalar_subquery()
    by_instant = unsealed.where(journal.c.at >= sealed_at).order_by(journal.c.at, journal.c.line_id).limit(1)
    here = select(text("system_identifier::text")).select_from(text("pg_control_system()")).scalar_subquery()
    noted = func.coalesce(select(last.c.cluster).scalar_subquery(), literal("", Text()))
    waits = outbox.c.relayed_at.is_(None)
    return Statement(
        select(
            case(
                (or_(noted == "", noted == here), by_number.scalar_subquery()), else_=by_instant.scalar_subquery()
            ).label("unsealed_since"),
            select(func.count()).where(waits).scalar_subquery().label("waiting"),
            select(func.count()).where(waits, outbox.c.attempts > 0).scalar_subquery().label("failing"),
            select(func.min(outbox.c.at)).where(waits).scalar_subquery().label("waiting_since"),
            narrowings.UNKEPT_SINCE.scalar_subquery(),
        )
    )


_BEHIND: Final = _behind()
