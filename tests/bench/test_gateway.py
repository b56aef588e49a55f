"""The measure of the gateway runs whole on tiny data; how long anything took is nobody's business here."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from passerelle_ops.bench import gateway
from passerelle_ops.bench._kept_ground import Sizes
from passerelle_ops.bench._pressure import Load, endured, pressed
from passerelle_ops.bench._rounds import Plan
from passerelle_ops.stack.postgres import Postgres

TINY = Sizes(patients=40, few=20, openings=2, journals=2)
BRIEF = Plan(connections=(1, 32), rounds=1, seconds=0.02)
DEPTH = gateway.Depth(plan=BRIEF, sizes=Plan(connections=(1,), rounds=1, seconds=0.02), unknown=1)
GOALS = {
    "p50_ratio_c1": 1.0,
    "throughput_ratio_c32": 0.65,
    "cpu_ms_per_request": 0.5,
    "p99_over_p50_c32": 4.0,
    "flatness_50k_2m": 1.25,
    "cold_operation_extra_ms": 5.0,
}


def shown(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    """The figures that were printed, by name."""
    said = json.loads(capsys.readouterr().out)
    assert said["bench"] == "gateway"
    return {each["name"]: each for each in said["figures"]}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the ground of these tests is kept."""
    return tmp_path_factory.mktemp("grounds")


def test_both_operations_are_measured_and_every_way_answers_alike(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.measured(TINY, DEPTH, dsn=None, as_json=True, cache=cache)
    figures = shown(capsys)
    goals = {name: each["goal"] for name, each in figures.items() if each["goal"] is not None}
    journal = {f"{name}_journal": goal for name, goal in GOALS.items()} | {"p50_ratio_c1_journal": 1.6}
    assert goals == GOALS | journal
    assert {"strawberry_speedup_c32", "strawberry_speedup_c32_journal"} <= figures.keys()


def test_a_ground_is_built_once(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (built,) = cache.glob("*/built")
    before = built.stat().st_mtime_ns
    endured(TINY, 100, dsn=None, as_json=True, cache=cache)
    assert [each.stat().st_mtime_ns for each in cache.glob("*/built")] == [before]
    figures = shown(capsys)
    assert figures["endurance_requests"]["value"] == 100
    assert float(str(figures["endurance_memory_before_mb"]["value"])) > 10


def test_more_than_can_be_served_gives_no_error_and_leaves_nothing(
    postgres: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    def databases() -> set[str]:
        with psycopg.connect(postgres.url()) as admin:
            return {str(row[0]) for row in admin.execute("select datname from pg_database")}

    before = databases()
    alone = Plan(connections=(1,), rounds=1, seconds=0.1)
    pressed(TINY, Load(connections=24, seconds=0.5, alone=alone), dsn=postgres.url(), as_json=True)
    figures = shown(capsys)
    assert figures["pressure_errors"]["value"] == 0
    assert float(str(figures["pressure_answered"]["value"])) > 0
    assert databases() == before
