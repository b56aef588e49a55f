"""Where worlds are played: a tenant of a test module's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import TypeVar

import pytest
from hypothesis import strategies as st

from passerelle.kernel.clock import SetClock
from passerelle.kernel.context import Tenant
from passerelle_ops.bench._stage import Stage
from passerelle_ops.bench._worlds import Draw
from tests.builders import network
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
    return network(tenant_database.database, tmp_path_factory.mktemp("premises"))


@pytest.fixture
def new_stage(tenant: Tenant, clock: SetClock) -> Callable[[str], Stage]:
    """A stage for a patient born on a day, at the instant when worlds begin."""
    began = clock.now()

    def stage(born: str) -> Stage:
        clock.set(began)
        return Stage(tenant, clock, next(_worlds), born)

    return stage
