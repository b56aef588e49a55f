"""One network: its keys, its store, its journal, outbox and ledger, what it owes to others, and contents of nobody."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from passerelle.audit.behind import behind
from passerelle.audit.successions import signers
from passerelle.dossier.verification import orphans
from passerelle.kernel.clock import Clock
from passerelle.kernel.context import Tenant
from passerelle.kernel.errors import TryLater
from passerelle_ops.diagnostics.found import Check, Found, Wrong
from passerelle_ops.diagnostics.servers import ending
from passerelle_tenants.federation.keys import Keyring
from passerelle_tenants.federation.status import status

#: As the alerts `SealingBehind`, `OutboxBehind` and `LedgerBehind`.
_UNSEALED: Final = timedelta(minutes=5)
_UNRELAYED: Final = timedelta(minutes=10)
_UNKEPT: Final = timedelta(minutes=2)


async def store(tenant: Tenant) -> list[Found]:
    """Whether its objects can be listed and, in a folder, new ones be written. Raises CONTENT_STORE_AWAY."""
    async for _name in tenant.contents.names():
        break
    parts = urlsplit(tenant.contents.url)
    if parts.scheme == "file" and not os.access(Path(unquote(parts.path)), os.W_OK | os.X_OK):
        raise TryLater("CONTENT_STORE_AWAY", retry_after=5)
    return [Found(Check.STORE, tenant.id)]


async def keys(tenant: Tenant, keyring: Keyring, clock: Clock) -> list[Found]:
    """Whether others believe the keys that it signs and opens with now; a network that published none has none."""
    await keyring.read()
    wrong = None
    for use in ("sig", "enc"):
        newest = await keyring.newest(tenant.id, use)
        if newest is None:
            continue
        if keyring.private(tenant, newest).thumbprint() != newest.key_id:
            return [Found(Check.KEYS, tenant.id, Wrong("KEY_OF_ANOTHER_FILE"))]
        wrong = wrong or ending("KEY", newest.valid_until, clock.now())
    return [Found(Check.KEYS, tenant.id, wrong)]


async def signing(tenant: Tenant) -> list[Found]:
    """Whether its file holds the key that signs now. Raises SEALING_KEY_SUPERSEDED."""
    async with tenant.database.transaction() as connection:
        (await signers(connection, tenant)).must_sign()
    return []


async def behindhand(tenant: Tenant, now: datetime) -> list[Found]:
    """Its journal's seal, the events that wait in its outbox, and what its ledger has not."""
    late = await behind(tenant)
    unsealed, unrelayed = _since(late.unsealed_since, now), _since(late.waiting_since, now)
    sealing = Wrong("SEALING_BEHIND", {"minutes": unsealed // _MINUTE}) if unsealed > _UNSEALED else None
    outbox = Wrong("OUTBOX_BEHIND", {"events": late.waiting, "minutes": unrelayed // _MINUTE})
    unkept = _since(late.unkept_since, now)
    ledger = Wrong("LEDGER_BEHIND", {"minutes": unkept // _MINUTE}) if unkept > _UNKEPT else None
    return [
        Found(Check.SEALING, tenant.id, sealing),
        Found(Check.LEDGER, tenant.id, ledger),
        Found(Check.OUTBOX, tenant.id, outbox if unrelayed > _UNRELAYED else None),
    ]


async def federation(tenant: Tenant, clock: Clock) -> list[Found]:
    """What it owes to each other network."""
    found = []
    for each in await status(tenant, clock):
        wrong = None
        if each.dead:
            wrong = Wrong("FEDERATION_DEAD", {"states": each.dead, "network": each.to_tenant})
        elif each.away_since is not None:
            wrong = Wrong("NEIGHBOUR_AWAY", {"network": each.to_tenant})
        found.append(Found(Check.FEDERATION, f"{tenant.id} → {each.to_tenant}", wrong))
    return found


async def strays(tenant: Tenant, seconds: float) -> list[Found]:
    """The objects that no document names, and none does some seconds later: what is being filed is none of them."""
    first = set(await orphans(tenant))
    if first:
        await asyncio.sleep(seconds)
        first &= set(await orphans(tenant))
    return [Found(Check.ORPHANS, tenant.id, Wrong("CONTENTS_ORPHANED", {"objects": len(first)}) if first else None)]


_MINUTE: Final = timedelta(minutes=1)


def _since(at: datetime | None, now: datetime) -> timedelta:
    return now - at if at is not None else timedelta(0)
