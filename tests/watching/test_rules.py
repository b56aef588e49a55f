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
#: The words of PromQL that the rules use.
FUNCTIONS = {"absent", "count", "histogram_quantile", "increase", "label_values", "max", "rate", "sum", "topk"}
KEYWORDS = {"and", "by", "unless"}
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
            if variable["type"] == "query":
                yield f"{name}: {variable['name']}", variable["query"]


@pytest.mark.parametrize(("where", "expression"), list(_expressions()), ids=lambda each: each[:60])
def test_every_figure_is_told_with_these_labels(where: str, expression: str) -> None:
    told = _told()
    assert expression.count("(") == expression.count(")")
    bare = re.sub(r'"[^"]*"', '""', expression)
    names = set(re.findall(r"\bpasserelle_\w+", bare))
    assert names
    assert names <= told.keys(), where
    known = set[str]().union(ADDED, *(told[each] for each in names))
    for said in re.findall(r"(\w+)\s*(?:=~|!=|=)\s*\"", expression):
        assert said in known, (where, said)
    for grouped in re.findall(r"\bby\s*\(([^)]*)\)", expression):
        assert {each.strip() for each in grouped.split(",")} <= known, (where, grouped)
    for name, selector in re.findall(r"(\bpasserelle_\w+)\{([^}]*)\}", expression):
        for label, value in re.findall(r'(\w+)="([^"]+)"', selector):
            assert label in told[name] | ADDED, (where, name, label)
            assert value in WORDS[label], (where, label, value)
    left = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\bpasserelle_\w+|\bby\s*\([^)]*\)|\bnetwork\b", " ", bare)
    assert set(re.findall(r"[a-z_]+", left)) <= FUNCTIONS | KEYWORDS, where


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
        assert (RUNBOOK / linked).exists(), linked
    quoted = re.findall(r"`([^`]+)`", text)
    for name in {each for said in quoted for each in re.findall(r"passerelle_\w+", said)}:
        assert any(told.startswith(name) for told in _told()), name
    for code in {each for each in quoted if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", each)}:
        assert code in messages.catalogue() or code.startswith("PASSERELLE_"), code
    from passerelle_graphql.committed import committed

    for operation in {each for each in quoted if re.fullmatch(r"([A-Z][a-z]+){2,}", each)}:
        known = {*committed(), *(each["alert"] for each in ALERTS), "BrokenIntegrity"}
        assert operation in known, operation


def test_no_two_panels_lie_on_each_other() -> None:
    for name, board in BOARDS.items():
        places = [(each["gridPos"]["x"], each["gridPos"]["y"]) for each in board["panels"]]
        assert len(set(places)) == len(places), name
        assert len({each["id"] for each in board["panels"]}) == len(places), name
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS) == 3
