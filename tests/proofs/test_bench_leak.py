"""`passerelle bench leak` runs whole on few examples and finds nothing; how long a refusal takes is not judged here."""

from __future__ import annotations

import json

import pytest

from passerelle_ops.bench import leak
from passerelle_ops.bench._report import Figure
from passerelle_ops.stack.postgres import Postgres


@pytest.mark.long
def test_a_few_examples_leak_nothing(capsys: pytest.CaptureFixture[str], postgres: Postgres) -> None:
    leak.measured(20, 20, dsn=postgres.url(), as_json=True, processes=1)
    figures = {each["name"]: each for each in json.loads(capsys.readouterr().out)["figures"]}
    assert figures["examples"]["value"] >= 20
    assert (figures["leaks"]["value"], figures["leaks"]["holds"]) == (0, True)
    assert figures["answers_compared"]["value"] > figures["twin_examples"]["value"] > 0
    ratio = figures["refused_vs_absent_ratio"]
    assert (ratio["goal_low"], ratio["goal"]) == (0.95, 1.05)


@pytest.mark.parametrize(("value", "holds"), [(0.94, False), (0.95, True), (1.05, True), (1.06, False)])
def test_a_goal_may_have_two_sides(value: float, holds: bool) -> None:
    assert Figure(name="it", value=value, unit="ratio", goal=1.05, goal_low=0.95).holds is holds
