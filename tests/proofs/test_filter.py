"""(a) The rows that SQL returns are those that `decide` allows one by one, on facts that a plain model gathered."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from passerelle_ops.bench._stage import Stage
from tests.proofs.agreement import judged
from tests.proofs.conftest import Drawn


@settings(
    max_examples=25,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
async def test_sql_returns_what_the_model_allows(new_stage: Callable[[str], Stage], data: st.DataObject) -> None:
    await judged(new_stage, Drawn(data))
