"""Cases referred from one network to another: what each event sets going."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from passerelle.audit.outbox import Waiting
from passerelle.dossier.events import (
    DocumentMetadataChanged,
    DocumentMoved,
    DocumentWithholdingChanged,
    DossierChanged,
    RelationChanged,
)
from passerelle.identities.directory import Directory
from passerelle.kernel.clock import Clock
from passerelle.kernel.context import Context, Tenant
from passerelle.oncology import recourse, recourse_arrivals
from passerelle.oncology.events import (
    BoardCaseChanged,
    BoardSessionChanged,
    LentCaseChanged,
    LentCaseRead,
    ReferralChanged,
)
from passerelle.oncology.recourse_words import RecourseTransport
from passerelle_ops.relay import Subscribers
from passerelle_ops.schedule import beat_context
from passerelle_policies.vocabulary import DossierState

_OVER = frozenset({"closed", "cancelled"})
_LEFT = frozenset({"withdrawn", "deferred"})


def bind_recourse(
    subscribers: Subscribers, way: RecourseTransport, directory: Callable[[], Directory], clock: Clock
) -> None:
    """Have referrals travel, and end with their case or their session.

    The directory is asked for as an event comes: its connections belong to the loop that runs then.
    """

    def context(tenant: Tenant) -> Context:
        return replace(beat_context(tenant, clock), directory=directory())

    async def lend(tenant: Tenant, event: Waiting) -> None:
        await recourse.say(context(tenant), UUID(event.payload["referral_id"]), way)

    async def answer(tenant: Tenant, event: Waiting) -> None:
        await recourse_arrivals.say(context(tenant), UUID(event.payload["referral_id"]), way)

    async def tell_of_reading(tenant: Tenant, event: Waiting) -> None:
        await recourse_arrivals.say_read(context(tenant), event.payload, way)

    subscribers.bind(ReferralChanged.name, lend)
    subscribers.bind(LentCaseChanged.name, answer)
    subscribers.bind(LentCaseRead.name, tell_of_reading)
    _bind_changes(subscribers, context)


def _bind_changes(subscribers: Subscribers, context: Callable[[Tenant], Context]) -> None:
    """What ends a referral, and what changes what its experts may see."""

    async def end_with_case(tenant: Tenant, event: Waiting) -> None:
        if event.payload["state"] in _LEFT:
            await recourse.end_with_case(context(tenant), UUID(event.payload["case_id"]))

    async def end_with_record(tenant: Tenant, event: Waiting) -> None:
        if event.payload["to_state"] != DossierState.OPEN:
            await recourse.end_with_record(context(tenant), event.patient_id)

    async def end_with_session(tenant: Tenant, event: Waiting) -> None:
        if event.payload["state"] in _OVER:
            await recourse_arrivals.forget_session(context(tenant), UUID(event.payload["session_id"]))

    async def tell_again(tenant: Tenant, event: Waiting) -> None:
        await recourse.tell_again(context(tenant), event.patient_id)

    subscribers.bind(BoardCaseChanged.name, end_with_case)
    subscribers.bind(DossierChanged.name, end_with_record)
    subscribers.bind(BoardSessionChanged.name, end_with_session)
    for each in (RelationChanged, DocumentMetadataChanged, DocumentWithholdingChanged, DocumentMoved):
        subscribers.bind(each.name, tell_again)
