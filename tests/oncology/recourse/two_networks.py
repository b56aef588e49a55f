"""Two networks: one asks, the other has the experts; and ways between them that lose, repeat and keep waiting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from passerelle.audit.transactions import transaction
from passerelle.kernel.actors import Actor
from passerelle.kernel.context import Context, Tenant
from passerelle.kernel.errors import InvalidInput
from passerelle.oncology import lent_cases, lent_documents, recourse
from passerelle.oncology.lent_cases import LentCase
from passerelle.oncology.recourse import Referral
from passerelle.oncology.recourse_words import Message, RecourseTransport
from passerelle.oncology.tables import recourse_case
from passerelle_ops.recourse import WithinInstallation, bind_recourse
from passerelle_ops.relay import Subscribers, relay
from passerelle_ops.schedule import beat_context
from tests import builders
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
class Between:
    """Both networks, and the way between them."""

    home: Opinions
    there: Opinions
    way: Unreliable = field(init=False)
    subscribers: Subscribers = field(default_factory=Subscribers)

    def __post_init__(self) -> None:
        self.way = Unreliable(WithinInstallation(self._tenant, self.context))
        bind_recourse(self.subscribers, self._tenant, lambda: builders.DIRECTORY, self.home.clock, self.way)  # type: ignore[arg-type, return-value]

    async def _tenant(self, tenant_id: str) -> Tenant:
        for each in (self.home, self.there):
            if each.tenant.id == tenant_id:
                return each.tenant
        raise InvalidInput("TENANT_UNKNOWN", tenant=tenant_id)

    def context(self, tenant: Tenant) -> Context:
        """Of what a network does by itself."""
        return replace(beat_context(tenant, self.home.clock), directory=builders.DIRECTORY)

    async def travel(self, *, turns: int = 3) -> None:
        """As long as it takes for what waits in both networks to arrive, and for its answers."""
        for _ in range(turns):
            for each in (self.home, self.there):
                await relay(each.tenant, self.subscribers, self.home.clock)
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

    async def row(self, referral_id: UUID) -> Any:
        """What lies there of a case."""
        async with self.there.tenant.database.transaction() as connection:
            found = select(recourse_case).where(recourse_case.c.referral_id == referral_id)
            return (await connection.execute(found)).one_or_none()
