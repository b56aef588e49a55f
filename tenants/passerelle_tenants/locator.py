"""Which networks hold something of a person, and which of them is his home: the directory's part of it.

A person's home is the network of his line of `home`, and where nobody opened a shared record yet the first network of
the locator: one at any moment, and the same for whoever asks. Lines are changed by comparing their version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Text, any_, bindparam, func, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.identities.ins import Ins
from passerelle.kernel.database import Database
from passerelle_tenants.locator_key import LocatorKey
from passerelle_tenants.tables import home, locator, person_key_change

_KEYS = bindparam("keys", type_=ARRAY(Text()))


class HomeState(StrEnum):
    """How sure a home is, and whether it is about to change."""

    PRESUMED = "presumed"  # the first network where a shared record was opened
    DECLARED = "declared"  # by the patient, or by an officer
    MOVING = "moving"  # `claimed_by` is to be his home; may still be withdrawn
    HANDED = "handed"  # the network he leaves hands over: no way back
    DISPUTED = "disputed"  # `claimed_by` says it is his home as well: an officer decides


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A person's home as the directory says; `version` grows by one at each change."""

    tenant_id: str
    version: int
    state: HomeState
    claimed_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """Where a person's things are: `tenants` in the order in which they came; `home` is null before any record."""

    tenants: tuple[str, ...]
    home: Home | None

    @property
    def home_id(self) -> str:
        """The one network that is his home."""
        return self.home.tenant_id if self.home is not None else self.tenants[0]


@dataclass(frozen=True, slots=True)
class Locator:
    """The locator of an installation: its tables in the directory and the key that persons are known under."""

    directory: Database
    key: LocatorKey

    def person_key(self, ins: Ins) -> str:
        return self.key.person_key(ins)

    async def arrive(self, tenant_id: str, openers: Mapping[str, bool], now: datetime) -> None:
        """Enter a network for persons by key. Where it opened a shared record (true), it is presumed to be the home of
        those who have none."""
        async with self.directory.transaction() as connection:
            now_keys = await _now_keys(connection, list(openers))
            # In one order, or two networks that enter the same persons wait for each other.
            await connection.execute(
                upsert(locator)
                .from_select(
                    ["person_key", "tenant_id", "since"],
                    select(func.unnest(_KEYS).label("person_key"), literal(tenant_id), literal(now)),
                )
                .on_conflict_do_nothing(),
                {"keys": sorted(now_keys.values())},
            )
            opened = sorted(now_keys[key] for key, is_opener in openers.items() if is_opener)
            await connection.execute(_PRESUMED, {"keys": opened, "tenant": tenant_id, "now": now})

    async def find(self, keys: Sequence[str]) -> dict[str, Whereabouts]:
        """Where persons' things are, by the key asked for; nothing for whom nobody knows."""
        async with self.directory.transaction() as connection:
            now_keys = await _now_keys(connection, keys)
            rows = (await connection.execute(_FOUND, {"keys": list(set(now_keys.values()))})).all()
        found = {
            row.person_key: Whereabouts(
                tenants=tuple(row.tenants),
                home=None
                if row.home_id is None
                else Home(
                    tenant_id=row.home_id,
                    version=row.version,
                    state=HomeState(row.state),
                    claimed_by=row.claimed_by,
                ),
            )
            for row in rows
        }
        return {key: found[now_key] for key, now_key in now_keys.items() if now_key in found}

    async def leaving(self, tenant_id: str) -> dict[str, Home]:
        """Whose home is about to be another network, by key."""
        return await self._homes(
            home.c.tenant_id == tenant_id, home.c.state.in_([HomeState.MOVING.value, HomeState.HANDED.value])
        )

    async def disputed(self, tenant_id: str) -> dict[str, Home]:
        """Of whom it is not agreed that this network is his home, by key."""
        return await self._homes(home.c.tenant_id == tenant_id, home.c.state == HomeState.DISPUTED.value)

    async def claimed_by(self, tenant_id: str) -> dict[str, Home]:
        """Whose home this network is to be, or says that it is, and another one still is, by key."""
        return await self._homes(home.c.claimed_by == tenant_id)

    async def _homes(self, *which: ColumnElement[bool]) -> dict[str, Home]:
        async with self.directory.transaction() as connection:
            return {
                row.person_key: Home(
                    tenant_id=row.tenant_id,
                    version=row.version,
                    state=HomeState(row.state),
                    claimed_by=row.claimed_by,
                )
                for row in await connection.execute(select(home).where(*which))
            }

    async def write(self, key: str, before: Home | None, after: Home, now: datetime) -> bool:
        """Put a person's home in the place of what was read; false when somebody else changed it meanwhile."""
        async with self.directory.transaction() as connection:
            person = (await _now_keys(connection, [key]))[key]
            told = {
                "tenant_id": after.tenant_id,
                "version": after.version,
                "state": after.state.value,
                "claimed_by": after.claimed_by,
                "changed_at": now,
            }
            if before is None:
                new = upsert(home).values(person_key=person, **told).on_conflict_do_nothing()
                done = await connection.execute(new.returning(home.c.version))
            else:
                change = update(home).where(home.c.person_key == person, home.c.version == before.version)
                done = await connection.execute(change.values(**told).returning(home.c.version))
            return done.first() is not None

    async def replaced(self, former: str, now_key: str, now: datetime) -> None:
        """One person has another INS: what was found under the former key is found under the new one.

        Where both keys had a home, and not the same, the two networks dispute it.
        """
        if former == now_key:
            return
        async with self.directory.transaction() as connection:
            held = select(home).where(home.c.person_key.in_([former, now_key])).order_by(home.c.person_key)
            homes = {row.person_key: row for row in await connection.execute(held.with_for_update())}
            entered = select(literal(now_key), locator.c.tenant_id, locator.c.since).where(
                locator.c.person_key == former
            )
            columns = ["person_key", "tenant_id", "since"]
            await connection.execute(upsert(locator).from_select(columns, entered).on_conflict_do_nothing())
            before, present = homes.get(former), homes.get(now_key)
            if before is not None and present is None:
                kept = {name: getattr(before, name) for name in ("tenant_id", "state", "claimed_by")}
                await connection.execute(
                    upsert(home)
                    .values(person_key=now_key, version=before.version + 1, changed_at=now, **kept)
                    .on_conflict_do_nothing()
                )
            elif before is not None and present is not None and before.tenant_id != present.tenant_id:
                await connection.execute(
                    update(home)
                    .where(home.c.person_key == now_key, home.c.version == present.version)
                    .values(
                        version=max(before.version, present.version) + 1,
                        state=HomeState.DISPUTED.value,
                        claimed_by=before.tenant_id,
                        changed_at=now,
                    )
                )
            await connection.execute(
                update(person_key_change).where(person_key_change.c.now_key == former).values(now_key=now_key)
            )
            await connection.execute(
                upsert(person_key_change).values(person_key=former, now_key=now_key, since=now).on_conflict_do_nothing()
            )


async def is_used(directory: Database) -> bool:
    """Whether persons were located here already, under a key that must not be drawn anew."""
    async with directory.transaction() as connection:
        return (await connection.execute(select(literal(1)).select_from(locator).limit(1))).first() is not None


async def _now_keys(connection: AsyncConnection, keys: Sequence[str]) -> dict[str, str]:
    """By key: the one under which the same person is known now."""
    changed = await connection.execute(
        select(person_key_change.c.person_key, person_key_change.c.now_key).where(
            person_key_change.c.person_key == any_(_KEYS)
        ),
        {"keys": list(keys)},
    )
    return {key: key for key in keys} | {row.person_key: row.now_key for row in changed}


_PRESUMED = (
    upsert(home)
    .from_select(
        ["person_key", "tenant_id", "version", "state", "changed_at"],
        select(
            func.unnest(_KEYS).label("person_key"),
            bindparam("tenant", type_=Text()),
            literal(1),
            literal(HomeState.PRESUMED.value),
            bindparam("now"),
        ),
    )
    .on_conflict_do_nothing()
)

_places = (
    select(
        locator.c.person_key,
        func.array_agg(aggregate_order_by(locator.c.tenant_id, locator.c.since, locator.c.tenant_id)).label("tenants"),
    )
    .where(locator.c.person_key == any_(_KEYS))
    .group_by(locator.c.person_key)
    .subquery()
)
_FOUND = select(
    _places.c.person_key,
    _places.c.tenants,
    home.c.tenant_id.label("home_id"),
    home.c.version,
    home.c.state,
    home.c.claimed_by,
).select_from(_places.outerjoin(home, home.c.person_key == _places.c.person_key))
