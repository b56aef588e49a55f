"""How a recall comes to each pharmacy that it concerns: found once, told once, escalated once.

Each step is one transaction of a task of ours, by an event of the outbox or by the clock. What was found already is
found no second time, whoever asks again: the row of the pharmacy is what says so. A dispensation that is recorded
after the recall, or in the same instant, is found by its own event: of the two events, the later sees both.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Select,
    Text,
    Uuid,
    and_,
    func,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.audit import outbox
from passerelle.audit.journal import NOBODY
from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import access
from passerelle.identities.directory import Directory
from passerelle.kernel.clock import legal_day
from passerelle.kernel.context import Context
from passerelle.notices.posting import NoticeKind, post
from passerelle.pharmacy import windows
from passerelle.pharmacy.recall_events import RecallEscalated, RecallToDeliver
from passerelle.pharmacy.recalls import RecallKind, RecallLevel, concerns, escalates_after, tell_origin
from passerelle.pharmacy.tables import dispensation, dispensation_line, recall, recall_delivery
from passerelle_policies.roles import role_of, setting_of
from passerelle_policies.vocabulary import Action, ActorKind, Kind, Role, Setting

_BATCH: Final = 200
_STANDS: Final = "current"


async def find_pharmacies(context: Context, recall_id: UUID, directory: Directory) -> int:
    """Find the pharmacies that a recall concerns: those that dispensed it, or all for an alert. How many are new."""
    async with transaction(context) as act:
        asked = select(recall).where(recall.c.recall_id == recall_id, recall.c.closed_at.is_(None))
        row = (await act.connection.execute(asked)).one_or_none()
        if row is None:
            return 0
        if row.kind == RecallKind.ALERT.value:
            known = await directory.establishments_of(context.tenant.id)
            pharmacies = [each.finess for each in known if setting_of(each.category) is Setting.PHARMACY]
            return await _reach(act, [(recall_id, row.level, each) for each in pharmacies])
        return await _reach(act, await _rows(act, _dispensed(recall.c.recall_id == recall_id)))


async def find_recalls(context: Context, patient_id: UUID, dispensation_id: UUID) -> int:
    """Find the recalls that concern what was just recorded, for the pharmacy that dispensed it. How many are new."""
    this = and_(dispensation.c.patient_id == patient_id, dispensation.c.dispensation_id == dispensation_id)
    async with transaction(context) as act:
        return await _reach(act, await _rows(act, _dispensed(this)))


async def deliver(context: Context, recall_id: UUID, pharmacy: str, directory: Directory) -> bool:
    """Put a recall before a pharmacy, and tell its pharmacists; false when it has it already, or it is closed."""
    pharmacists = await _pharmacists(context, pharmacy, directory)
    async with transaction(context) as act:
        running = select(recall.c.reference).where(recall.c.recall_id == recall_id, recall.c.closed_at.is_(None))
        reference = (await act.connection.execute(running)).scalar_one_or_none()
        if reference is None:
            return False
        done = await act.connection.execute(
            update(recall_delivery)
            .where(_in(recall_id, pharmacy), recall_delivery.c.delivered_at.is_(None))
            .values(delivered_at=act.now)
        )
        if done.rowcount == 0:
            return False
        await _tell(act, pharmacists, recall_id, pharmacy, NoticeKind.RECALL, reference)
        await tell_origin(act, [recall_id])
    return True


async def remind(context: Context, recall_id: UUID, pharmacy: str, directory: Directory) -> None:
    """Tell the pharmacists of a pharmacy that a recall is past its delay, each once; no more once it is settled."""
    pharmacists = await _pharmacists(context, pharmacy, directory)
    async with transaction(context) as act:
        waiting = (
            select(recall.c.reference)
            .select_from(recall_delivery.join(recall))
            .where(_in(recall_id, pharmacy), recall_delivery.c.acknowledged_at.is_(None), recall.c.closed_at.is_(None))
        )
        reference = (await act.connection.execute(waiting)).scalar_one_or_none()
        if reference is not None:
            await _tell(act, pharmacists, recall_id, pharmacy, NoticeKind.RECALL_OVERDUE, reference)


async def escalate_due(context: Context) -> int:
    """Escalate what was not acknowledged in time, delivered or not; how many. For a task of ours."""
    escalated = 0
    while True:
        async with transaction(context) as act:
            key = tuple_(recall_delivery.c.recall_id, recall_delivery.c.pharmacy)
            due = (
                select(recall_delivery.c.recall_id, recall_delivery.c.pharmacy)
                .select_from(recall_delivery.join(recall))
                .where(
                    recall_delivery.c.escalates_at <= act.now,
                    recall_delivery.c.acknowledged_at.is_(None),
                    recall_delivery.c.escalated_at.is_(None),
                    recall.c.closed_at.is_(None),
                )
                .order_by(recall_delivery.c.escalates_at)
                .limit(_BATCH)
                .with_for_update(skip_locked=True, of=recall_delivery)
            )
            now_due = [(each.recall_id, each.pharmacy) for each in await act.connection.execute(due)]
            if not now_due:
                return escalated
            await access.require(act, NOBODY, Kind.RECALL, Action.ESCALATE)
            await act.connection.execute(update(recall_delivery).where(key.in_(now_due)).values(escalated_at=act.now))
            overdue = (RecallEscalated(recall_id=recall_id, pharmacy=pharmacy) for recall_id, pharmacy in now_due)
            await outbox.publish_all(act, overdue)
            await tell_origin(act, (recall_id for recall_id, _ in now_due))
            escalated += len(now_due)


def _dispensed(which: ColumnElement[bool]) -> Select[Any]:
    """Running recalls and the pharmacies that dispensed what they concern, among `which` recalls or dispensations."""
    lines = dispensation_line.join(recall, concerns(dispensation_line)).join(
        dispensation,
        and_(
            dispensation.c.patient_id == dispensation_line.c.patient_id,
            dispensation.c.dispensation_id == dispensation_line.c.dispensation_id,
        ),
    )
    return (
        select(recall.c.recall_id, recall.c.level, dispensation.c.pharmacy)
        .select_from(lines)
        .where(
            which,
            recall.c.closed_at.is_(None),
            dispensation.c.status == _STANDS,
            dispensation.c.origin.is_(None),  # a pharmacy of another network is told of recalls there
        )
        .distinct()
    )


async def _rows(act: Act, asked: Select[Any]) -> list[tuple[UUID, str, str]]:
    found = await act.connection.execute(asked, windows.parameters(legal_day(act.context.clock)))
    return [(row.recall_id, row.level, row.pharmacy) for row in found]


async def _reach(act: Act, found: list[tuple[UUID, str, str]]) -> int:
    """Give each pharmacy its row, and have it told, unless it has one."""
    if not found:
        return 0
    ordered = sorted(found)
    due = {level: act.now + escalates_after(act.context, RecallLevel(level)) for _, level, _ in ordered}
    given = (
        func.unnest(
            literal([recall_id for recall_id, _, _ in ordered], ARRAY(Uuid())),
            literal([pharmacy for _, _, pharmacy in ordered], ARRAY(Text())),
            literal([due[level] for _, level, _ in ordered], ARRAY(DateTime(timezone=True))),
        )
        .table_valued("recall_id", "pharmacy", "escalates_at")
        .render_derived("given")
    )
    new = (
        upsert(recall_delivery)
        .from_select(
            ["recall_id", "pharmacy", "issued_at", "escalates_at"],
            select(given.c.recall_id, given.c.pharmacy, literal(act.now), given.c.escalates_at),
        )
        .on_conflict_do_nothing(index_elements=["recall_id", "pharmacy"])
        .returning(recall_delivery.c.recall_id, recall_delivery.c.pharmacy)
    )
    reached = (await act.connection.execute(new)).all()
    await outbox.publish_all(act, (RecallToDeliver(recall_id=recall_id, pharmacy=at) for recall_id, at in reached))
    await tell_origin(act, (recall_id for recall_id, _ in reached))
    return len(reached)


async def _pharmacists(context: Context, pharmacy: str, directory: Directory) -> list[str]:
    there = await directory.practising_at(context.tenant.id, pharmacy)
    roles = {rpps: role_of(profession, ActorKind.PROFESSIONAL) for rpps, profession in there.items()}
    return [rpps for rpps, role in roles.items() if role is Role.PHARMACIST]


async def _tell(
    act: Act, pharmacists: list[str], recall_id: UUID, pharmacy: str, kind: NoticeKind, reference: str
) -> None:
    for rpps in pharmacists:
        await post(
            act,
            recipient=f"professional:{rpps}",
            key=f"{kind}:{recall_id}:{pharmacy}",
            kind=kind,
            patient_id=NOBODY,
            about={"reference": reference, "pharmacy": pharmacy},
        )


def _in(recall_id: UUID, pharmacy: str) -> ColumnElement[bool]:
    return and_(recall_delivery.c.recall_id == recall_id, recall_delivery.c.pharmacy == literal(pharmacy))
