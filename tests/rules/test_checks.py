"""A pack that cannot be read is refused; one that would do wrong is told of before it takes effect."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import TypeAlias

import pytest

from passerelle_policies.checks import check_pack
from passerelle_policies.matrix import InvalidPack
from passerelle_policies.packs import Pack, load_pack

BASE = "2023-10-26-habilitations"
Change: TypeAlias = Callable[[str], str]
Write: TypeAlias = Callable[[str, Change], Pack]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Read a copy of the base pack with one of its files changed."""
    with as_file(files("passerelle_policies").joinpath("packs", BASE)) as folder:
        copy = Path(shutil.copytree(folder, tmp_path / BASE))

    def write(file: str, change: Change) -> Pack:
        path = copy / file
        path.write_text(change(path.read_text("utf-8")), "utf-8")
        return load_pack(copy, tmp_path)

    return write


def add(line: str) -> Change:
    return lambda text: text + line + "\n"


def first(line: str) -> Change:
    return lambda text: line + "\n" + text


def swap(old: str, new: str, times: int = 1) -> Change:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, times)

    return change


def row(
    *,
    role: str = "physician",
    relation: str = "care_team",
    types: str = "dmp:*",
    action: str = "move",
    dossier: str = "open",
    when: str = "",
    effect: str = "allow",
) -> Change:
    """A further line of the matrix about documents."""
    return add(
        f"x-rule,{role},{relation},document,{types},{action},normal,,{dossier},{when},{effect},yes,texte,Phrase."
    )


def repeat_first_row(text: str) -> str:
    return text + text.splitlines()[1] + "\n"


@pytest.mark.parametrize(
    ("file", "change", "fault"),
    [
        ("matrix.csv", row(action="fly"), "fly"),
        ("matrix.csv", row(dossier="ajar"), "ajar"),
        ("matrix.csv", row(when="a.b"), "a.b"),
        ("matrix.csv", row(when="dossier.retention_years"), "yes-or-no"),
        ("matrix.csv", repeat_first_row, "stands twice"),
        ("matrix.csv", swap("even_if,", ""), "columns"),
        ("matrix.csv", add("x-rule,physician"), "line"),
        ("matrix.csv", swap(",allow,yes,", ",perhaps,yes,"), "perhaps"),
        ("matrix.csv", swap(",allow,yes,", ",allow,maybe,"), "maybe"),
        ("groups.csv", add("social,EXPORT_DUI,x"), "EXPORT_DUI"),
        ("pack.toml", swap("effective", "since"), "effective"),
        ("pack.toml", add('extends = "nothing-there"'), "nothing-there"),
        ("pack.toml", add(f'extends = "{BASE}"'), "cannot extend"),
        ("pack.toml", add("label ="), "pack.toml"),
        ("parameters.toml", swap("overridable", "changeable"), "overridable"),
        ("parameters.toml", first('"a.b" = 3'), "a.b"),
    ],
)
def test_an_unreadable_pack_is_refused(write: Write, file: str, change: Change, fault: str) -> None:
    with pytest.raises(InvalidPack, match=fault):
        write(file, change)


@pytest.mark.parametrize(
    ("file", "change", "fault"),
    [
        ("matrix.csv", row(dossier="any"), "unless the record is open"),
        ("matrix.csv", row(types="99999-9"), "99999-9"),
        ("matrix.csv", row(types="11488-4", action="read"), "already allow"),
        ("matrix.csv", row(types="ATTEST-RESID", action="read"), "wholly denied"),
        ("matrix.csv", row(types="ATTEST-RESID", action="archive"), "cannot be read"),
        ("matrix.csv", row(relation="none", action="read"), "without a relation"),
        ("matrix.csv", row(role="other"), "has no role"),
        ("matrix.csv", row(action="delete", effect="deny"), "denies nothing under"),
        ("matrix.csv", row(types="-", action="read"), "names types"),
        ("matrix.csv", row(action=""), "cell is empty"),
        ("matrix.csv", swap("dmp:*,publish,", "class:10,publish,"), "published by nobody"),
        ("matrix.csv", swap("patient,document,dmp:*,read,", "patient,document,class:10,read,"), "by the patient"),
        ("groups.csv", add("unused,11488-4,x"), "used by no line"),
        ("parameters.toml", swap("dossier.retention_years", "dossier.retention_decades"), "missing"),
        ("parameters.toml", swap("dossier.retention_years", "dossier.retention_decades"), "that the code reads"),
        ("parameters.toml", swap("value = 42", 'value = "six weeks"'), "of type int"),
        ("parameters.toml", swap("effective = 2022-01-01", "effective = 2031-01-01"), "after its pack"),
        ("parameters.toml", swap('source = "CSP, art. R.1111-36"', 'source = ""'), "lacks its source"),
    ],
)
def test_a_pack_that_would_do_wrong_is_told_of(write: Write, file: str, change: Change, fault: str) -> None:
    faults = check_pack(write(file, change))
    assert any(fault in each for each in faults), faults


def test_a_pack_without_matrix_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "2030-empty"
    folder.mkdir()
    (folder / "pack.toml").write_text('label = "x"\nsource = "x"\neffective = 2030-01-01\n', "utf-8")
    with pytest.raises(InvalidPack, match="no matrix"):
        load_pack(folder, tmp_path)
