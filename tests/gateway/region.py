"""Two networks behind one gateway: the one of the test module, where a patient is visiting, and his home."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import httpx2
from sqlalchemy import insert
from starlette.applications import Starlette

from passerelle.kernel.context import Context, Tenant
from passerelle.kernel.database import Database
from passerelle.kernel.errors import InvalidInput
from passerelle_graphql.routes import routes
from passerelle_tenants.federation import answering, keys
from passerelle_tenants.federation.asking import Asking
from passerelle_tenants.federation.keys import Keyring
from passerelle_tenants.federation.office import Office
from passerelle_tenants.federation.tables import federation_peer, patient_place
from passerelle_tenants.federation.travellers import Kinds
from passerelle_tenants.tables import tenant as recorded
from tests import builders
from tests.gateway.records import Record, new_record
from tests.gateway.serving import TENANT, Serving, listening

HOME = "oncopl"


class _Nowhere:
    async def carry(self, to_tenant: str, envelope: bytes) -> None:
        raise AssertionError("nothing is carried here")


@dataclass(slots=True)
class Region:
    """This network, where the patient is visiting, and his home, each with its own database and keys."""

    serving: Serving
    home: builders.World
    tenants: dict[str, Tenant]
    url: str | None

    async def tenant(self, tenant_id: str) -> Tenant:
        if tenant_id not in self.tenants:
            raise InvalidInput("TENANT_UNKNOWN", tenant=tenant_id)
        return self.tenants[tenant_id]

    def endpoint(self, network: str) -> str | None:
        return f"{self.url}/{network}/federation/questions" if self.url is not None else None

    def office(self, tenant: Tenant) -> Office:
        clock, directory = self.serving.gateway.clock, self.serving.directory
        keyring = Keyring(directory.database, clock)
        return Office(
            tenant=tenant, directory=directory, keyring=keyring, kinds=Kinds(()), carrier=_Nowhere(), clock=clock
        )

    async def visit(self, *, authorized: bool = True) -> tuple[Record, UUID]:
        """A patient of the home who is known here, and a doctor of here whom he authorised here, and at home too."""
        record = await new_record(self.serving)
        patient_id, person = await self.home.patient(record.ins, open_=True)
        if authorized:
            await self.home.authorize(patient_id, person, record.doctor_actor)
        async with self.serving.world.tenant.database.transaction() as connection:
            await connection.execute(
                insert(patient_place).values(
                    patient_id=record.patient_id, tenant_id=HOME, is_home=True, since=self.home.clock.now()
                )
            )
        return record, patient_id


@asynccontextmanager
async def region_of(serving: Serving, home_database: Database, folder: Path) -> AsyncIterator[Region]:
    """The network of `serving`, and a home beside it, which know each other and answer behind one gateway."""
    here, clock = serving.world.tenant, serving.gateway.clock
    home = replace(builders.network(home_database, folder), id=HOME, name="Oncopl")
    region = Region(serving, builders.World(home, serving.world.clock), {TENANT: here, HOME: home}, "")
    directory = serving.directory.database
    async with directory.transaction() as connection:
        await connection.execute(
            insert(recorded),
            [
                {"tenant_id": each.id, "name": each.name, "is_test": True, "settings": {}, "created_at": clock.now()}
                for each in region.tenants.values()
            ],
        )
    for each in region.tenants.values():
        await keys.publish(each, directory, clock)
        others = [other for other in region.tenants.values() if other is not each]
        async with each.database.transaction() as connection:
            await connection.execute(
                insert(federation_peer),
                [{"tenant_id": other.id, "name": other.name, "as_of": clock.now()} for other in others],
            )

    async def answers(tenant_id: str, question: bytes) -> answering.Answer:
        return await answering.answer(region.office(await region.tenant(tenant_id)), question)

    async def office(context: Context) -> Office:
        return region.office(context.tenant)

    async with httpx2.AsyncClient() as http:
        asking = Asking(office, region.endpoint, lambda: http)
        serving.gateway = replace(serving.gateway, registry=region, answers=answers, records_elsewhere=asking)
        serving.app = Starlette(routes=routes(serving.gateway))
        async with listening(serving.app) as url:
            region.url = url
            yield region
