"""(c) No sequence of permitted acts by others than the patient widens what an outsider sees."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from passerelle_ops.bench._outsiders import watched
from passerelle_ops.bench._stage import Stage
from tests.proofs.conftest import Drawn


@settings(
    max_examples=25,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
async def test_no_act_of_another_widens_what_an_outsider_sees(
    new_stage: Callable[[str], Stage], data: st.DataObject
) -> None:
    assert (await watched(new_stage, Drawn(data))).leaks == []
