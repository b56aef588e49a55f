"""`recourse`: what two networks say to each other of a case that is lent, each word said once.

Until it is acknowledged, a word lies in the database of the network that says it (`federation_out.payload`), sealed
under a key of its own that the network's keys wrap, as a lent case does where the experts are: a dump shows of it which
referral it is about. It is opened as it is sent, within what is sealed for the other network, and forgotten once it was
taken in there. A later word takes the place of the one before; only readings are all told.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from uuid import UUID, uuid5

from sqlalchemy import DateTime, SmallInteger, Text, Uuid, cast, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.journal import NOBODY
from passerelle.audit.transactions import Act
from passerelle.kernel.clock import Clock
from passerelle.kernel.context import Tenant
from passerelle.kernel.errors import PasserelleError
from passerelle.oncology import recourse_arrivals, sealed_cases
from passerelle.oncology.recourse_words import Message, NetworkUnknown, Word
from passerelle.oncology.sealed_cases import Sealed
from passerelle_tenants.federation.addressing import owe
from passerelle_tenants.federation.tables import federation_peer
from passerelle_tenants.federation.travellers import APPLIED, Addressed, Owed, Priority

KIND: Final = "recourse"
#: What was said is no word of ours.
UNREADABLE: Final = "FEDERATION_RECOURSE_UNREADABLE"
# Of the words of one bundle, sealed: documents come with a case, and a broker carries no message of any size.
_OCTETS: Final = 40_000_000


@dataclass(frozen=True, slots=True)
class OverFederation:
    """Implements `RecourseTransport`: what is said is owed to the other network, and committed before `send` returns.

    `tenant` gives the networks of this process, by id: those that say something.
    """

    tenant: Callable[[str], Awaitable[Tenant]]
    clock: Clock

    async def send(self, message: Message, /) -> None:
        """`RecourseTransport.send`."""
        tenant, now = await self.tenant(message.from_network), self.clock.now()
        kept = await asyncio.to_thread(sealed_cases.sealed, tenant, message.referral_id, message.body)
        said = {
            "word": message.word.value,
            "referral": str(message.referral_id),
            "sealed": base64.b64encode(kept.sealed).decode("ascii"),
            "key": base64.b64encode(kept.wrapped_key).decode("ascii"),
        }
        rows = select(
            literal(message.to_network, Text()).label("to_tenant"),
            literal(KIND, Text()).label("kind"),
            literal(_object_id(message), Uuid()).label("object_id"),
            literal(NOBODY, Uuid()).label("patient_id"),
            literal(int(Priority.NARROWS), SmallInteger()).label("priority"),
            literal(now, DateTime(timezone=True)).label("since"),
            cast(literal(json.dumps(said), Text()), JSONB).label("payload"),
        )
        async with tenant.database.transaction() as connection:
            known = select(federation_peer.c.tenant_id).where(federation_peer.c.tenant_id == message.to_network)
            if (await connection.execute(known)).first() is None:
                raise NetworkUnknown
            await connection.execute(owe(rows.subquery("said"), literal(now, DateTime(timezone=True))))


@dataclass(frozen=True, slots=True)
class Recourse:
    """Owed by `OverFederation`, of the network whose post office has it. Goes first: some words take a case back."""

    tenant: Tenant
    kind: ClassVar[str] = KIND
    priority: ClassVar[Priority] = Priority.NARROWS
    addressed: ClassVar[Sequence[Addressed]] = ()

    async def gather(self, connection: AsyncConnection, to_tenant: str, owed: Sequence[Owed]) -> str:  # noqa: ARG002
        """`Traveller.gather`. What is too much for one bundle is left out, and comes with a later one."""
        room, items = _OCTETS, list[dict[str, Any]]()
        for each in owed:
            room -= len(each.payload or "")
            if room >= 0 or not items:
                items.append({"id": str(each.object_id), "version": each.version, **await self._opened(each.payload)})
        return await asyncio.to_thread(json.dumps, items)

    async def apply(self, act: Act, from_tenant: str, items: str) -> Mapping[UUID, str]:
        """`Traveller.apply`. UNREADABLE, and the code of whatever is refused."""
        said = await asyncio.to_thread(json.loads, items)
        return {UUID(each["id"]): await _taken(act, from_tenant, each) for each in said}

    async def _opened(self, payload: str | None) -> dict[str, Any]:
        if payload is None:
            return {"gone": True}
        said = json.loads(payload)
        referral_id = UUID(said["referral"])
        kept = Sealed(sealed=base64.b64decode(said["sealed"]), wrapped_key=base64.b64decode(said["key"]))
        body = await asyncio.to_thread(sealed_cases.opened, self.tenant, referral_id, kept)
        return {"word": said["word"], "referral": said["referral"], "body": body}


async def _taken(act: Act, from_tenant: str, said: Mapping[str, Any]) -> str:
    if said.get("gone"):
        return APPLIED
    try:
        message = Message(
            word=Word(said["word"]),
            referral_id=UUID(said["referral"]),
            from_network=from_tenant,
            to_network=act.context.tenant.id,
            body=said["body"],
        )
        await recourse_arrivals.take(act, message)
    except PasserelleError as refused:
        return refused.code
    except (KeyError, ValueError, TypeError):
        return UNREADABLE
    return APPLIED


def _object_id(message: Message) -> UUID:
    """The referral, whose newest word counts; of a reading, that reading."""
    if message.word is not Word.READ:
        return message.referral_id
    return uuid5(message.referral_id, json.dumps(message.body, sort_keys=True))
