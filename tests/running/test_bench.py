"""A measure runs whole on tiny data and says what it must; how long anything took is nobody's business here."""

from __future__ import annotations

import json
from types import ModuleType

import psycopg
import pytest

from passerelle_ops.bench import concurrency, dossier, policy
from passerelle_ops.bench._ground import Size
from passerelle_ops.bench._report import Figure, Report
from passerelle_ops.bench._rounds import Plan
from passerelle_ops.stack.postgres import Postgres

TINY = Size(patients=40, openings=2)
BRIEF = Plan(rounds=1, seconds=0.02)


@pytest.fixture(autouse=True)
def _one_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSERELLE_WEB_PROCESSES", "1")


def shown(
    bench: ModuleType, capsys: pytest.CaptureFixture[str], *more: object, dsn: str | None = None
) -> dict[str, dict[str, object]]:
    """The figures of a brief measure by name, after checking the shape of the whole."""
    code = bench.measured(TINY, BRIEF, *more, dsn=dsn, as_json=True)
    said = json.loads(capsys.readouterr().out)
    name = bench.__name__.rpartition(".")[2]
    assert said.keys() == {"bench", "machine", "figures", "details"}
    assert all(each.keys() == {"title", "rows"} for each in said["details"])
    assert said["bench"] == name
    assert said["machine"]["cores"] >= 1
    figures = said["figures"]
    assert all(each.keys() == {"name", "value", "unit", "goal", "goal_low", "holds"} for each in figures)
    assert all((each["goal"] is None) == (each["holds"] is None) for each in figures)
    assert code == any(each["holds"] is False for each in figures)
    return {each["name"]: each for each in figures}


@pytest.mark.long
def test_opening_a_record_is_measured_against_its_own_statement(
    capsys: pytest.CaptureFixture[str], postgres: Postgres
) -> None:
    figures = shown(dossier, capsys, dsn=postgres.url())
    goals = {name: each["goal"] for name, each in figures.items() if each["goal"] is not None}
    assert goals == {"p50_ratio_c1": 1.6, "p50_ratio_c8": 1.6, "throughput_ratio_c32": 0.65}
    assert {"sql_over_pk_p50", "sql_p50_ms", "cpu_ms_per_request"} <= figures.keys()


@pytest.mark.long
def test_a_decision_is_measured_against_casbin(capsys: pytest.CaptureFixture[str], postgres: Postgres) -> None:
    depth = policy.Depth(every=20_011, questions=40, batches=4, calls=4)
    figures = shown(policy, capsys, depth, dsn=postgres.url())
    goals = {name: each["goal"] for name, each in figures.items() if each["goal"] is not None}
    assert goals == {"kept_us_p50": 1.0, "cold_over_kept": 100, "flatness_1e3_1e6": 1.25, "disagreements": 0}
    assert figures["disagreements"]["value"] == 0
    assert {"cold_us_p50", "masked_half_open_ms_p50", "asked"} <= figures.keys()


@pytest.mark.long
def test_a_measure_on_another_server_leaves_nothing_there(
    capsys: pytest.CaptureFixture[str], postgres: Postgres
) -> None:
    def there() -> tuple[set[str], set[str]]:
        with psycopg.connect(postgres.url()) as admin:
            databases = {str(row[0]) for row in admin.execute("select datname from pg_database")}
            roles = {str(row[0]) for row in admin.execute("select rolname from pg_roles")}
        return databases, roles - {"passerelle_serving"}

    before = there()
    figures = shown(concurrency, capsys, dsn=postgres.url())
    assert {f"throughput_async_over_sync_c{count}" for count in (1, 8, 32)} <= figures.keys()
    assert there() == before


@pytest.mark.parametrize(
    ("value", "goal", "is_floor", "holds"),
    [(1.6, 1.6, False, True), (1.7, 1.6, False, False), (0.65, 0.65, True, True), (0.6, 0.65, True, False)],
)
def test_a_goal_is_a_ceiling_or_a_floor(value: float, goal: float, is_floor: bool, holds: bool) -> None:
    figure = Figure(name="it", value=value, unit="ratio", goal=goal, is_floor=is_floor)
    assert figure.holds is holds
    assert Report(bench="it", figures=[figure, Figure(name="other", value=9, unit="ms")]).code == (not holds)
