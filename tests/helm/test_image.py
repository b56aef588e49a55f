"""The recipe of the image, as far as it can be seen without building it."""

from __future__ import annotations

import re

from tests.helm.chart import ROOT

RECIPE = (ROOT / "ops" / "Dockerfile").read_text("utf-8")
STAGES = re.split(r"(?m)^FROM ", RECIPE)[1:]


def test_the_base_is_named_by_whoever_builds_and_by_its_digest() -> None:
    assert re.search(r"(?m)^ARG BASE$", RECIPE)
    assert all(each.startswith("${BASE}") for each in STAGES)
    assert "*@sha256:" in STAGES[0]


def test_no_stage_compiles_and_the_last_installs_nothing() -> None:
    assert "--only-binary=:all:" in STAGES[0]
    assert not re.search(r"\b(gcc|build-essential|apt-get|apk|make)\b", RECIPE)
    assert not re.search(r"\bpip\b", STAGES[-1])


def test_it_runs_as_the_account_that_the_chart_names() -> None:
    pod = (ROOT / "helm" / "passerelle" / "templates" / "_pod.tpl").read_text("utf-8")
    (account,) = set(re.findall(r"runAsUser: (\d+)", pod))
    assert re.findall(r"(?m)^USER (.+)$", STAGES[-1]) == [f"{account}:{account}"]
    assert f"useradd --uid {account} " in STAGES[-1]


def test_what_it_copies_is_there_and_reaches_the_build() -> None:
    """The ignore file shuts everything out but what is named."""
    allowed = (ROOT / "ops" / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    copied = [each for line in re.findall(r"(?m)^COPY (?!--from)(.+)$", RECIPE) for each in line.split()[:-1]]
    assert allowed[0] == "*"
    for each in copied:
        assert (ROOT / each).exists()
        assert f"!{each}" in allowed
    roots = {"policies", "platform", "tenants/passerelle_tenants", "graphql", "ops/passerelle_ops"}
    assert roots <= set(copied)


def test_each_part_of_the_chart_finds_its_program_there() -> None:
    assert "/opt/passerelle/bin/passerelle" in STAGES[0]
    assert "PATH=/opt/passerelle/bin:" in STAGES[-1]
