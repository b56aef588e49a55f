"""`passerelle bench compile` runs whole on a few examples and finds no difference."""

from __future__ import annotations

import json

import pytest

from passerelle_ops.bench import compile as measure
from passerelle_ops.stack.postgres import Postgres


def test_a_few_examples_differ_in_nothing(capsys: pytest.CaptureFixture[str], postgres: Postgres) -> None:
    assert measure.measured(12, dsn=postgres.url(), as_json=True, processes=1) == 0
    figures = {each["name"]: each for each in json.loads(capsys.readouterr().out)["figures"]}
    assert figures["examples"]["value"] >= 12
    assert (figures["differences"]["value"], figures["differences"]["holds"]) == (0, True)
    assert figures["compiled_share"]["goal"] == 0.95
    assert figures["failures"]["value"] == 0
