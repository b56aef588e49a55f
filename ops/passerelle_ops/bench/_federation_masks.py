"""How soon a mask that was made while a network was away is in force there once it is back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final, LiteralString
from uuid import UUID, uuid4

import psycopg

from passerelle.audit.transactions import transaction
from passerelle.dossier import visibility
from passerelle.kernel.clock import SystemClock
from passerelle.kernel.context import Context
from passerelle_ops.bench._federation_ground import HOME, Books, Size, document_of, patient_in
from passerelle_ops.installation import Installation
from passerelle_ops.settings import Settings
from passerelle_ops.stack.state import StackInfo

_MASKS: Final = 20
_TICK: Final = 0.05
_PATIENCE: Final = 120.0
_KEPT: Final[LiteralString] = (
    "select coalesce(array_agg(document_id), '{}') from (select document_id from document"
    " where origin = %(network)s and not masked order by document_id limit %(count)s) as kept"
)
_MASKED: Final[LiteralString] = "select count(*) from document where document_id = any(%(ids)s) and masked"


def indexed(found: Books, network: str) -> Sequence[UUID]:
    """Some documents that a network keeps and home has in its index, once there are any."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        (ids,) = found.ask(HOME, _KEPT, {"network": network, "count": _MASKS})
        if isinstance(ids, list) and ids:
            return [UUID(str(each)) for each in ids]
        time.sleep(_TICK)
    raise LookupError(f"nothing of {network} is in the index")


def mask(settings: Settings, info: StackInfo, size: Size, network: str, ids: Sequence[UUID]) -> None:
    """Have patients mask, at home, documents that a network keeps."""
    numbers = {document_of(network, each): each for each in range(1, size.burst + 1)}
    asyncio.run(_mask(settings, info, {each: numbers[each] % size.patients for each in ids}))


async def _mask(settings: Settings, info: StackInfo, whose: dict[UUID, int]) -> None:
    installation = Installation(settings, info)
    try:
        tenant = await (await installation.registry()).tenant(HOME)
        for document_id, number in whose.items():
            context = Context(
                tenant=tenant,
                actor=patient_in(tenant, number),
                clock=SystemClock(),
                request_id=uuid4().hex,
                directory=installation.directory,
            )
            async with transaction(context) as act:
                await visibility.mask(act, document_id)
    finally:
        await installation.close()


def until_masked(found: Books, network: str, ids: Sequence[UUID]) -> float:
    """Seconds until all of them are masked where they are kept; LookupError when they never are."""
    began = time.monotonic()
    while time.monotonic() - began < _PATIENCE:
        try:
            (count,) = found.ask(network, _MASKED, {"ids": list(ids)})
        except psycopg.OperationalError:
            count = 0
        if count == len(ids):
            return time.monotonic() - began
        time.sleep(_TICK)
    raise LookupError(f"masks never came to {network}")
