"""Networks that exchange notes: real databases, real keys, and a carrier that does what a test wants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import psycopg
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.outbox import Event, publish
from passerelle.audit.transactions import Act, transaction
from passerelle.identities.directory import Directory
from passerelle.kernel.clock import SetClock
from passerelle_tenants.federation import keys
from passerelle_tenants.federation.addressing import address
from passerelle_tenants.federation.office import Office
from passerelle_tenants.federation.sending import send_due
from passerelle_tenants.federation.tables import patient_place
from passerelle_tenants.federation.taking_in import Taken, take_in
from passerelle_tenants.federation.travellers import APPLIED, LATER, Addressed, Audience, Kinds, Owed, Priority
from passerelle_tenants.tables import tenant as recorded
from tests.builders import network, operator
from tests.conftest import Cloned, Template

_NOTES = """
create table note (
  note_id uuid primary key, text text not null, version bigint not null default 0, applied int not null default 0
);
grant select, insert, update on note to passerelle_serving
"""
PATIENT = UUID(int=7)
#: What `Note.apply` makes of a note of this text.
POISON, BROKEN, UNREADY = "poison", "broken", "unready"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteWritten(Event):
    name: ClassVar[str] = "test.note_written"
    note_id: UUID


class Note:
    """A kind of what travels that is as plain as can be: a text by id, and how often it was applied."""

    kind = "note"
    priority = Priority.FILLS
    addressed = (Addressed(events=(NoteWritten.name,), to=Audience.EVERYWHERE, object_id="note_id"),)

    def __init__(self) -> None:
        self.before_commit: Callable[[], Awaitable[None]] | None = None

    async def gather(self, connection: AsyncConnection, to_tenant: str, owed: Sequence[Owed]) -> str:
        rows = await connection.execute(
            text(
                "select json_agg(json_build_object('id', note_id, 'version', owed.version, 'text', note.text))::text"
                " from unnest(cast(:ids as uuid[]), cast(:versions as bigint[])) as owed(id, version)"
                " join note on note_id = owed.id"
            ),
            {"ids": [each.object_id for each in owed], "versions": [each.version for each in owed]},
        )
        return str(rows.scalar_one())

    async def apply(self, act: Act, from_tenant: str, items: str) -> Mapping[UUID, str]:
        rows = await act.connection.execute(
            text(
                "with item as (select * from json_to_recordset(cast(:items as json)) as i(id uuid, version bigint,"
                " text text)), written as (insert into note (note_id, text, version, applied)"
                " select id, text, version, case text when 'broken' then 1 / (length(text) - 6) else 1 end"
                " from item where text not in ('poison', 'unready')"
                " on conflict (note_id) do update set text = excluded.text, version = excluded.version,"
                " applied = note.applied + 1) select id, text from item"
            ),
            {"items": items},
        )
        if self.before_commit is not None:
            await self.before_commit()
        answers = {POISON: "NOTE_REFUSED", UNREADY: LATER}
        return {note_id: answers.get(said, APPLIED) for note_id, said in rows}


class Post:
    """The carrier of all networks: what was given to it, in order, until a test takes it."""

    def __init__(self) -> None:
        self.bag: list[tuple[str, bytes]] = []
        self.is_closed = False

    async def carry(self, to_tenant: str, envelope: bytes) -> None:
        if self.is_closed:
            raise ConnectionError("the broker is gone")
        self.bag.append((to_tenant, envelope))


@dataclass(slots=True)
class Exchange:
    """Networks with their offices, and short ways to make things happen."""

    offices: Mapping[str, Office]
    post: Post
    clock: SetClock
    note: Note
    databases: Mapping[str, Cloned] = field(default_factory=dict)

    async def write(self, tenant_id: str, *notes: tuple[UUID, str], patient_id: UUID = PATIENT) -> None:
        """Write notes as a use case would: the change and its event in one transaction."""
        office = self.offices[tenant_id]
        async with transaction(replace(office.context("essai", "essai"), actor=operator())) as act:
            for note_id, said in notes:
                await act.connection.execute(
                    text(
                        "insert into note (note_id, text) values (:id, :text)"
                        " on conflict (note_id) do update set text = excluded.text"
                    ),
                    {"id": note_id, "text": said},
                )
                await publish(act, NoteWritten(patient_id=patient_id, note_id=note_id))

    async def turn(self, *tenant_ids: str) -> None:
        """A turn of these networks, or of all."""
        for office in [self.offices[each] for each in tenant_ids or self.offices]:
            await address(office)
            await send_due(office)

    async def deliver(self) -> list[Taken]:
        """Deliver all that was carried, and what that gives rise to."""
        done = []
        while self.post.bag:
            to_tenant, envelope = self.post.bag.pop(0)
            done.append(await take_in(self.offices[to_tenant], envelope))
        return done

    async def settle(self, turns: int = 3) -> None:
        """Turns and deliveries, as long as nothing is due."""
        for _ in range(turns):
            await self.turn()
            await self.deliver()

    async def rows(self, tenant_id: str, statement: str, **given: Any) -> list[tuple[Any, ...]]:
        async with self.offices[tenant_id].tenant.database.transaction() as connection:
            return [tuple(row) for row in await connection.execute(text(statement), given)]

    async def notes(self, tenant_id: str) -> dict[UUID, tuple[str, int]]:
        """Every note with how often it was applied."""
        rows = await self.rows(tenant_id, "select note_id, text, applied from note")
        return {note_id: (said, applied) for note_id, said, applied in rows}

    async def owed(self, tenant_id: str) -> int:
        [(count,)] = await self.rows(tenant_id, "select count(*) from federation_out where acked_version < version")
        return int(count)


@asynccontextmanager
async def exchange(
    tenant_template: Template, directory_template: Template, folder: Path, clock: SetClock, *names: str
) -> AsyncIterator[Exchange]:
    """As many networks as names, each with `PATIENT` in all of the others, that know each other already."""
    async with AsyncExitStack() as stack:
        cloned = {each: await stack.enter_async_context(_cloned(tenant_template)) for each in names}
        directory = Directory((await stack.enter_async_context(_cloned(directory_template))).database)
        recorded_as = {"is_test": True, "settings": {}, "created_at": clock.now()}
        async with directory.database.transaction() as connection:
            rows = [{"tenant_id": each, "name": f"Réseau {each}", **recorded_as} for each in names]
            await connection.execute(insert(recorded), rows)
        post, note, offices = Post(), Note(), {}
        for each, database in cloned.items():
            tenant = replace(network(database.database, folder / each), id=each, name=f"Réseau {each}")
            await keys.publish(tenant, directory.database, clock)
            await _prepare(database, [other for other in names if other != each], clock)
            offices[each] = Office(
                tenant=tenant,
                directory=directory,
                keyring=keys.Keyring(directory.database, clock),
                kinds=Kinds((note,)),
                carrier=post,
                clock=clock,
            )
        made = Exchange(offices, post, clock, note, cloned)
        await made.settle()
        yield made


async def _prepare(database: Cloned, others: Sequence[str], clock: SetClock) -> None:
    async with await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as owner:
        await owner.execute(_NOTES.encode())
    async with database.database.transaction() as connection:
        rows = [{"patient_id": PATIENT, "tenant_id": each, "since": clock.now()} for each in others]
        await connection.execute(insert(patient_place), rows)


@asynccontextmanager
async def _cloned(template: Template) -> AsyncIterator[Cloned]:
    database = template.clone()
    try:
        yield await anext(database)
    finally:
        async for _ in database:
            pass
