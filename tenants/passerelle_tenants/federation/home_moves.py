"""The patient moves: the network that is his home hands him on to another, step by step, each of which can be resumed.

    old home                                    directory                  new home
    1 owes the new home all it is to have       moving (old, to new)       takes it in, as a place
    2 everything acknowledged                 ▶ handed (old, to new)
    3 decides no more; owes `home`                                       ▶ 4 decides from then on
                                                declared (new)           ◀ 5 says so, tells every place
    6 withdraws its index, owes its documents                              enters them in its own

The directory names one home at each moment, and of the two networks never more than one decides. Whatever is cut
off the next turn finds, in the directory or in `home_move`: each step is one transaction, and done twice is done once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Row, literal, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit import followed
from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import handing_over
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict
from passerelle.pharmacy import federated_dispensations
from passerelle_tenants import homes
from passerelle_tenants.federation import journals, merging, owing, places
from passerelle_tenants.federation.addressing import in_turn
from passerelle_tenants.federation.office import Office
from passerelle_tenants.federation.places import PLACE
from passerelle_tenants.federation.tables import home_move
from passerelle_tenants.federation.travellers import Audience, Priority
from passerelle_tenants.locator import Home, HomeState, Locator

HOME = "home"
_log = structlog.get_logger("passerelle.homes")


async def turn(office: Office, locator: Locator) -> int:
    """Go on with every move that this network has a part in; how many steps were done."""
    context, here = office.context(office.tenant.id, uuid4().hex), office.tenant.id
    done = 0
    leaving = await locator.leaving(here)
    if leaving:
        async with office.tenant.database.transaction() as connection:
            known = await places.patients_at(connection, list(leaving))
        for key, patient_id in sorted(known.items()):
            done += await hand_over(context, locator, patient_id, key, leaving[key])
    async with office.tenant.database.transaction() as connection:
        unsettled = await _unsettled(connection)
    for move in unsettled:
        done += await settle(context, locator, move.patient_id)
    if done:
        _log.info("homes moved on", tenant=here, steps=done)
    return done


async def turn_of_places(office: Office, locator: Locator) -> int:
    """A network's turn at whose patients are where, and who moves; before it addresses what happened, and alone as
    that is (the caller holds the network's lock)."""
    done = await places.locate(office, locator)
    done += await places.owe_new(office)
    done += await journals.owe(office)
    done += await merging.turn(office, locator)
    return done + await turn(office, locator)


async def hand_over(context: Context, locator: Locator, patient_id: UUID, key: str, leaving: Home) -> bool:
    """Steps 1 to 3, as the network that he leaves; false while there is something to wait for.

    It waits until all that is owed of the patient, to anybody, was acknowledged: nothing that this network said as his
    home is on its way when it stops being that.
    """
    async with transaction(context) as act:
        await in_turn(act.connection)
        await places.take_turns(act.connection)
        if await _is_open(act.connection, patient_id):
            return False
        await places.mirror(act, locator, {patient_id: key})
        if await _is_waited_for(act, patient_id):
            return False
        if leaving.state is HomeState.MOVING:
            try:
                _, leaving = await homes.change(locator, key, homes.handed, act.now)
            except Conflict:  # withdrawn meanwhile
                return False
        if leaving.claimed_by is None or leaving.tenant_id != context.tenant.id:
            return False
        await act.connection.execute(
            upsert(home_move)
            .values(
                patient_id=patient_id,
                version=leaving.version,
                from_tenant=leaving.tenant_id,
                to_tenant=leaving.claimed_by,
                handed_at=act.now,
            )
            .on_conflict_do_nothing()
        )
        await places.write_home(act, patient_id, leaving.claimed_by)
        await owing.owe(act.connection, HOME, Priority.NARROWS, [(patient_id, leaving.claimed_by)], act.now)
    return True


async def take(act: Act, patient_id: UUID, *, version: int, from_tenant: str, decisions: str) -> None:
    """Step 4, as the new home: decide from where the other had come to. What comes once more is what it still decided
    while it was handing over."""
    here = act.context.tenant.id
    await places.take_turns(act.connection)
    entered = await act.connection.execute(
        upsert(home_move)
        .values(patient_id=patient_id, version=version, from_tenant=from_tenant, to_tenant=here, taken_at=act.now)
        .on_conflict_do_nothing()
        .returning(home_move.c.version)
    )
    if entered.first() is not None:
        await handing_over.take(act, patient_id, decisions)
        await places.write_home(act, patient_id, None)
        return
    await handing_over.take_late(act, patient_id, decisions)
    told = [(patient_id, network) for network in await places.others(act.connection, patient_id)]
    await owing.owe_whole(act.connection, Audience.PLACES, told, act.now)


async def settle(context: Context, locator: Locator, patient_id: UUID) -> bool:
    """Steps 5 and 6: the new home has the directory say so and tells every place; the old one, once it says so,
    withdraws its index and owes what it keeps. False when there is nothing to do yet."""
    async with transaction(context) as act:
        await places.take_turns(act.connection)
        move = await _open(act.connection, patient_id)
        if move is None:
            return False
        key = (await places.keys_of(act.connection, [patient_id]))[patient_id]
        if move.taken_at is not None:
            await homes.change(locator, key, homes.taken(context.tenant.id), act.now)
            await _close(act, move)
            told = [(patient_id, network) for network in await places.others(act.connection, patient_id)]
            await owing.owe(act.connection, PLACE, Priority.RELATES, told, act.now)
            for each in (Audience.EVERYWHERE, Audience.PLACES):
                await owing.owe_whole(act.connection, each, told, act.now)
            await places.mirror(act, locator, {patient_id: key})
            return True
        found = (await locator.find([key])).get(key)
        if found is None or found.home_id == context.tenant.id:
            return False
        await _close(act, move)
        await handing_over.withdraw(act, patient_id)
        await federated_dispensations.withdraw(act, patient_id)
        if await handing_over.decided_since(act, patient_id, move.handed_at):
            await owing.owe(act.connection, HOME, Priority.NARROWS, [(patient_id, move.to_tenant)], act.now)
        await owing.owe_whole(act.connection, Audience.HOME, [(patient_id, move.to_tenant)], act.now)
        await places.mirror(act, locator, {patient_id: key})
    return True


async def keep_out(act: Act, whose: Mapping[UUID, UUID]) -> None:
    """Documents of other networks came in (whose each is): those of patients whose home is not here, or not any more,
    are not shown. Whoever keeps them is told of the home that is, and sends them there.
    """
    for patient_id in await places.away_from_home(act.connection, set(whose.values())):
        theirs = [document_id for document_id, owner in whose.items() if owner == patient_id]
        await handing_over.withdraw(act, patient_id, theirs)


async def _is_waited_for(act: Act, patient_id: UUID) -> bool:
    return (
        await followed.is_unaddressed(act.connection, patient_id)
        or await places.is_new(act.connection, patient_id)
        or await owing.is_owed(act.connection, patient_id)
    )


async def _is_open(connection: AsyncConnection, patient_id: UUID) -> bool:
    return await _open(connection, patient_id) is not None


async def _open(connection: AsyncConnection, patient_id: UUID) -> Row[Any] | None:
    held = select(home_move).where(home_move.c.patient_id == patient_id, home_move.c.settled_at.is_(None))
    return (await connection.execute(held)).one_or_none()


async def _unsettled(connection: AsyncConnection) -> list[Row[Any]]:
    held = select(home_move).where(home_move.c.settled_at.is_(None)).order_by(home_move.c.patient_id)
    return list((await connection.execute(held)).all())


async def _close(act: Act, move: Row[Any]) -> None:
    await act.connection.execute(
        update(home_move)
        .where(home_move.c.patient_id == move.patient_id, home_move.c.version == move.version)
        .values(settled_at=literal(act.now))
    )
