"""Where else a patient's things are, as his own network knows it: the locator's answer, written down.

A network that opens a record of a person enters the locator, then asks it; whom it finds there it tells (`place`), and
they ask in their turn. So `patient_place` follows the directory, in its order, and nothing but the directory is
believed. A new place, or a new home, is owed the patient's whole state by the next turn (`owe_new`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, Uuid, any_, bindparam, literal, null, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit import followed
from passerelle.audit.transactions import Act, transaction
from passerelle.dossier.events import DossierChanged
from passerelle.identities import carried
from passerelle.identities.corrections import InsReplaced
from passerelle.kernel.database import Statement
from passerelle.kernel.prepared import run
from passerelle.notices import watermarks
from passerelle.pharmacy.events import PharmacyRecordChanged
from passerelle_policies.vocabulary import DossierState
from passerelle_tenants.federation import owing
from passerelle_tenants.federation.office import Office
from passerelle_tenants.federation.owing import Pair
from passerelle_tenants.federation.tables import home_move, patient_location, patient_place
from passerelle_tenants.federation.travellers import Audience, Priority
from passerelle_tenants.locator import Locator, Whereabouts

PLACE: Final = "place"
IDENTITY: Final = "identity"
WATERMARK: Final = "locator"
_LOCK: Final = text("select pg_advisory_xact_lock(hashtextextended('federation/places', 0))")
_AT_ONCE: Final = 500
_OPENED: Final = DossierState.OPEN.value  # the pharmacy record says it with the same word


async def locate(office: Office, locator: Locator) -> int:
    """Tell the locator of the patients whose record was opened here since last time, and each place of theirs of us.

    How many patients. One turn at a time (the caller holds the network's lock). Raises `TryLater` when the directory is
    away: the next turn does it.
    """
    tenant, done = office.tenant, 0
    context = office.context(tenant.id, uuid4().hex)
    names = (DossierChanged.name, PharmacyRecordChanged.name, InsReplaced.name)
    while True:
        async with transaction(context) as act:
            after = await watermarks.reached(act, WATERMARK)
            found = await followed.since(act.connection, names, after, _AT_ONCE)
            opened = [each for each in found.events if each.payload.get("to_state", _OPENED) == _OPENED]
            openers: dict[UUID, bool] = {}
            for each in opened:
                is_record = each.name == DossierChanged.name
                openers[each.patient_id] = openers.get(each.patient_id, False) or is_record
            if openers:
                await enter(act, locator, openers)
            if found.until > after:
                await watermarks.reach(act, WATERMARK, found.until)
            done += len(openers)
        if not found.is_full:
            return done


async def enter(act: Act, locator: Locator, openers: Mapping[UUID, bool]) -> None:
    """Enter patients of this network into the locator (true: their shared record was opened here), and write down what
    it knows. Those without an INS are in nobody's reach."""
    held = await carried.ins_of(act, list(openers))
    keys = {patient_id: locator.person_key(ins) for patient_id, ins in held.items()}
    if not keys:
        return
    await take_turns(act.connection)
    before = await keys_of(act.connection, list(keys))
    replaced = [patient_id for patient_id, key in sorted(keys.items()) if before.get(patient_id, key) != key]
    for patient_id in replaced:
        await locator.replaced(before[patient_id], keys[patient_id], act.now)
    entering = {key: openers[patient_id] for patient_id, key in keys.items()}
    await locator.arrive(act.context.tenant.id, entering, act.now)
    found = await mirror(act, locator, keys)
    await owing.owe(act.connection, PLACE, Priority.RELATES, found, act.now)
    told = [(patient_id, network) for patient_id in replaced for network in await others(act.connection, patient_id)]
    await owing.owe(act.connection, IDENTITY, Priority.RELATES, told, act.now)


async def take_turns(connection: AsyncConnection) -> None:
    """Wait until nobody else writes down places in this network, so that they follow the directory in its order; held
    until the transaction ends."""
    await connection.execute(_LOCK)


async def mirror(act: Act, locator: Locator, keys: Mapping[UUID, str]) -> list[Pair]:
    """Write down where patients (by person key) are, as the directory says now; the places that are new.

    The caller has taken turns.
    """
    connection, here = act.connection, act.context.tenant.id
    await _remember(connection, keys, act.now)
    found = await locator.find(list(keys.values()))
    moves = await _open_moves(connection, list(keys))
    known: dict[UUID, dict[str, bool]] = {}
    for row in await connection.execute(select(patient_place).where(patient_place.c.patient_id.in_(list(keys)))):
        known.setdefault(row.patient_id, {})[row.tenant_id] = row.is_home
    newcomers: list[Pair] = []
    written: list[dict[str, Any]] = []
    for patient_id, key in sorted(keys.items()):
        if key not in found:
            continue
        said, before = _said(found[key], here, moves.get(patient_id)), known.get(patient_id, {})
        newcomers += [(patient_id, network) for network in sorted(said.keys() - before.keys())]
        # Home came here from elsewhere: every place is to have of us what it had of the one before.
        all_anew = any(before.values()) and not any(said.values())
        written += [
            {"patient_id": patient_id, "tenant_id": network, "is_home": is_home, "since": act.now}
            for network, is_home in sorted(said.items())
            if all_anew or before.get(network) is not is_home
        ]
        former = [(patient_id, each) for each, was_home in before.items() if was_home and not said.get(each)]
        await owing.owe_no_more(connection, former, act.now)
    if written:
        new = upsert(patient_place)
        said_now = {"is_home": new.excluded.is_home, "owed_at": null()}
        await connection.execute(
            new.on_conflict_do_update(index_elements=["patient_id", "tenant_id"], set_=said_now), written
        )
    return newcomers


async def owe_new(office: Office) -> int:
    """Owe the places that are new, or home now, all that they are to have; how many. For a task of ours."""
    done = 0
    while True:
        async with office.tenant.database.transaction() as connection:
            home = patient_place.alias("home")
            is_home_elsewhere = (
                select(literal(1)).where(home.c.patient_id == patient_place.c.patient_id, home.c.is_home).exists()
            )
            unowed = (
                select(
                    patient_place.c.patient_id,
                    patient_place.c.tenant_id,
                    patient_place.c.is_home,
                    is_home_elsewhere.label("is_elsewhere"),
                )
                .where(patient_place.c.owed_at.is_(None))
                .order_by(patient_place.c.patient_id, patient_place.c.tenant_id)
                .limit(_AT_ONCE)
                .with_for_update(of=patient_place)
            )
            rows = (await connection.execute(unowed)).all()
            pairs = {
                Audience.EVERYWHERE: [(row.patient_id, row.tenant_id) for row in rows],
                Audience.PLACES: [(row.patient_id, row.tenant_id) for row in rows if not row.is_elsewhere],
                Audience.HOME: [(row.patient_id, row.tenant_id) for row in rows if row.is_home],
            }
            now = office.clock.now()
            for to, told in pairs.items():
                await owing.owe_whole(connection, to, told, now)
            if rows:
                place = tuple_(patient_place.c.patient_id, patient_place.c.tenant_id)
                owed = update(patient_place).where(place.in_([(row.patient_id, row.tenant_id) for row in rows]))
                await connection.execute(owed.values(owed_at=now))
        done += len(rows)
        if len(rows) < _AT_ONCE:
            return done


async def others(connection: AsyncConnection, patient_id: UUID) -> list[str]:
    """The other networks that hold something of a patient."""
    held = select(patient_place.c.tenant_id).where(patient_place.c.patient_id == patient_id)
    return list(await connection.scalars(held.order_by(patient_place.c.tenant_id)))


async def is_new(connection: AsyncConnection, patient_id: UUID) -> bool:
    """Whether a place of a patient is yet to be owed what it is to have."""
    unowed = select(literal(1)).where(patient_place.c.patient_id == patient_id, patient_place.c.owed_at.is_(None))
    return (await connection.execute(unowed.limit(1))).first() is not None


async def write_home(act: Act, patient_id: UUID, network: str | None) -> None:
    """Write down that a patient's home is that place, or here (null), before the directory says so."""
    await act.connection.execute(
        update(patient_place)
        .where(patient_place.c.patient_id == patient_id)
        .values(is_home=patient_place.c.tenant_id == literal(network) if network else literal(False))
    )


async def away_from_home(connection: AsyncConnection, patient_ids: Collection[UUID]) -> set[UUID]:
    """Those of the patients whose home is another network."""
    return {each.patient_id for each in await run(connection, _AWAY_FROM_HOME, {"patients": list(patient_ids)})}


def decided_by(tenant_id: str) -> Callable[[AsyncConnection, Collection[UUID]], Awaitable[set[UUID]]]:
    """Of patients, those of whom that network decides, and nobody else: it is their home, or handed them on to here."""

    async def those(connection: AsyncConnection, patient_ids: Collection[UUID]) -> set[UUID]:
        at_home = select(patient_place.c.patient_id).where(
            patient_place.c.patient_id.in_(patient_ids),
            patient_place.c.tenant_id == tenant_id,
            patient_place.c.is_home,
            patient_place.c.until.is_(None),
        )
        handed_on = select(home_move.c.patient_id).where(
            home_move.c.patient_id.in_(patient_ids), home_move.c.from_tenant == tenant_id
        )
        return set(await connection.scalars(at_home.union(handed_on)))

    return those


def _said(found: Whereabouts, here: str, moving_to: str | None) -> dict[str, bool]:
    """By other network: whether it is home. While home is handed on, this network goes before the directory: the one
    that he leaves decides no more, the one he comes to decides from the moment it took over."""
    home_id = moving_to or found.home_id
    return {network: network == home_id for network in {*found.tenants, home_id} if network != here}


async def patients_at(connection: AsyncConnection, keys: Sequence[str]) -> dict[str, UUID]:
    """The patients of this network that the locator knows under these keys."""
    held = select(patient_location).where(patient_location.c.person_key.in_(keys))
    return {row.person_key: row.patient_id for row in await connection.execute(held)}


async def keys_of(connection: AsyncConnection, patient_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The keys of patients in the locator; nothing for those that it was not told of."""
    held = select(patient_location).where(patient_location.c.patient_id.in_(patient_ids))
    return {row.patient_id: row.person_key for row in await connection.execute(held)}


async def _remember(connection: AsyncConnection, keys: Mapping[UUID, str], now: datetime) -> None:
    new = upsert(patient_location)
    await connection.execute(
        new.on_conflict_do_update(
            index_elements=["patient_id"],
            set_={"person_key": new.excluded.person_key},
            where=patient_location.c.person_key != new.excluded.person_key,
        ),
        [{"patient_id": patient_id, "person_key": key, "located_at": now} for patient_id, key in sorted(keys.items())],
    )


async def _open_moves(connection: AsyncConnection, patient_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Where the patients whose home is being handed on are to be at home."""
    held = select(home_move.c.patient_id, home_move.c.to_tenant).where(
        home_move.c.patient_id.in_(patient_ids), home_move.c.settled_at.is_(None)
    )
    return {row.patient_id: row.to_tenant for row in await connection.execute(held)}


_AWAY_FROM_HOME: Final = Statement(
    select(patient_place.c.patient_id).where(
        patient_place.c.patient_id == any_(bindparam("patients", type_=ARRAY(Uuid()))), patient_place.c.is_home
    )
)
