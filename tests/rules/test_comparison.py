"""From one pack to another: who gains or loses what is exactly what the lines say, told without repeating."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from importlib.resources import as_file, files
from itertools import product
from pathlib import Path
from typing import TypeAlias

import pytest

from passerelle_policies.cells import Cell, cells_of
from passerelle_policies.comparison import Comparison, RightsChange, compare
from passerelle_policies.matrix import Concealment
from passerelle_policies.packs import Pack, load_pack, pack_named, packs
from passerelle_policies.vocabulary import Action, Kind, Mode, Relation, Role

BASE = "2021-mon-espace-sante"
EVERY_MODE = tuple(Mode)
UNMASKED = (Concealment.PLAIN, Concealment.HIDDEN_FROM_PATIENT, Concealment.HIDDEN_FROM_REPRESENTATIVES)
SEES_MASKED = '["attending_physician.sees_masked"]\nvalue = '
DENTIST_LOSES = "x-rule,dentist,care_team|authorized,*,document,11488-4|REMB,read,*,*,open,,deny,yes,texte,Phrase.,\n"
SECRETARY_OPENS = "other_health|secretary|establishment,none,*,dossier,-,open"
Change: TypeAlias = Callable[[str], str]
Write: TypeAlias = Callable[[str, Change], Pack]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Read a copy of the base pack, under a name of its own, with one of its files changed."""

    def write(file: str, change: Change) -> Pack:
        with as_file(files("passerelle_policies").joinpath("packs")) as folder:
            copy = Path(shutil.copytree(folder, tmp_path / "packs")) / BASE
        copy = copy.rename(copy.parent / f"changed-{tmp_path.name}")
        before = (copy / file).read_text("utf-8")
        assert change(before) != before
        (copy / file).write_text(change(before), "utf-8")
        return load_pack(copy, copy.parent)

    return write


def swap(old: str, new: str) -> Change:
    return lambda text: text.replace(old, new, 1)


def cells(pack: Pack) -> set[Cell]:
    """The plainest reading of a pack under its own parameters."""
    awake = [line for line in pack.lines if not line.when or pack.holds(line.when)]
    allowed = [cells_of(pack, line) for line in awake if line.effect == "allow"]
    denied = [cells_of(pack, line) for line in awake if line.effect == "deny"]
    return set[Cell]().union(*allowed) - set[Cell]().union(*denied)


def told(comparison: Comparison, types: Callable[[RightsChange], Iterable[str]]) -> list[Cell]:
    return [
        Cell(each.role, relation, setting, each.kind, each.action, mode, code, concealment, dossier)
        for each in comparison.rights
        for relation, mode, concealment, code in product(each.relations, each.modes, each.concealments, types(each))
        for setting in each.settings or ("*",)
        for dossier in ["open" if each.on_open_record else "other"]
    ]


@pytest.mark.no_cover
@pytest.mark.parametrize("pack", packs(), ids=[pack.name for pack in packs()])
def test_a_pack_does_not_differ_from_itself(pack: Pack) -> None:
    same = compare(pack, pack)
    assert (same.rights, same.parameters, same.lines) == ((), (), ())


def test_the_ruling_of_2025_changes_no_line_s_reach_but_asks_for_consent() -> None:
    ruling = compare(pack_named("2023-12-01-referentiel-rcp"), pack_named("2025-10-15-team-consent"))
    assert ruling.rights == ()
    (consent,) = ruling.parameters
    assert consent.name == "care_team.requires_consent"
    assert consent.before is not None
    assert consent.after is not None
    assert (consent.before.value, consent.after.value) == (False, True)
    assert "dossier-team" in {each.rule for each in ruling.lines}


def test_an_exception_is_told_once_for_all_that_it_takes(write: Write) -> None:
    changed = compare(pack_named(BASE), write("matrix.csv", lambda text: text + DENTIST_LOSES))
    (loss,) = changed.rights
    assert (loss.role, loss.kind, loss.action) == (Role.DENTIST, Kind.DOCUMENT, Action.READ)
    assert loss.relations == (Relation.CARE_TEAM, Relation.AUTHORIZED)
    assert (loss.modes, loss.concealments) == (EVERY_MODE, UNMASKED)
    assert (loss.gained, loss.lost) == ((), ("11488-4", "REMB"))
    assert [(each.rule, each.before) for each in changed.lines] == [("x-rule", None)]


def test_a_line_that_wakes_gives_what_it_gives(write: Write) -> None:
    base = pack_named(BASE)
    woken = compare(base, write("parameters.toml", swap(SEES_MASKED + "false", SEES_MASKED + "true")))
    assert {(each.role, each.relations, each.action) for each in woken.rights} == {
        (Role.PHYSICIAN, (Relation.ATTENDING_PHYSICIAN,), action) for action in (Action.READ, Action.UNMASK)
    }
    (reading,) = (each for each in woken.rights if each.action is Action.READ)
    assert reading.concealments == (Concealment.MASKED,)
    assert set(reading.gained) == base.dmp_types - {"ATTEST-RESID"}
    assert [each.name for each in woken.parameters] == ["attending_physician.sees_masked"]
    assert woken.lines == ()


def test_an_act_on_the_record_is_gained_or_lost_without_a_type(write: Write) -> None:
    changed = write("matrix.csv", swap(SECRETARY_OPENS, SECRETARY_OPENS.replace("secretary|", "")))
    lost = compare(pack_named(BASE), changed).rights
    assert {(each.role, each.action, each.lost, each.on_open_record) for each in lost} == {
        (Role.SECRETARY, Action.OPEN, ("-",), is_open) for is_open in (True, False)
    }


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("matrix.csv", lambda text: text + DENTIST_LOSES),
        ("matrix.csv", swap("dmp:*,read,*,hidden_from_patient|", "class:10|class:11,read,normal,masked|")),
        ("matrix.csv", swap(SECRETARY_OPENS, SECRETARY_OPENS.replace("secretary", "social_worker"))),
        ("parameters.toml", swap(SEES_MASKED + "false", SEES_MASKED + "true")),
    ],
)
def test_what_is_told_is_the_difference_of_the_cells_each_once_and_both_ways(
    write: Write, file: str, change: Change
) -> None:
    base, other = pack_named(BASE), write(file, change)
    there, back = compare(base, other), compare(other, base)
    for comparison in (there, back):
        after, before = cells(comparison.after), cells(comparison.before)
        gained = told(comparison, lambda each: each.gained)
        lost = told(comparison, lambda each: each.lost)
        assert len(set(gained)) == len(gained)
        assert len(set(lost)) == len(lost)
        assert set(gained) == after - before
        assert set(lost) == before - after
