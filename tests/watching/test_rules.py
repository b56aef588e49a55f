"""Alerts and panels: every figure that they use is told by a program, and every alert has its page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from promql_parser import AggregateExpr, Expr, MatchOp, MatrixSelector, VectorSelector, parse, walk

from passerelle.audit.journal import Outcome
from passerelle.kernel import messages
from passerelle_policies.vocabulary import Action, Kind, Mode
from tests.conftest import ROOT

WATCHING, RUNBOOK = ROOT / "ops" / "watching", ROOT / "docs" / "runbook"
ALERTS: list[dict[str, Any]] = [
    rule
    for file in sorted((WATCHING / "alerts").glob("*.yaml"))
    for group in yaml.safe_load(file.read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
BOARDS = {each.name: json.loads(each.read_text("utf-8")) for each in sorted((WATCHING / "dashboards").glob("*.json"))}
#: What Prometheus adds to whatever it reads.
ADDED = {"instance", "job", "le"}
#: The words that a label may be asked for.
WORDS: dict[str, set[str]] = {
    "outcome": {"answered", "conflict", "done", "failed", "invalid", "later", "unauthenticated", "unopened"}
    | set(Outcome),
    "kind": {"statement", "transaction", *Kind},
    "action": set(Action),
    "mode": set(Mode),
    "program": {"gateway", "worker"},
    "code": set(messages.catalogue()),
    "task": {"relay", "seal"},
    "queue": {"turns", "federation"},
}


@cache
def _told() -> dict[str, set[str]]:
    """Every figure of the gateway and of the worker, by the names that Prometheus reads, with its labels."""
    import passerelle_ops.asgi
    import passerelle_ops.worker  # noqa: F401 - both programs, so that all that they count is known
    from passerelle_ops.watching.counted import Counted
    from passerelle_ops.watching.networks import Networks
    from passerelle_ops.watching.sharing import figures
    from passerelle_ops.watching.worker import queue_length

    everything = [
        *Counted("gateway", [figures()]).collect(),
        *Networks([], datetime.now(UTC)).collect(),
        queue_length(),
    ]
    told: dict[str, set[str]] = {}
    for metric in everything:
        endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(metric.type, ("",))
        told |= {metric.name + each: set(getattr(metric, "_labelnames", ())) for each in endings}
    return told


def _expressions() -> Iterator[tuple[str, str]]:
    for alert in ALERTS:
        yield alert["alert"], alert["expr"]
    for name, board in BOARDS.items():
        for panel in board["panels"]:
            for target in panel["targets"]:
                yield f"{name}: {panel['title']}", target["expr"]
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":  # Grafana's own function, round a figure and one of its labels
                figure, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]).groups()  # type: ignore[union-attr]
                yield f"{name}: {variable['name']}", f"count by ({label}) ({figure})"


@pytest.mark.parametrize(("where", "expression"), list(_expressions()), ids=lambda each: each[:60])
def test_every_figure_is_told_with_these_labels(where: str, expression: str) -> None:
    """As Prometheus would read it: the parser knows its grammar, its functions and what they take."""
    told, selected, grouped = _told(), list[VectorSelector](), set[str]()

    def look(each: Expr) -> None:
        if isinstance(each, MatrixSelector):
            selected.append(each.vector_selector)  # which is not walked to
        elif isinstance(each, VectorSelector):
            selected.append(each)
        elif isinstance(each, AggregateExpr) and each.modifier is not None:
            grouped.update(each.modifier.labels)

    walk(parse(expression), look)
    names = {str(each.name) for each in selected}
    assert names
    assert names <= told.keys(), where
    assert grouped <= set[str]().union(ADDED, *(told[each] for each in names)), where
    for each in selected:
        for asked in each.matchers.matchers:
            assert asked.name in told[str(each.name)] | ADDED, (where, str(each))
            if asked.op in (MatchOp.Equal, MatchOp.NotEqual):
                assert not asked.value or asked.value in WORDS[asked.name], (where, str(each))
            else:
                re.compile(asked.value)


@pytest.mark.parametrize("wrong", ["sum(passerelle_x", "rate(passerelle_x)", "sum by (network) rate(passerelle_x[5m])"])
def test_what_prometheus_would_refuse_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(wrong)


def test_every_alert_has_its_page_and_every_page_its_alert() -> None:
    names = [each["alert"] for each in ALERTS]
    assert len(set(names)) == len(names) > 20
    assert {each.stem for each in RUNBOOK.glob("*.md")} - {"README"} == set(names)
    for each in ALERTS:
        assert each["annotations"]["runbook"] == f"docs/runbook/{each['alert']}.md"
        assert each["labels"]["severity"] in ("page", "ticket")
        assert each["annotations"]["summary"].endswith(".")


@pytest.mark.parametrize("page", sorted(RUNBOOK.glob("*.md")), ids=lambda each: each.stem)
def test_a_page_names_what_there_is(page: Path) -> None:
    text = page.read_text("utf-8")
    for linked in re.findall(r"\]\(([^)]+)\)", text):
        assert (RUNBOOK / linked.partition("#")[0]).exists(), linked
    quoted = re.findall(r"`([^`]+)`", text)
    for name in {each for said in quoted for each in re.findall(r"passerelle_\w+", said)}:
        assert any(told.startswith(name) for told in _told()), name
    for code in {each for each in quoted if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", each)}:
        assert code in messages.catalogue() or code.startswith("PASSERELLE_"), code
    from passerelle_graphql.committed import committed

    for operation in {each for each in quoted if re.fullmatch(r"([A-Z][a-z]+){2,}", each)}:
        known = {*committed(), *(each["alert"] for each in ALERTS), "BrokenIntegrity"}
        assert operation in known, operation


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_is_one_that_grafana_takes(name: str) -> None:
    """What its model asks of a board and of a panel, and what is looked up in it by name."""
    board = BOARDS[name]
    assert (name, board["schemaVersion"] >= 36) == (f"{board['uid']}.json", True)
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", board["uid"])
    assert {*board["time"]} == {"from", "to"}
    variables = {each["name"]: each for each in board["templating"]["list"]}
    assert variables["source"]["type"] == "datasource"
    assert variables["source"]["query"] == "prometheus"
    for panel in board["panels"]:
        assert panel["title"]
        assert panel["type"] in ("gauge", "stat", "table", "timeseries")
        assert panel["datasource"] == {"type": "prometheus", "uid": "${source}"}
        place = panel["gridPos"]
        assert 0 < place["w"] <= 24 - place["x"]
        assert place["h"] > 0
        references = [each["refId"] for each in panel["targets"]]
        assert len({*references}) == len(references) > 0
        for target in panel["targets"]:
            assert {*re.findall(r"\$(\w+)", target["expr"])} <= variables.keys()
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS) == 3


def test_no_two_panels_lie_on_each_other() -> None:
    for name, board in BOARDS.items():
        taken = [
            (x, y)
            for place in (each["gridPos"] for each in board["panels"])
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ]
        assert len({*taken}) == len(taken), name
        assert len({each["id"] for each in board["panels"]}) == len(board["panels"]), name
