"""What is done again and again in each network, how often, and in whose name.

One table, one line for each task. A task of a network that is still running is not started a second time, whichever
worker holds it; what a task could not finish, the next turn finds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass

import structlog
from sqlalchemy import func, select

from passerelle.dossier.announcements import announce
from passerelle.dossier.copies import drop_ended
from passerelle.dossier.erasure import erase_due
from passerelle.dossier.majority import come_of_age
from passerelle.dossier.newcomers import tell_of_readers
from passerelle.dossier.openings import open_due
from passerelle.dossier.suspensions import close_suspended
from passerelle.kernel import tracing
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import Clock
from passerelle.kernel.context import Context, Tenant
from passerelle.oncology import turns
from passerelle.oncology.reminders import remind
from passerelle.pharmacy import majority as pharmacy_majority
from passerelle.pharmacy import openings as pharmacy_openings
from passerelle.pharmacy.recall_delivery import escalate_due
from passerelle.pharmacy.storage import end_due
from passerelle_ops.relay import AT_ONCE, Subscribers, relay
from passerelle_ops.sealing import Sealer
from passerelle_policies.vocabulary import ActorKind, Purpose
from passerelle_tenants.federation.places import away_from_home

_log = structlog.get_logger("passerelle.schedule")
MINUTE, HOUR = 60.0, 3600.0
Run = Callable[[Tenant, Clock], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Periodic:
    """A task of every network: its name, the seconds between two turns, and what it does in one."""

    name: str
    every: float
    run: Run


def beat_context(tenant: Tenant, clock: Clock) -> Context:
    """The context of what the installation does by itself; the journal names it as such."""
    return Context(
        tenant=tenant,
        actor=Actor(kind=ActorKind.SYSTEM, id="beat", name="Passerelle (tâche automatique)"),
        clock=clock,
        request_id=tracing.request_id(),
        purpose=Purpose.ADMINISTRATION,
    )


def periodic_tasks(
    subscribers: Subscribers, seal_every: float, federated: Run | None = None, ledger: Run | None = None
) -> tuple[Periodic, ...]:
    """The table. `federated` is the turn of what travels between networks, where something does; `ledger`, of what is
    written down outside the database, where there is a place for it."""
    sealer = Sealer()

    async def relayed(tenant: Tenant, clock: Clock) -> None:
        while True:
            done = await relay(tenant, subscribers, clock)
            if done.delivered or done.failed:
                _log.info("relayed", tenant=tenant.id, delivered=done.delivered, failed=done.failed)
            if done.failed or done.delivered < AT_ONCE:
                return

    async def sealed(tenant: Tenant, clock: Clock) -> None:
        await sealer.seal(tenant, clock)

    return (
        Periodic("relay", 2.0, relayed),
        *([] if federated is None else [Periodic("federation", 1.0, federated)]),
        Periodic("seal", seal_every, sealed),
        *([] if ledger is None else [Periodic("ledger", 2.0, ledger)]),
        Periodic("announcements", MINUTE, _announced),
        Periodic("copies", MINUTE, _dropped_copies),
        Periodic("readers", MINUTE, _told_of_readers),
        Periodic("recalls", MINUTE, _escalated_recalls),
        Periodic("board_sessions", MINUTE, _turned_sessions),
        Periodic("majority", HOUR, _come_of_age),
        Periodic("openings", HOUR, _opened),
        Periodic("pharmacy_majority", HOUR, _informed_anew),
        Periodic("pharmacy_openings", HOUR, _opened_pharmacy_records),
        Periodic("suspensions", HOUR, _closed_suspended),
        Periodic("erasures", HOUR, _erased),
        Periodic("pharmacy_storage", HOUR, _ended_storage),
        Periodic("follow_up", HOUR, _reminded_of_follow_up),
    )


async def run_alone(task: Periodic, tenant: Tenant, clock: Clock) -> bool:
    """One turn of a task in one network; false when another holds it, here or elsewhere."""
    async with tenant.database.transaction() as connection:
        # Held by the database for as long as this transaction lives: whoever dies lets go of it.
        held = select(func.pg_try_advisory_xact_lock(func.hashtextextended(f"beat/{task.name}", 0)))
        if not (await connection.execute(held)).scalar_one():
            return False
        await task.run(tenant, clock)
        return True


async def _announced(tenant: Tenant, clock: Clock) -> None:
    done = await announce(beat_context(tenant, clock), away_from_home)
    if done.told or done.shown or done.refused:
        _log.info("announced", tenant=tenant.id, told=done.told, shown=done.shown, refused=done.refused)


async def _dropped_copies(tenant: Tenant, clock: Clock) -> None:
    if dropped := await drop_ended(tenant, clock.now()):
        _log.info("dropped copies", tenant=tenant.id, copies=dropped)


async def _told_of_readers(tenant: Tenant, clock: Clock) -> None:
    posted = await tell_of_readers(beat_context(tenant, clock))
    if posted:
        _log.info("told of readers", tenant=tenant.id, posted=posted)


async def _escalated_recalls(tenant: Tenant, clock: Clock) -> None:
    if escalated := await escalate_due(beat_context(tenant, clock)):
        _log.info("escalated recalls", tenant=tenant.id, pharmacies=escalated)


async def _turned_sessions(tenant: Tenant, clock: Clock) -> None:
    done = await turns.turn(beat_context(tenant, clock))
    if any(asdict(done).values()):
        _log.info("turned sessions", tenant=tenant.id, **asdict(done))


async def _come_of_age(tenant: Tenant, clock: Clock) -> None:
    if told := await come_of_age(beat_context(tenant, clock)):
        _log.info("came of age", tenant=tenant.id, told=told)


async def _opened(tenant: Tenant, clock: Clock) -> None:
    if opened := await open_due(beat_context(tenant, clock)):
        _log.info("opened without objection", tenant=tenant.id, records=opened)


async def _informed_anew(tenant: Tenant, clock: Clock) -> None:
    if told := await pharmacy_majority.inform_anew(beat_context(tenant, clock)):
        _log.info("informed anew of their pharmacy record", tenant=tenant.id, told=told)


async def _opened_pharmacy_records(tenant: Tenant, clock: Clock) -> None:
    if opened := await pharmacy_openings.open_due(beat_context(tenant, clock)):
        _log.info("opened pharmacy records without objection", tenant=tenant.id, records=opened)


async def _closed_suspended(tenant: Tenant, clock: Clock) -> None:
    if closed := await close_suspended(beat_context(tenant, clock)):
        _log.info("closed what stayed suspended", tenant=tenant.id, records=closed)


async def _erased(tenant: Tenant, clock: Clock) -> None:
    if erased := await erase_due(beat_context(tenant, clock)):
        _log.info("erased", tenant=tenant.id, records=erased)


async def _ended_storage(tenant: Tenant, clock: Clock) -> None:
    done = await end_due(beat_context(tenant, clock))
    if done.lines or done.traces or done.overrides:
        _log.info(
            "ended storage",
            tenant=tenant.id,
            lines=done.lines,
            dispensations=done.dispensations,
            objections=done.traces,
            overrides=done.overrides,
        )


async def _reminded_of_follow_up(tenant: Tenant, clock: Clock) -> None:
    if told := await remind(beat_context(tenant, clock)):
        _log.info("reminded of follow-up", tenant=tenant.id, told=told)
