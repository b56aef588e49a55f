"""Archives past their time go, and contents with them; never what somebody may still want back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from passerelle.kernel.contents import path_of
from passerelle.kernel.keys import Keys
from passerelle_ops.backup.envelope import Opener, create_keys
from passerelle_ops.backup.places import Place
from passerelle_ops.backup.pruning import Retention, superfluous, take_away
from passerelle_ops.backup.rehearsing import rehearse
from passerelle_ops.backup.sources import Source
from tests.backup.house import House
from tests.builders import document

WEEK = Retention(days=7)


async def test_what_no_archive_left_needs_goes_and_no_more(house: House, tmp_path: Path) -> None:
    world, own = house.world, house.place.within("essai")
    pool, store = own.within("contents"), world.tenant.contents
    patient_id, _ = await world.patient()

    async def filed() -> str:
        before = {name async for name in store.names()}
        await world.publish(patient_id, document())
        (new,) = {name async for name in store.names()} - before
        return new

    async def pooled() -> set[str]:
        return {name for folder in await pool.folders() for name in await pool.names(folder)}

    async def would(
        retention: Retention = WEEK, opener: Opener = house.opener, source: Source = house.source
    ) -> tuple[set[str], set[str], set[str]]:
        found = await superfluous(source, house.place, opener, retention, world.clock)
        return {*found.archives}, {*found.contents}, {*found.unread}

    stays, gone = await filed(), str(uuid4())
    await Place(store.url).put(path_of(gone), b"left by a filing that was cut off")
    first = (await house.backed_up()).name
    await store.delete(gone)
    assert await would() == (set(), set(), set())

    world.clock.advance(timedelta(days=20))
    await house.kept()
    second = (await house.backed_up()).name
    world.clock.advance(timedelta(days=20))  # both are past their time, and the newest stays
    assert await would() == ({first}, {gone}, set())
    assert await would(Retention(days=30)) == ({first}, {gone}, set())
    assert await would(Retention(days=1, months=3)) == (set(), set(), set())
    create_keys(tmp_path / "other", tmp_path / "other.pub")
    assert await would(opener=Opener.load(tmp_path / "other")) == (set(), set(), {first, second})
    signed_since = replace(house.source, keys=Keys.create(tmp_path / "since.key"))
    assert await would(source=signed_since) == (set(), set(), {first, second})

    # The newest is cut: the one before is the last that is whole, and what it refers to stays as well.
    archive = tmp_path / "backups" / "essai" / second
    octets = archive.read_bytes()
    archive.write_bytes(octets[: len(octets) // 2])
    assert await would() == (set(), set(), {second})
    archive.write_bytes(octets)

    # What only the network has yet, another backup may be counting on.
    young = await filed()
    await pool.put(path_of(young), b"of a backup that was cut off")
    assert await would() == ({first}, {gone}, set())
    found = await superfluous(house.source, house.place, house.opener, WEEK, world.clock)
    await take_away(house.source, house.place, found)
    assert (await pooled(), await own.names()) == ({stays, young}, [second])
    await take_away(house.source, house.place, found)  # as after it was cut off
    assert (await rehearse(await house.archive(), house.source, world.clock)).holds

    # Of the same size and another content: only who compares finds it.
    size = await pool.size(path_of(stays))
    assert size is not None
    await pool.put(path_of(stays), bytes(size))
    await house.kept()
    assert (await house.backed_up()).copied == 1  # the young one alone, whose size differs
    assert (await house.backed_up(compare=True)).copied == 1
    assert (await rehearse(await house.archive(), house.source, world.clock)).holds
