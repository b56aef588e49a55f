"""Asking other networks over HTTP, while somebody waits: within a budget, and honest about who did not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import httpx2
from sqlalchemy import Uuid, bindparam, select

from passerelle.audit.transactions import transaction
from passerelle.dossier import access
from passerelle.identities import patients
from passerelle.kernel import tracing
from passerelle.kernel.context import Context
from passerelle.kernel.database import Statement
from passerelle.kernel.errors import Refused, TryLater
from passerelle.kernel.records_elsewhere import Part, RecordElsewhere, Span
from passerelle_policies.vocabulary import Action, Kind
from passerelle_tenants.federation import manifest, peers, questions
from passerelle_tenants.federation.envelopes import Unopened, Unsealable
from passerelle_tenants.federation.manifest import SourceState
from passerelle_tenants.federation.office import Office
from passerelle_tenants.federation.questions import CONTENT, RECORD

_LINE_OCTETS: Final = 64_000_000
_AGAIN_SECONDS: Final = 30
_PATIENT: Final = bindparam("patient_id", type_=Uuid())
_HOME: Final = Statement(select(manifest.home_elsewhere(_PATIENT).label("home")))


class _NoWay(OSError):
    """Nothing says where a network is asked."""


_AWAY: Final = (httpx2.HTTPError, OSError, TimeoutError, Unopened, Unsealable)


@dataclass(frozen=True, slots=True)
class Asking:
    """Implements `kernel.records_elsewhere.RecordsElsewhere`.

    `office` gives the post office of the network that asks, `endpoint` where another one is asked
    (`…/{network}/federation/questions`; null: no way leads there, and it is not asked), `http` the connections. Where
    an endpoint is not on this machine it is TLS, and verified: `passerelle_ops.settings` takes no other.
    """

    office: Callable[[Context], Awaitable[Office]]
    endpoint: Callable[[str], str | None]
    http: Callable[[], httpx2.AsyncClient]

    async def record(self, context: Context, patient_id: UUID, asked: Mapping[str, Any], /) -> RecordElsewhere:
        """`RecordsElsewhere.record`: one question to the patient's home; nobody is asked where that is here.

        Decided and journalled here first, as an opening of the record: who is not let in is not told of a home.
        Refused: ACCESS_REFUSED, alike for a patient whom nobody knows.
        """
        async with transaction(context) as act:
            await access.require(act, patient_id, Kind.DOSSIER, Action.READ)
        await peers.sync(await self.office(context))  # a network that came a moment ago has its part too
        ((home,),) = await context.tenant.database.fetch(_HOME, {"patient_id": patient_id})
        parts = [
            Part(network=each.network, name=each.name, state=each.state.value, as_of=each.as_of)
            for each in await manifest.sources_of(context, patient_id)
        ]
        if home is None:
            return _nothing(None, parts)
        try:
            said = await self._asked(context, home, RECORD, {"patient": await _ins(context, patient_id), **asked})
        except Refused:
            return _nothing(home, _with(parts, home, SourceState.REFUSED))
        except _NoWay:
            return _nothing(home, _with(parts, home, SourceState.NOT_ASKED))
        except _AWAY:
            return _nothing(home, _with(parts, home, SourceState.TIMED_OUT))
        if "refused" in said:
            return _nothing(home, _with(parts, home, SourceState.REFUSED))
        here = context.tenant.id
        told = {each["network"]: Part(**{**each, "as_of": _read_instant(each["as_of"])}) for each in said["parts"]}
        return RecordElsewhere(
            home=home,
            documents=said["documents"],
            has_next=said["has_next"],
            total=said["total"],
            since=_read_instant(said["since"]),
            parts=[each if each.network == here else told.get(each.network, each) for each in parts],
        )

    async def about(self, context: Context, network: str, document_id: UUID, continues: bool, /) -> Mapping[str, Any]:
        """`RecordsElsewhere.about`."""
        try:
            said = await self._asked(context, network, CONTENT, _wanted(document_id, Span(stop=0, continues=continues)))
        except _AWAY as away:
            raise TryLater("NETWORK_AWAY", retry_after=_AGAIN_SECONDS, network=network) from away
        if "refused" in said:
            raise Refused("DOCUMENT_UNKNOWN")
        return said

    async def content(self, context: Context, network: str, document_id: UUID, span: Span, /) -> AsyncIterator[bytes]:
        """`RecordsElsewhere.content`."""
        try:
            async with self._answered(context, network, CONTENT, _wanted(document_id, span)) as (said, octets):
                if "refused" in said:
                    raise Refused("DOCUMENT_UNKNOWN")
                async for each in octets:
                    yield each
        except _AWAY as away:
            raise TryLater("NETWORK_AWAY", retry_after=_AGAIN_SECONDS, network=network) from away

    async def _asked(self, context: Context, network: str, what: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        office = await self.office(context)
        async with asyncio.timeout(office.number("federation.budget_milliseconds") / 1000):
            async with self._answered(context, network, what, asked) as (said, _):
                return said

    @asynccontextmanager
    async def _answered(
        self, context: Context, network: str, what: str, asked: Mapping[str, Any]
    ) -> AsyncIterator[tuple[Mapping[str, Any], AsyncIterator[bytes]]]:
        """The opened answer, and the octets after it."""
        endpoint = self.endpoint(network)
        if endpoint is None:
            raise _NoWay
        office = await self.office(context)
        question = await questions.asked(office, network, context, what, asked)
        async with self.http().stream("POST", endpoint, content=question, headers=tracing.parent()) as response:
            response.raise_for_status()
            octets = response.aiter_bytes()
            line, rest = await _line(octets)
            yield await questions.read_answer(office, network, line), _after(rest, octets)


async def _line(octets: AsyncIterator[bytes]) -> tuple[bytes, bytes]:
    """The first line of a stream, and what came with it of the rest."""
    held = bytearray()
    async for piece in octets:
        held += piece
        line, found, rest = bytes(held).partition(b"\n") if b"\n" in piece else (b"", b"", b"")
        if found:
            return line, rest
        if len(held) > _LINE_OCTETS:
            raise Unopened("form")
    raise Unopened("form")


async def _after(rest: bytes, octets: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if rest:
        yield rest
    async for each in octets:
        yield each


def _wanted(document_id: UUID, span: Span) -> dict[str, Any]:
    return {
        "document": str(document_id),
        "start": span.start,
        "stop": span.stop,
        "continues": span.continues or span.start > 0,
    }


async def _ins(context: Context, patient_id: UUID) -> dict[str, str]:
    async with transaction(context) as act:
        found = await patients.by_id(act, patient_id)
    if found is None or found.ins is None:
        raise Refused("ACCESS_REFUSED")
    return {"oid": found.ins.oid, "value": found.ins.value}


def _with(parts: list[Part], network: str, state: SourceState) -> list[Part]:
    return [
        Part(network=each.network, name=each.name, state=state.value) if each.network == network else each
        for each in parts
    ]


def _nothing(home: str | None, parts: list[Part]) -> RecordElsewhere:
    return RecordElsewhere(home=home, documents=(), has_next=False, total=None, since=None, parts=parts)


def _read_instant(said: str | None) -> datetime | None:
    return None if said is None else datetime.fromisoformat(said)
