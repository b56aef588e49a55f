"""One home at any moment, whoever declares, claims, decides or hands on, in whatever order."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.kernel.errors import Conflict
from passerelle_tenants import homes
from passerelle_tenants.homes import Change
from passerelle_tenants.locator import Home, HomeState
from passerelle_tenants.locator_key import LocatorKey
from tests.builders import ins_of

NETWORKS = ("nantes", "toulouse", "lyon")
_networks = st.sampled_from(NETWORKS)
CHANGES: st.SearchStrategy[Change] = st.one_of(
    _networks.map(homes.declared),
    _networks.map(homes.claimed),
    _networks.map(homes.decided),
    _networks.map(homes.taken),
    st.just(homes.handed),
)


@given(st.none() | _networks, st.lists(CHANGES, max_size=12))
def test_home_changes_only_where_it_was_handed(first: str | None, changes: list[Change]) -> None:
    home = Home(tenant_id=first, version=1, state=HomeState.PRESUMED) if first else None
    for change in changes:
        try:
            after = change(home)
        except Conflict:
            continue
        if home is not None:
            is_handed = home.state is HomeState.HANDED and home.claimed_by == after.tenant_id
            assert after.tenant_id == home.tenant_id or is_handed
            assert after.version == home.version + (after != home)
            if home.state is HomeState.HANDED:
                assert after in (home, change(home))
                assert after.state in {HomeState.HANDED, HomeState.DECLARED}
        is_open = after.state in {HomeState.MOVING, HomeState.HANDED, HomeState.DISPUTED}
        assert (after.claimed_by is not None) is is_open
        assert after.claimed_by != after.tenant_id
        home = after


def test_a_claim_against_a_declared_home_is_a_dispute_that_an_officer_ends() -> None:
    declared = homes.declared("nantes")(None)
    disputed = homes.claimed("toulouse")(declared)
    assert (disputed.tenant_id, disputed.state, disputed.claimed_by) == ("nantes", "disputed", "toulouse")
    with pytest.raises(Conflict, match="HOME_DISPUTED"):
        homes.claimed("lyon")(disputed)
    with pytest.raises(Conflict, match="HOME_NOT_CLAIMED"):
        homes.decided("lyon")(disputed)
    assert homes.decided("nantes")(disputed).state == "declared"
    assert homes.decided("toulouse")(disputed).state == "moving"
    assert homes.claimed("toulouse")(Home(tenant_id="nantes", version=1, state=HomeState.PRESUMED)).state == "moving"


def test_a_move_is_withdrawn_until_it_is_handed() -> None:
    moving = homes.declared("toulouse")(homes.declared("nantes")(None))
    assert homes.declared("nantes")(moving).state == "declared"
    handed = homes.handed(moving)
    with pytest.raises(Conflict, match="HOME_HANDED"):
        homes.declared("nantes")(handed)
    with pytest.raises(Conflict, match="HOME_NOT_MOVING"):
        homes.taken("lyon")(handed)
    taken = homes.taken("toulouse")(handed)
    assert (taken.tenant_id, taken.state, taken.claimed_by) == ("toulouse", "declared", None)


def test_the_locator_s_key_is_drawn_once_and_never_anew(tmp_path: Path) -> None:
    path, ins = tmp_path / "locator.key", ins_of(1)
    drawn = LocatorKey.ensure(path, is_used=False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert LocatorKey.ensure(path, is_used=True).person_key(ins) == drawn.person_key(ins)
    assert ins.value[:13] not in drawn.person_key(ins)
    assert repr(drawn) == "<LocatorKey>"
    path.unlink()
    with pytest.raises(Conflict, match="LOCATOR_KEY_LOST"):
        LocatorKey.ensure(path, is_used=True)
