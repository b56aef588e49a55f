"""The announcement consultation (R.1111-53): what is hidden from the patient is told of, then shown.

Two weeks after a document was hidden, the patient is told to see a doctor, and nothing of the document. At the end
of the month, it is shown: a metadata version, a line of the journal, an event and a notice, in one transaction.
Both terms are computed from the instant that was stored when it was hidden: a clock set back takes nothing back and
tells nothing twice, a task that did not run for a while catches up, and a second worker finds it done. A notice that
comes after the month is over is not sent: by then the document is there to read (docs/decisions/0084). Where a
patient's home is another network, that one tells him: here a document hides no more once its month is over.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Text, and_, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import access, visibility
from passerelle.dossier.recipients import people_of
from passerelle.dossier.tables import document, dossier
from passerelle.kernel.clock import days_after
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict, Refused
from passerelle.notices.posting import NoticeKind, is_posted, post
from passerelle_policies.vocabulary import DocumentStatus, DossierState

AT_ONCE = 200
_DUE, _SHOWN = "announcement-due", "announcement-shown"
# A day of the calendar may last an hour less.
_SHORT_DAY = timedelta(hours=1)
_Found: TypeAlias = tuple[UUID, datetime]
#: Those of these patients whose home is another network.
AwayFromHome: TypeAlias = Callable[[AsyncConnection, Sequence[UUID]], Awaitable[Collection[UUID]]]


async def nobody(_connection: AsyncConnection, _patient_ids: Sequence[UUID]) -> Collection[UUID]:
    """Everybody is at home: one network alone."""
    return ()


@dataclass(frozen=True, slots=True)
class Announced:
    """What one run did: documents whose patient was told, documents shown, documents that the rules did not let be."""

    told: int
    shown: int
    refused: int


async def announce(context: Context, away_from_home: AwayFromHome = nobody) -> Announced:
    """Do what is due now in a network. For a task of ours (ActorKind.SYSTEM)."""
    shown, refused = await show_over(context, away_from_home)
    return Announced(told=await tell_due(context, away_from_home), shown=shown, refused=refused)


async def tell_due(context: Context, away_from_home: AwayFromHome = nobody) -> int:
    """Tell those whose two weeks are over and whose month is not; how many documents they were told about."""
    now, days = context.clock.now(), access.number(context, "hidden_from_patient.notice_days")
    waits = and_(
        document.c.hidden_since <= now - timedelta(days=days) + _SHORT_DAY,
        access.is_hidden_from_patient(document, literal(now)),
        ~is_posted(document.c.patient_id, _key(_DUE)),
    )
    told = 0
    async for found in _all(context, waits):
        if days_after(found[1], days) <= now:
            told += await _alone(context, found, waits, _tell, away_from_home)
    return told


async def show_over(context: Context, away_from_home: AwayFromHome = nobody) -> tuple[int, int]:
    """Show what was hidden for the whole month; how many documents, and how many the rules refused to show."""
    over = document.c.hidden_until <= context.clock.now()
    shown = refused = 0
    async for found in _all(context, over):
        try:
            shown += await _alone(context, found, over, _show, away_from_home)
        except (Refused, Conflict):  # journalled; one that cannot be shown holds up no other
            refused += 1
    return shown, refused


async def _tell(act: Act, row: Row[Any]) -> bool:
    posted = False
    for recipient in await people_of(act, row.patient_id, representatives=not row.hidden_from_representatives):
        posted |= await post(
            act, recipient=recipient, key=row.due_key, kind=NoticeKind.ANNOUNCEMENT_DUE, patient_id=row.patient_id
        )
    return posted


async def _show(act: Act, row: Row[Any]) -> bool:
    await visibility.show_to_patient(act, row.document_id, confirmed=True)
    for recipient in await people_of(act, row.patient_id, representatives=not row.hidden_from_representatives):
        await post(
            act, recipient=recipient, key=row.shown_key, kind=NoticeKind.ANNOUNCEMENT_SHOWN, patient_id=row.patient_id
        )
    return True


def _key(what: str) -> ColumnElement[str]:
    """One announcement is of one chain: a version that replaces another goes on with the same delay."""
    since = cast(func.extract("epoch", document.c.hidden_since), Text)
    return func.concat_ws(":", what, cast(document.c.chain_id, Text), since)


def _hidden(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """A document of an open record that is still marked hidden. Nobody is served from a record in another state."""
    is_open = (
        select(dossier.c.patient_id)
        .where(dossier.c.patient_id == document.c.patient_id, dossier.c.state == DossierState.OPEN.value)
        .exists()
    )
    return and_(document.c.hidden_from_patient, document.c.status != DocumentStatus.DELETED.value, is_open, condition)


async def _all(context: Context, condition: ColumnElement[bool]) -> AsyncIterator[_Found]:
    """Every such document, some at a time."""
    page = (
        select(document.c.document_id, document.c.hidden_since)
        .where(_hidden(condition))
        .order_by(document.c.document_id)
        .limit(AT_ONCE)
    )
    rows: list[_Found] = []
    while True:
        after = page.where(document.c.document_id > rows[-1][0]) if rows else page
        async with context.tenant.database.transaction() as connection:
            rows = [(row.document_id, row.hidden_since) for row in await connection.execute(after)]
        for row in rows:
            yield row
        if len(rows) < AT_ONCE:
            return


async def _alone(
    context: Context,
    found: _Found,
    condition: ColumnElement[bool],
    do: Callable[[Act, Row[Any]], Awaitable[bool]],
    away_from_home: AwayFromHome,
) -> bool:
    """Do it in a transaction of its own, unless another worker is at it, or it holds no more."""
    async with transaction(context) as act:
        row = (
            await act.connection.execute(
                select(document, _key(_DUE).label("due_key"), _key(_SHOWN).label("shown_key"))
                .where(document.c.document_id == found[0], _hidden(condition))
                .with_for_update(of=document, skip_locked=True)
            )
        ).one_or_none()
        if row is None or await away_from_home(act.connection, [row.patient_id]):
            return False
        return await do(act, row)
