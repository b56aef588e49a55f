"""The arithmetic of `passerelle sizing`: it grows with what it should, adds up, and is what docs/scaling.md shows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.kernel.errors import InvalidInput
from passerelle_ops.cli import main
from passerelle_ops.settings import ROOT
from passerelle_ops.sizing import report
from passerelle_ops.sizing.arithmetic import ceilings, database_cores, kept, sized
from passerelle_ops.sizing.inputs import Inputs, Origin, Population, inputs_of, ours

OURS = ours()
PATIENTS = st.integers(min_value=1, max_value=10**9)


def figures(inputs: Inputs, patients: int, networks: int = 1) -> dict[str, float]:
    of = Population(name="some", patients=patients, networks=networks, meaning="some")
    return {each.name: each.value for each in sized(inputs, of)}


def changed(name: str, factor: float) -> Inputs:
    figure = OURS.figures[name]
    return Inputs({**OURS.figures, name: replace(figure, value=figure.value * factor)}, OURS.populations)


@settings(max_examples=50)
@given(PATIENTS, PATIENTS, st.integers(min_value=1, max_value=30))
def test_nothing_shrinks_when_patients_come(some: int, more: int, networks: int) -> None:
    before, after = figures(OURS, some, networks), figures(OURS, some + more, networks)
    constant = {name for name in before if before[name] == after[name]}
    assert all(before[name] <= after[name] for name in before)
    assert constant == {"broker_octets"}


@settings(max_examples=50)
@given(PATIENTS, st.integers(min_value=1, max_value=30))
def test_what_is_shown_adds_up(patients: int, networks: int) -> None:
    found, parts = figures(OURS, patients, networks), kept(OURS, patients, networks)
    summed = [f"{name}_octets" for name in parts if name not in ("database", "contents")]
    assert sum(found[name] for name in summed) == pytest.approx(found["database_octets"])
    assert found["database_octets_network"] * networks == pytest.approx(found["database_octets"])
    assert found["gateway_cores"] + found["database_cores"] + found["workers_cores"] == pytest.approx(found["cores"])


def test_a_million_by_hand() -> None:
    found = figures(OURS, 1_000_000)
    assert found["journal_lines_year"] == 8e6 + 12e6 + 6e6 + 12e6
    assert found["documents_peak"] == pytest.approx(6e6 / 9e6 * 3)
    assert found["documents_octets"] == 6e6 * 10 * 3400
    assert found["contents_octets"] == 6e6 * 10 * (215_000 + 53 + 4 * 16)
    assert found["sealer_busy"] == pytest.approx(38e6 / 9e6 * 3 * 155e-6)


def test_every_input_counts() -> None:
    of, before = 1_000_000, (figures(OURS, 1_000_000), ceilings(OURS))
    for name in OURS.figures:  # halved: the journal is kept no longer than everything else is counted
        half = changed(name, 0.5)
        assert (figures(half, of), ceilings(half)) != before, name


def test_a_network_at_its_ceiling_just_fits() -> None:
    limits = {each.name: each.patients for each in ceilings(OURS)}
    disk = figures(OURS, round(limits["database_disk"]))["database_octets_network"]
    memory = figures(OURS, round(limits["database_memory"]))["database_memory_network"]
    assert disk == pytest.approx(OURS["server_disk"] * OURS["disk_share"], rel=1e-5)
    assert memory == pytest.approx(OURS["server_memory"], rel=1e-5)
    busy = database_cores(OURS, limits["database_cores_limit"])
    assert busy == pytest.approx(OURS["server_cores"] * OURS["used_share"])
    assert figures(OURS, round(limits["sealing"]))["sealer_busy"] == pytest.approx(OURS["used_share"], rel=1e-5)


def test_the_document_shows_what_the_command_writes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sizing", "--markdown"]) == 0
    assert capsys.readouterr().out in (ROOT / "docs" / "scaling.md").read_text("utf-8")


def test_every_figure_has_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sizing"]) == 0
    assert main(["sizing", "--assumptions"]) == 0
    shown = capsys.readouterr().out
    assert "Ce qu’il faut" in shown
    assert "mesuré" in shown
    assert set(report.names_shown(OURS)) == set(report.words())


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.15, "cores", "0,15 cœur"),
        (2, "cores", "2 cœurs"),
        (1.2e6, "objects", "1,2 million d’objets"),
        (10, "year", "10 ans"),
        (3e9, "octets", "3 Go"),
        (1.5e6, "1/year", "1,5 million par an"),
    ],
)
def test_what_is_counted_agrees_with_its_number(value: float, unit: str, said: str) -> None:
    assert report.scaled(value, unit) == said


def test_a_file_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(
        '[documents_patient]\nvalue = 60\nunit = "1/year"\norigin = "measured"\nsource = "nous"\nmeaning = "x"\n'
        '[[populations]]\nname = "ici"\npatients = 1000\nnetworks = 2\nmeaning = "chez nous"\n',
        "utf-8",
    )
    assert main(["sizing", "--inputs", str(mine), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["populations"].keys() == {"ici"}
    assert said["populations"]["ici"]["figures"]["documents_year"] == {"value": 60_000, "unit": "1/year"}
    assert said["inputs"]["documents_patient"]["origin"] == Origin.MEASURED
    assert said["inputs"]["openings_patient"]["value"] == OURS["openings_patient"]


FIGURE = '[{name}]\nvalue = {value}\nunit = "{unit}"\norigin = "{origin}"\nsource = "x"\nmeaning = "x"'
RIGHT = {"name": "documents_patient", "value": "6", "unit": "1/year", "origin": "set"}
SOMEBODY = '[[populations]]\nname = "x"\npatients = {}\n'


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[", "SIZING_NOT_READ"),
        ("documents_patient = 6", "SIZING_FIGURE"),
        (FIGURE.format(**{**RIGHT, "unit": "1/s"}), "SIZING_FIGURE"),
        (FIGURE.format(**{**RIGHT, "value": "0"}), "SIZING_FIGURE"),
        (FIGURE.format(**{**RIGHT, "origin": "sure"}), "SIZING_FIGURE"),
        (FIGURE.format(**{**RIGHT, "name": "documents"}), "SIZING_UNKNOWN"),
        (SOMEBODY.format(0) + 'networks = 1\nmeaning = "x"', "SIZING_POPULATIONS"),
        (SOMEBODY.format(2), "SIZING_POPULATIONS"),
    ],
)
def test_a_file_that_says_something_else_is_refused(tmp_path: Path, text: str, code: str) -> None:
    given = tmp_path / "given.toml"
    given.write_text(text, "utf-8")
    with pytest.raises(InvalidInput, match=code):
        inputs_of(given)
