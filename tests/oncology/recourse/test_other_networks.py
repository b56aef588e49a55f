"""What is heard of the boards of other networks, and what of one that is away."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from passerelle.identities.directory import Directory
from passerelle.kernel.context import Tenant
from passerelle.kernel.database import Database
from passerelle_ops.elsewhere import OtherNetworks
from tests import builders
from tests.oncology.recourse.two_networks import Between

NOWHERE = "postgresql://nobody:nothing@127.0.0.1:1/nowhere"


async def test_a_network_that_is_away_is_left_out_and_said_not_to_be_asked(between: Between) -> None:
    home, there = between.home, await between.there.meeting("recourse")
    away = replace(between.there.tenant, id="absent", database=Database(NOWHERE, pool_size=1))
    networks: list[Tenant] = [home.tenant, between.there.tenant]

    async def all_of_them() -> tuple[Tenant, ...]:
        return tuple(networks)

    others = OtherNetworks(all_of_them, cast(Directory, builders.DIRECTORY))
    now = home.clock.now()
    for was_asked in (True, False):
        found = await others.meeting(home.tenant.id, now)
        assert there.board.board_id in {each.board_id for each in found}
        assert {each.network for each in found} == {between.there.tenant.id}
        heard = await others.of_specialty(home.tenant.id, "medical_oncologist", now)
        assert heard.was_asked is was_asked
        assert there.coordinator.name in {each.name for each in heard.experts}
        networks.append(away)
    assert all(each.network != home.tenant.id for each in await others.meeting(home.tenant.id, now))
    await away.database.close()
