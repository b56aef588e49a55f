"""Networks that share patients, and what one owes the other carried over by hand, as far as a test lets it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update

from passerelle.audit.transactions import transaction
from passerelle.identities.directory import Directory
from passerelle.identities.ins import Ins
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import SetClock
from passerelle.kernel.keys import Keys
from passerelle_tenants.federation import home_moves, merging, places
from passerelle_tenants.federation.addressing import address
from passerelle_tenants.federation.keys import Keyring
from passerelle_tenants.federation.kinds.home import HandedHome
from passerelle_tenants.federation.kinds.identity import Identity
from passerelle_tenants.federation.kinds.merged_patients import MergedPatients
from passerelle_tenants.federation.kinds.place import Place
from passerelle_tenants.federation.office import Office
from passerelle_tenants.federation.tables import federation_out, federation_peer, home_move, patient_place
from passerelle_tenants.federation.travellers import LATER, Kinds, Owed, Traveller
from passerelle_tenants.locator import Locator, Whereabouts
from passerelle_tenants.locator_key import LocatorKey
from tests.builders import World, ins_of, network
from tests.conftest import Cloned, Template

_people = count(41_000)


class NoCarrier:
    """Nothing leaves by itself: `Region.carry` is the way."""

    async def carry(self, to_tenant: str, envelope: bytes) -> None:
        raise AssertionError("a test of homes carries by hand")


@dataclass(slots=True)
class Region:
    """Some networks of one installation."""

    worlds: dict[str, World]
    offices: dict[str, Office]
    locator: Locator
    clock: SetClock
    patients: dict[str, UUID] = field(default_factory=dict)  # of the person that the test is about, by network
    ins: Ins = field(default_factory=lambda: ins_of(next(_people)))

    def of_somebody_else(self) -> Region:
        """The same networks, about a person whom nobody knows yet."""
        return Region(self.worlds, self.offices, self.locator, self.clock)

    async def arrive(self, name: str, ins: Ins | None = None) -> tuple[UUID, Actor]:
        """Open the person's record in a network."""
        patient_id, person = await self.worlds[name].patient(ins or self.ins)
        self.patients[name] = patient_id
        return patient_id, person

    async def locate(self, *names: str) -> None:
        for name in names or self.offices:
            await places.locate(self.offices[name], self.locator)
            await places.owe_new(self.offices[name])

    async def carry(self, from_: str, *, only: Sequence[str] = ()) -> int:
        """Carry what a network owes, of some kinds or of all, and bring back the answers; how many were applied."""
        office, applied = self.offices[from_], 0
        async with office.tenant.database.transaction() as connection:
            owed = (
                await connection.execute(
                    select(federation_out)
                    .where(federation_out.c.acked_version < federation_out.c.version)
                    .order_by(federation_out.c.priority, federation_out.c.version)
                )
            ).all()
        for row in owed:
            if only and row.kind not in only:
                continue
            kind, target = office.kinds.get(row.kind), self.offices[row.to_tenant]
            if kind is not None and not await self._apply(office, target, kind, row):
                continue
            applied += 1
            async with office.tenant.database.transaction() as connection:
                await connection.execute(
                    update(federation_out)
                    .where(
                        *(federation_out.c[name] == getattr(row, name) for name in ("to_tenant", "kind", "object_id"))
                    )
                    .values(acked_version=row.version)
                )
        return applied

    async def _apply(self, office: Office, target: Office, kind: Traveller, row: Any) -> bool:
        owed = Owed(object_id=row.object_id, patient_id=row.patient_id, version=row.version)
        async with office.tenant.database.transaction() as connection:
            items = await kind.gather(connection, row.to_tenant, [owed])
        async with transaction(target.context(office.tenant.id, "essai")) as act:
            [answer] = (await kind.apply(act, office.tenant.id, items)).values()
        assert answer in {"applied", LATER}, answer
        return answer == "applied"

    async def turn(self, name: str) -> int:
        """A turn of a network, without the sending."""
        office = self.offices[name]
        done = await places.locate(office, self.locator)
        done += await places.owe_new(office)
        done += await merging.turn(office, self.locator)
        done += (await address(office)).owed
        return done + await home_moves.turn(office, self.locator)

    async def settle(self) -> None:
        """Turns and deliveries until nothing is left to do."""
        for _ in range(12):
            done = 0
            for name in self.offices:
                done += await self.turn(name)
                done += await self.carry(name)
            if not done:
                return
        raise AssertionError("the networks never come to rest")

    async def whereabouts(self, ins: Ins | None = None) -> Whereabouts:
        key = self.locator.person_key(ins or self.ins)
        return (await self.locator.find([key]))[key]

    async def believed(self) -> dict[str, str]:
        """By network: which network it believes to be the person's home."""
        found = {}
        for name, patient_id in self.patients.items():
            rows = await self.rows(
                name,
                select(patient_place.c.tenant_id).where(
                    patient_place.c.patient_id == patient_id, patient_place.c.is_home
                ),
            )
            found[name] = rows[0][0] if rows else name
        return found

    async def places(self, name: str) -> dict[str, bool]:
        rows = await self.rows(
            name,
            select(patient_place.c.tenant_id, patient_place.c.is_home).where(
                patient_place.c.patient_id == self.patients[name]
            ),
        )
        return dict(rows)

    async def owed(self, name: str) -> set[tuple[str, str]]:
        """What a network still owes: kinds and to whom."""
        rows = await self.rows(
            name,
            select(federation_out.c.kind, federation_out.c.to_tenant).where(
                federation_out.c.acked_version < federation_out.c.version
            ),
        )
        return set(rows)

    async def moves(self, name: str) -> list[tuple[Any, ...]]:
        """The moves of the person that a network has a part in: to whom, and which steps it took."""
        taken = home_move.c
        return await self.rows(
            name,
            select(
                taken.to_tenant,
                taken.handed_at.is_not(None),
                taken.taken_at.is_not(None),
                taken.settled_at.is_not(None),
            )
            .where(taken.patient_id == self.patients[name])
            .order_by(taken.version),
        )

    async def rows(self, name: str, statement: Any) -> list[tuple[Any, ...]]:
        async with self.offices[name].tenant.database.transaction() as connection:
            return [tuple(row) for row in await connection.execute(statement)]


@asynccontextmanager
async def region(
    tenant_template: Template,
    directory_template: Template,
    folder: Path,
    *names: str,
    more: Sequence[Traveller] = (),
) -> AsyncIterator[Region]:
    """As many networks as names, with nobody in them."""
    clock = SetClock(datetime(2026, 11, 16, 9, 0, tzinfo=UTC))
    async with AsyncExitStack() as stack:
        directory = Directory((await stack.enter_async_context(_cloned(directory_template))).database)
        locator = Locator(directory.database, LocatorKey(Keys.create(folder / "locator.key")))
        kinds = Kinds((Identity(), Place(locator), MergedPatients(locator), HandedHome(locator), *more))
        worlds, offices = {}, {}
        for name in names:
            cloned = await stack.enter_async_context(_cloned(tenant_template))
            tenant = replace(network(cloned.database, folder / name), id=name, name=f"Réseau {name}")
            async with cloned.database.transaction() as connection:
                peers = [{"tenant_id": each, "name": f"Réseau {each}"} for each in names if each != name]
                await connection.execute(insert(federation_peer), peers)
            worlds[name] = World(tenant, clock)
            offices[name] = Office(
                tenant=tenant,
                directory=directory,
                keyring=Keyring(directory.database, clock),
                kinds=kinds,
                carrier=NoCarrier(),
                clock=clock,
            )
        yield Region(worlds, offices, locator, clock)


@asynccontextmanager
async def _cloned(template: Template) -> AsyncIterator[Cloned]:
    database = template.clone()
    try:
        yield await anext(database)
    finally:
        async for _ in database:
            pass
