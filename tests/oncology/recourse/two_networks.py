"""Two networks: one asks, the other has the experts; and ways between them that lose, repeat and keep waiting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.audit.transactions import transaction
from passerelle.identities.directory import Directory
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import SetClock
from passerelle.kernel.context import Context, Tenant
from passerelle.kernel.errors import InvalidInput
from passerelle.oncology import lent_cases, lent_documents, recourse, recourse_arrivals
from passerelle.oncology.lent_cases import LentCase
from passerelle.oncology.recourse import Referral
from passerelle.oncology.recourse_words import Message, RecourseTransport
from passerelle.oncology.tables import recourse_case
from passerelle_ops.recourse import bind_recourse
from passerelle_ops.relay import Subscribers, relay
from passerelle_ops.schedule import beat_context
from passerelle_tenants.federation import keys, peers
from passerelle_tenants.federation.kinds.recourse import OverFederation, Recourse
from passerelle_tenants.federation.office import Office
from passerelle_tenants.federation.sending import send_due
from passerelle_tenants.federation.tables import federation_out
from passerelle_tenants.federation.taking_in import take_in
from passerelle_tenants.federation.travellers import Kinds
from passerelle_tenants.tables import tenant as recorded
from tests import builders
from tests.federation.exchange import Post
from tests.oncology.sheet_life.opinions import Opinion, Opinions


class Away(Exception):
    """The other network does not answer."""


@dataclass(slots=True)
class Unreliable:
    """A way that gives each message `times` over, and `fails` as often after it gave one: a lost acknowledgement. While
    it `keeps` messages, it takes them and gives none."""

    way: RecourseTransport
    times: int = 1
    fails: int = 0
    keeps: bool = False
    sent: list[Message] = field(default_factory=list)

    async def send(self, message: Message, /) -> None:
        self.sent.append(message)
        for _ in range(0 if self.keeps else self.times):
            await self.way.send(message)
        if self.fails:
            self.fails -= 1
            raise Away


@dataclass(slots=True)
class Exchange:
    """The post offices of both, and a carrier that brings each envelope twice, the last first."""

    directory: Directory
    people: Directory = field(default_factory=lambda: cast(Directory, builders.DIRECTORY))
    post: Post = field(default_factory=Post)
    offices: dict[str, Office] = field(default_factory=dict)

    async def set_up(self, tenants: Sequence[Tenant], clock: SetClock) -> None:
        """Have the networks know each other."""
        said = {"is_test": True, "settings": {}, "created_at": clock.now()}
        async with self.directory.database.transaction() as connection:
            rows = [{"tenant_id": each.id, "name": each.name, **said} for each in tenants]
            await connection.execute(upsert(recorded).on_conflict_do_nothing(), rows)
        for each in tenants:
            await keys.publish(each, self.directory.database, clock)
        for each in tenants:
            office = Office(
                tenant=each,
                directory=self.people,
                keyring=keys.Keyring(self.directory.database, clock),
                kinds=Kinds((Recourse(each),)),
                carrier=self.post,
                clock=clock,
            )
            await peers.sync(office)
            self.offices[each.id] = office

    async def turn(self) -> None:
        for office in self.offices.values():
            await send_due(office)
        while self.post.bag:
            bag, self.post.bag = [*reversed(self.post.bag)], []
            for to_network, envelope in [*bag, *bag]:
                taken = await take_in(self.offices[to_network], envelope)
                assert (taken.reason, taken.refused) == ("", 0)


@dataclass(slots=True)
class Between:
    """Both networks, and the way between them."""

    home: Opinions
    there: Opinions
    exchange: Exchange
    way: Unreliable = field(init=False)
    subscribers: Subscribers = field(default_factory=Subscribers)

    def __post_init__(self) -> None:
        self.way = Unreliable(OverFederation(self._tenant, self.home.clock))
        bind_recourse(self.subscribers, self.way, lambda: self.exchange.people, self.home.clock)

    async def set_up(self) -> None:
        await self.exchange.set_up([self.home.tenant, self.there.tenant], self.home.clock)

    async def _tenant(self, tenant_id: str) -> Tenant:
        for each in (self.home, self.there):
            if each.tenant.id == tenant_id:
                return each.tenant
        raise InvalidInput("TENANT_UNKNOWN", tenant=tenant_id)

    def context(self, tenant: Tenant) -> Context:
        """Of what a network does by itself."""
        return replace(beat_context(tenant, self.home.clock), directory=builders.DIRECTORY)

    async def receive(self, tenant: Tenant, message: Message) -> None:
        """Have a network take a message in once more."""
        async with transaction(self.context(tenant)) as act:
            await recourse_arrivals.take(act, message)

    async def travel(self, *, turns: int = 3) -> None:
        """As long as it takes for what waits in both networks to arrive, and for its answers."""
        for _ in range(turns):
            for each in (self.home, self.there):
                await relay(each.tenant, self.subscribers, self.home.clock)
                await self.exchange.turn()
            self.home.clock.advance(timedelta(seconds=5))

    async def refer(self, of: Opinion, to: Opinion) -> Referral:
        referral: Referral = await self.home.do(
            of.doctor, recourse.refer, of.case_id, self.there.tenant.id, to.board.board_id
        )
        return referral

    async def referral(self, of: Opinion) -> Referral:
        """The newest referral of a case."""
        found: list[Referral] = await self.home.do(of.doctor, recourse.of_case, of.patient_id, of.case_id)
        return found[0]

    async def lent(self, to: Opinion, who: Actor) -> Sequence[LentCase]:
        """What somebody there reads of what was lent for his session."""
        async with transaction(self.there.context(who)) as act:
            return await lent_cases.of_session(act, to.board.session_id)

    async def opened(
        self, who: Actor, sent: Referral, document_id: UUID, *, continues: bool = False
    ) -> lent_documents.LentContent:
        """The octets of a document lent with a case."""
        context = self.there.context(who)
        return await lent_documents.open_lent(context, sent.referral_id, document_id, continues=continues)

    async def on_the_way(self) -> list[str]:
        """What is kept of words that were said until they have arrived, on either side."""
        kept: list[str] = []
        for each in (self.home, self.there):
            async with each.tenant.database.transaction() as connection:
                found = await connection.scalars(select(federation_out.c.payload))
                kept += [str(payload) for payload in found if payload is not None]
        return kept

    async def row(self, referral_id: UUID) -> Any:
        """What lies there of a case."""
        async with self.there.tenant.database.transaction() as connection:
            found = select(recourse_case).where(recourse_case.c.referral_id == referral_id)
            return (await connection.execute(found)).one_or_none()
