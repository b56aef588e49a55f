"""A network is found under every name it ever had, and no name ever finds another."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from passerelle.kernel.clock import SetClock
from passerelle.kernel.database import Database
from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle.kernel.key_place import KeyPlace
from passerelle.kernel.keys import Keys
from passerelle_tenants import addresses
from passerelle_tenants.registry import Premises, Registry, declared_folder, load_networks
from passerelle_tenants.tables import tenant
from tests.conftest import Cloned

_worlds = count(1)


async def _set_up(directory: Database, clock: SetClock, *names: str) -> None:
    said = {"is_test": True, "settings": {}, "created_at": clock.now()}
    async with directory.transaction() as connection:
        await connection.execute(insert(tenant), [{"tenant_id": each, "name": each, **said} for each in names])


async def _held(directory: Database, names: list[str]) -> dict[str, str | None]:
    async with directory.transaction() as connection:
        return {each: await addresses.holder(connection, each) for each in names}


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=st.lists(st.tuples(st.sampled_from("abxyz"), st.sampled_from("abxyz")), max_size=6))
async def test_a_name_never_changes_hands(
    directory_database: Cloned, clock: SetClock, wanted: list[tuple[str, str]]
) -> None:
    """Networks `a` and `b` renamed any way: nothing that found one of them ever finds nothing, or the other."""
    directory, world = directory_database.database, f"w{next(_worlds)}"
    await _set_up(directory, clock, *(f"{world}{each}" for each in "ab"))
    names = [f"{world}{each}" for each in "abxyz"]
    before = await _held(directory, names)
    for former, new in wanted:
        holder, taken = before[f"{world}{former}"], before[f"{world}{new}"]
        for _ in range(2):  # resumed, it changes nothing more
            renaming = addresses.rename(directory, f"{world}{former}", f"{world}{new}", clock.now())
            if holder is None:
                with pytest.raises(InvalidInput, match="TENANT_UNKNOWN"):
                    await renaming
            elif taken not in (None, holder):
                with pytest.raises(Conflict, match="TENANT_ADDRESS_TAKEN"):
                    await renaming
            else:
                assert await renaming == holder
            after = await _held(directory, names)
            assert {name: after[name] for name, found in before.items() if found is not None} == {
                name: found for name, found in before.items() if found is not None
            }
            before = after
        if holder is not None and taken in (None, holder) and new != former:
            newest = [
                name for name, found in (await addresses.recorded_addresses(directory)).items() if found == holder
            ]
            assert newest[-1:] in ([f"{world}{new}"], []), "its address now"


async def test_an_id_is_not_taken_that_another_was_called_by(directory_database: Cloned, clock: SetClock) -> None:
    directory = directory_database.database
    await _set_up(directory, clock, "ancien")
    await addresses.rename(directory, "ancien", "nouveau", clock.now())
    with pytest.raises(Conflict, match="TENANT_ADDRESS_TAKEN"):
        await addresses.refuse_address_of_another(directory, "nouveau")
    await addresses.refuse_address_of_another(directory, "ancien")
    for wrong in ("", "a", "Nouveau", "nou/veau", "é" * 5, "a" * 32):
        with pytest.raises(InvalidInput, match="TENANT_ADDRESS_INVALID"):
            await addresses.rename(directory, "ancien", wrong, clock.now())


async def test_an_id_finds_its_network_whatever_the_addresses_say(tmp_path: Path) -> None:
    declared = load_networks(declared_folder())
    for each in ("oncomip", "oncopl"):
        Keys.create(tmp_path / each)
    registry = Registry(
        declared,
        lambda each: Premises(
            database_url="postgresql://127.0.0.1:1/none", contents_url=tmp_path.as_uri(), keys=KeyPlace(tmp_path / each)
        ),
        addresses={"oncomip": "oncopl", "ancien": "oncopl"},
    )
    found = [(await registry.tenant(each)).id for each in ("oncomip", "ancien", "oncopl", "oncomip")]
    await registry.close()
    assert found == ["oncomip", "oncopl", "oncopl", "oncomip"]
