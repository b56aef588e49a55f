"""A patient at home in one network who visits another: both databases, real envelopes, and an in-memory carrier."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select

from passerelle.audit.transactions import transaction
from passerelle.identities.directory import Directory
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import SetClock
from passerelle.kernel.context import Tenant
from passerelle.kernel.database import Database
from passerelle.pharmacy import presence, records
from passerelle.pharmacy.presence import PresenceProof
from passerelle_policies.vocabulary import Mode
from passerelle_tenants.federation import keys
from passerelle_tenants.federation.addressing import address
from passerelle_tenants.federation.office import Office
from passerelle_tenants.federation.sending import send_due
from passerelle_tenants.federation.tables import federation_out, patient_place
from passerelle_tenants.federation.taking_in import Taken, take_in
from passerelle_tenants.federation.travellers import Kinds, Traveller
from passerelle_tenants.tables import tenant as recorded
from tests.builders import World, at_the_counter, ins_of, network
from tests.federation.exchange import Post

NAMES = ("nantes", "toulouse")
_people = count(72_000)


@dataclass(slots=True)
class Visit:
    """Home (Nantes), the network that is visited (Toulouse), and what goes between."""

    home: World
    away: World
    offices: dict[str, Office]
    post: Post
    clock: SetClock
    given: list[tuple[str, bytes]] = field(default_factory=list)

    async def patient(self, *, is_visiting: bool = True) -> tuple[UUID, UUID, Actor, Actor]:
        """Somebody with an open record in both: his ids and himself, at home and away."""
        ins = ins_of(next(_people))
        at_home, himself = await self.home.patient(ins)
        away, himself_away = await self.away.patient(ins)
        if is_visiting:
            await self.visits(at_home, away)
        return at_home, away, himself, himself_away

    async def visits(self, at_home: UUID, away: UUID) -> None:
        """Have both networks know where else his things are."""
        for world, patient_id, other in ((self.home, at_home, "toulouse"), (self.away, away, "nantes")):
            async with world.tenant.database.transaction() as connection:
                place = {"patient_id": patient_id, "tenant_id": other, "is_home": other == "nantes"}
                await connection.execute(insert(patient_place).values(**place, since=self.clock.now()))

    async def pharmacy_record(self, world: World, patient_id: UUID) -> Actor:
        """His pharmacy record, opened at the counter; the pharmacist who did it."""
        pharmacist = at_the_counter()
        await self.at_the_counter(world, patient_id, pharmacist)
        await self.do(world, pharmacist, records.open_, patient_id, proof="accord au comptoir")
        return pharmacist

    async def at_the_counter(self, world: World, patient_id: UUID, pharmacist: Actor) -> None:
        """The patient is before a pharmacist."""
        await self.do(world, pharmacist, presence.attest_presence, patient_id, shown=PresenceProof.VITALE_CARD)

    async def do(
        self,
        world: World,
        actor: Actor,
        use_case: Callable[..., Awaitable[Any]],
        *given: Any,
        mode: Mode = Mode.NORMAL,
        **named: Any,
    ) -> Any:
        """One use case in a transaction of its own."""
        async with transaction(world.context(actor, mode=mode)) as act:
            return await use_case(act, *given, **named)

    async def travel(self, turns: int = 2) -> list[Taken]:
        """Turns and deliveries, each envelope twice, the last first: once is enough, in any order."""
        done = []
        for _ in range(turns):
            for office in self.offices.values():
                await address(office)
                await send_due(office)
            while self.post.bag:
                bag, self.post.bag = [*reversed(self.post.bag)], []
                self.given += bag
                for to_tenant, envelope in [*bag, *bag]:
                    done.append(await take_in(self.offices[to_tenant], envelope))
            self.clock.advance(timedelta(seconds=1))
        assert not [each for each in done if each.reason]
        return done

    async def owed(self) -> list[tuple[str, str | None]]:
        """What was not acknowledged on either side: kinds, and the code of what is dead."""
        rows: list[tuple[str, str | None]] = []
        for office in self.offices.values():
            found = select(federation_out.c.kind, federation_out.c.code).where(
                federation_out.c.acked_version < federation_out.c.version
            )
            rows += [(row.kind, row.code) for row in await self.rows(office.tenant, found)]
        return rows

    async def rows(self, of: World | Tenant, statement: Any) -> Sequence[Any]:
        database: Database = of.database if isinstance(of, Tenant) else of.tenant.database
        async with database.transaction() as connection:
            return (await connection.execute(statement)).all()


@asynccontextmanager
async def visit(
    databases: Sequence[Database], directory: Directory, folder: Path, kinds: Sequence[Traveller]
) -> AsyncIterator[Visit]:
    """Both networks, which know each other's keys."""
    clock, post = SetClock(datetime(2026, 11, 16, 9, tzinfo=UTC)), Post()
    worlds: list[World] = []
    offices: dict[str, Office] = {}
    said = {"is_test": True, "settings": {}, "created_at": clock.now()}
    async with directory.database.transaction() as connection:
        rows = [{"tenant_id": each, "name": f"Réseau {each}", **said} for each in NAMES]
        await connection.execute(insert(recorded), rows)
    for name, database in zip(NAMES, databases, strict=True):
        tenant = replace(network(database, folder / name), id=name, name=f"Réseau {name}")
        await keys.publish(tenant, directory.database, clock)
        worlds.append(World(tenant, clock))
        offices[name] = Office(
            tenant=tenant,
            directory=directory,
            keyring=keys.Keyring(directory.database, clock),
            kinds=Kinds(kinds),
            carrier=post,
            clock=clock,
        )
    yield Visit(worlds[0], worlds[1], offices, post, clock)
