"""The measure of the gateway runs whole on tiny data; how long anything took is nobody's business here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest

from passerelle_ops.bench import _pressure, gateway
from passerelle_ops.bench._kept_ground import Grounds, Sizes, measured_on_kept_ground
from passerelle_ops.bench._pressure import Load
from passerelle_ops.bench._report import Figure, Report
from passerelle_ops.bench._rounds import Plan
from passerelle_ops.stack.addresses import Addresses
from passerelle_ops.stack.postgres import Postgres

TINY = Sizes(patients=40, few=20, openings=2, journals=2)
BRIEF = Plan(connections=(1, 32), rounds=1, seconds=0.02)
DEPTH = gateway.Depth(plan=BRIEF, sizes=Plan(connections=(1,), rounds=1, seconds=0.02), unknown=1)
LOAD = Load(connections=24, seconds=0.5, alone=Plan(connections=(1,), rounds=1, seconds=0.1))
GOALS = {
    "p50_ratio_c1": 1.0,
    "throughput_ratio_c32": 0.65,
    "cpu_ms_per_request": 0.5,
    "p99_over_p50_c32": 4.0,
    "flatness_50k_2m": 1.25,
    "cold_operation_extra_ms": 5.0,
}
_Figures = Mapping[str, Figure]


def _databases(postgres: Postgres) -> set[str]:
    with psycopg.connect(postgres.url()) as admin:
        return {str(row[0]) for row in admin.execute("select datname from pg_database")}


@pytest.fixture(scope="module")
def figures(postgres: Postgres) -> _Figures:
    """What is measured, then endured, then under pressure, of one gateway on a server of someone else's."""
    found: list[Report] = []

    async def each(grounds: Grounds) -> None:
        found.append(await gateway._measured(grounds, DEPTH, None))
        found.append(await _pressure._endured(grounds.large, 100))
        found.append(await _pressure._pressed(grounds.large, LOAD))

    def measured(grounds: Grounds) -> int:
        asyncio.run(each(grounds))
        return 0

    before = _databases(postgres)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PASSERELLE_WEB_PROCESSES", "1")
        measured_on_kept_ground(TINY, postgres.url(), gateway._processes, measured)
    assert _databases(postgres) == before, "nothing is left there"
    assert [each.bench for each in found] == ["gateway"] * 3
    return {figure.name: figure for report in found for figure in report.figures}


@pytest.mark.long
def test_both_operations_are_measured_and_every_way_answers_alike(figures: _Figures) -> None:
    measured = [name for name in figures if not name.startswith(("pressure_", "endurance_"))]
    goals = {name: figures[name].goal for name in measured if figures[name].goal is not None}
    journal = {f"{name}_journal": goal for name, goal in GOALS.items()} | {"p50_ratio_c1_journal": 1.6}
    assert goals == GOALS | journal
    assert {"strawberry_speedup_c32", "strawberry_speedup_c32_journal"} <= figures.keys()


@pytest.mark.long
def test_memory_is_told_after_many_requests(figures: _Figures) -> None:
    assert figures["endurance_requests"].value == 100
    assert figures["endurance_memory_before_mb"].value > 10


@pytest.mark.long
def test_more_than_can_be_served_gives_no_error(figures: _Figures) -> None:
    assert figures["pressure_errors"].value == 0
    assert figures["pressure_answered"].value > 0


def test_a_ground_is_built_once_and_each_run_has_a_copy(tmp_path: Path) -> None:
    def patients(grounds: Grounds) -> int:
        """How many the large network holds; takes them all away."""
        owner_url = Addresses(grounds.stack.settings, grounds.large.info).tenant_owner_url(grounds.large.tenant)
        with psycopg.connect(owner_url) as owner:
            counted = owner.execute("select count(*) from patient").fetchone()
            owner.execute("truncate patient cascade")
        assert counted is not None
        return int(counted[0])

    built: list[int] = []
    for _ in range(2):
        assert measured_on_kept_ground(TINY, None, lambda _: (), patients, cache=tmp_path) == TINY.patients
        (mark,) = tmp_path.glob("*/built")
        built.append(mark.stat().st_mtime_ns)
    assert built[0] == built[1]
