"""How the exchange between networks stands, read in each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from passerelle.kernel.clock import Clock
from passerelle.kernel.context import Tenant
from passerelle.kernel.errors import PasserelleError
from passerelle_tenants.federation.status import PairStatus, status

#: Seconds that a network has to tell how it stands; one that is away holds up no other.
PATIENCE: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One network's side: towards each other one; `pairs` is null when its database does not answer."""

    network: str
    pairs: Sequence[PairStatus] | None


async def standings(
    tenant: Callable[[str], Awaitable[Tenant]], networks: Iterable[str], clock: Clock
) -> list[Standing]:
    """Every network's side, asked side by side."""

    async def one(network: str) -> Standing:
        try:
            async with asyncio.timeout(PATIENCE):
                return Standing(network=network, pairs=await status(await tenant(network), clock))
        except (TimeoutError, PasserelleError):
            return Standing(network=network, pairs=None)

    return list(await asyncio.gather(*map(one, networks)))
