"""Where worlds are played: a tenant of a test module's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import TypeVar

import pytest
from hypothesis import strategies as st

from passerelle.kernel.clock import SetClock
from passerelle.kernel.contents import Contents
from passerelle.kernel.context import Tenant
from passerelle.kernel.keys import Keys
from passerelle_ops.bench._stage import Stage
from passerelle_ops.bench._worlds import Draw
from tests.conftest import Cloned

_T = TypeVar("_T")
_worlds = count(1)


class Drawn(Draw):
    """Choices of hypothesis."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def choose(self, among: Sequence[_T]) -> _T:
        return self._data.draw(st.sampled_from(among))


@pytest.fixture
def tenant(tenant_database: Cloned, tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    premises = tmp_path_factory.mktemp("premises")
    return Tenant(
        id="essai",
        name="Réseau d'essai",
        is_test=True,
        database=tenant_database.database,
        contents=Contents((premises / "contents").as_uri()),
        keys=Keys.create(premises / "tenant.key"),
    )


@pytest.fixture
def new_stage(tenant: Tenant, clock: SetClock) -> Callable[[str], Stage]:
    """A stage for a patient born on a day, at the instant when worlds begin."""
    began = clock.now()

    def stage(born: str) -> Stage:
        clock.set(began)
        return Stage(tenant, clock, next(_worlds), born)

    return stage
