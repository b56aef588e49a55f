"""The keys by which networks know each other: published in the directory, kept for a minute, rotated without a stop.

A network derives its own from its root key, by generation; nothing secret is stored (docs/decisions/0130). What is
signed with or sealed to a generation that was replaced is believed for `federation.key_grace_hours`.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from joserfc.jwk import OKPKey
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.kernel.clock import Clock
from passerelle.kernel.context import Tenant
from passerelle.kernel.database import Database
from passerelle.kernel.errors import Conflict
from passerelle_tenants.tables import tenant as recorded
from passerelle_tenants.tables import tenant_key

KEPT_SECONDS: Final = 60.0
# An unknown key is looked up at once, but not for every envelope that somebody invents.
_AGAIN_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedKey:
    """The public half of one key of a network."""

    tenant_id: str
    key_id: str
    use: str
    key: OKPKey
    generation: int
    valid_from: datetime
    valid_until: datetime | None

    def is_valid(self, at: datetime) -> bool:
        return self.valid_from <= at and (self.valid_until is None or at < self.valid_until)


class Keyring:
    """The networks of the directory with their published keys, and the private halves of those this process serves."""

    def __init__(self, directory: Database, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._read_at = float("-inf")
        self._names: Mapping[str, str] = {}
        self._keys: Mapping[str, PublishedKey] = {}
        self._own: dict[tuple[str, int, str], OKPKey] = {}

    async def read(self, *, kept: float = KEPT_SECONDS) -> None:
        """Read the directory again, unless that was less than `kept` seconds ago."""
        if monotonic() - self._read_at < kept:
            return
        columns = [tenant_key.c[name] for name in PublishedKey.__dataclass_fields__ if name != "key"]
        async with self._directory.transaction() as connection:
            names = (await connection.execute(select(recorded.c.tenant_id, recorded.c.name))).all()
            rows = (await connection.execute(select(*columns, tenant_key.c.public.label("key")))).mappings().all()
        self._names = {row.tenant_id: row.name for row in names}
        self._keys = {row["key_id"]: PublishedKey(**{**row, "key": OKPKey.import_key(row["key"])}) for row in rows}
        self._read_at = monotonic()

    async def networks(self) -> Mapping[str, str]:
        """Every network that was set up, with its name."""
        await self.read()
        return self._names

    def name(self, tenant_id: str) -> str:
        """The name of a network as it was read last; its id when it has none."""
        return self._names.get(tenant_id, tenant_id)

    async def published(self, key_id: str) -> PublishedKey | None:
        """A key that is believed now; none when nobody published it, or it is not valid yet or any more."""
        await self.read()
        if key_id not in self._keys:
            await self.read(kept=_AGAIN_SECONDS)
        found = self._keys.get(key_id)
        return found if found is not None and found.is_valid(self._clock.now()) else None

    async def newest(self, tenant_id: str, use: str) -> PublishedKey | None:
        """What envelopes to a network are sealed to (`enc`), or its own signed with (`sig`), now."""
        await self.read()
        if not any(each.tenant_id == tenant_id for each in self._keys.values()):
            await self.read(kept=_AGAIN_SECONDS)
        now = self._clock.now()
        valid = (each for each in self._keys.values() if each.tenant_id == tenant_id and each.use == use)
        return max((each for each in valid if each.is_valid(now)), key=lambda each: each.generation, default=None)

    def private(self, tenant: Tenant, published: PublishedKey) -> OKPKey:
        """The private half of a key that this tenant published."""
        asked = (tenant.id, published.generation, published.use)
        if asked not in self._own:
            self._own[asked] = _own_keys(tenant, published.generation)[published.use]
        return self._own[asked]


def _own_keys(tenant: Tenant, generation: int) -> dict[str, OKPKey]:
    drawn = tenant.keys.federation_keys(generation)
    return {"sig": _jwk(drawn.signing), "enc": _jwk(drawn.opening)}


def _jwk(private: Ed25519PrivateKey | X25519PrivateKey) -> OKPKey:
    return OKPKey.import_key(
        {
            "kty": "OKP",
            "crv": "Ed25519" if isinstance(private, Ed25519PrivateKey) else "X25519",
            "x": _base64url(private.public_key().public_bytes_raw()),
            "d": _base64url(private.private_bytes_raw()),
        }
    )


def _base64url(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


async def publish(tenant: Tenant, directory: Database, clock: Clock) -> int:
    """See to it that the network's newest keys stand in the directory; their generation. Safe to run at each start.

    Refused: FEDERATION_KEY_DIFFERS when what stands there is of another root key (restore the key file, or rotate).
    """
    async with directory.transaction() as connection:
        await _lock(connection, tenant.id)
        generation = await _generation(connection, tenant.id) or 1
        own = _own_keys(tenant, generation)
        await _insert(connection, tenant.id, generation, own, clock.now())
        standing = await connection.scalars(
            select(tenant_key.c.key_id).where(
                tenant_key.c.tenant_id == tenant.id, tenant_key.c.generation == generation
            )
        )
        if set(standing) != {each.thumbprint() for each in own.values()}:
            raise Conflict("FEDERATION_KEY_DIFFERS", tenant=tenant.id)
    return generation


async def rotate(tenant: Tenant, directory: Database, clock: Clock, grace: timedelta) -> int:
    """Publish the next generation and believe the ones before for `grace` more; the new generation."""
    now = clock.now()
    async with directory.transaction() as connection:
        await _lock(connection, tenant.id)
        generation = await _generation(connection, tenant.id) + 1
        await connection.execute(
            update(tenant_key)
            .where(tenant_key.c.tenant_id == tenant.id, tenant_key.c.valid_until.is_(None))
            .values(valid_until=now + grace)
        )
        await _insert(connection, tenant.id, generation, _own_keys(tenant, generation), now)
    return generation


async def _lock(connection: AsyncConnection, tenant_id: str) -> None:
    """Two that publish for one network take turns."""
    await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"federation/{tenant_id}", 0))))


async def _generation(connection: AsyncConnection, tenant_id: str) -> int:
    newest = select(func.coalesce(func.max(tenant_key.c.generation), 0)).where(tenant_key.c.tenant_id == tenant_id)
    return int((await connection.execute(newest)).scalar_one())


async def _insert(
    connection: AsyncConnection, tenant_id: str, generation: int, own: Mapping[str, OKPKey], valid_from: datetime
) -> None:
    await connection.execute(
        upsert(tenant_key)
        .values(
            [
                {
                    "tenant_id": tenant_id,
                    "key_id": key.thumbprint(),
                    "use": use,
                    "public": key.as_dict(private=False),
                    "generation": generation,
                    "valid_from": valid_from,
                }
                for use, key in own.items()
            ]
        )
        .on_conflict_do_nothing()
    )
