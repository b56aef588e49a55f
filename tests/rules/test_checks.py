"""A pack that cannot be read is refused; one that would do wrong is told of before it takes effect."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import TypeAlias

import pytest

from passerelle_policies.checks import check_pack
from passerelle_policies.matrix import COLUMNS, InvalidPack
from passerelle_policies.packs import Pack, load_pack, pack_named
from passerelle_policies.vocabulary import Action
from passerelle_policies.words import ACT_WORDS

YEARS = "dossier.retention_years"
RETENTION_SOURCE = "source = \"Cahier des charges d'origine : dix ans après la clôture ; texte d'alors non lu\""
TYPE_NOT_READ = "TYPE_NOT_READ_BY_PATIENT"
PATIENT_REMB = (TYPE_NOT_READ, "REMB")
BASE = "2012-dmp"
Change: TypeAlias = Callable[[str], str]
Write: TypeAlias = Callable[[str, Change], Pack]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Read a copy of the oldest pack, which stands alone, with one of its files changed."""
    with as_file(files("passerelle_policies").joinpath("packs")) as folder:
        copy = Path(shutil.copytree(folder, tmp_path / "packs")) / BASE

    def write(file: str, change: Change) -> Pack:
        path = copy / file
        path.write_text(change(path.read_text("utf-8")), "utf-8")
        return load_pack(copy, copy.parent)

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
    relation: str = "authorized",
    types: str = "dmp:*",
    action: str = "move",
    mode: str = "normal",
    even_if: str = "",
    dossier: str = "open",
    when: str = "",
    effect: str = "allow",
) -> Change:
    """A further line of the matrix about documents."""
    return add(
        f"x-rule,{role},{relation},*,document,{types},{action},{mode},{even_if},{dossier},{when},{effect},yes,texte,Phrase.,Vous."
    )


def gated(rule: str) -> str:
    """A line that gives no more than `read-physician`, but only when a parameter holds."""
    return f"{rule},physician,authorized,*,document,11488-4,read,*,,open,{SEES_MASKED},allow,yes,texte,Phrase.,Vous."


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
        ("pack.toml", swap("effective = ", 'removed = ["no-such-line"]\neffective = '), "cannot be removed"),
        ("pack.toml", swap("effective = ", 'removed = "read-own"\neffective = '), "a list of lines"),
        ("pack.toml", swap('nobody = ["informer"', 'nobody = ["voler"'), "a list of acts"),
        ("parameters.toml", swap("effective = 2012-01-01", "effective = 2012"), "the day it takes effect"),
        ("parameters.toml", first('"a.b" = 3'), "a.b"),
    ],
)
def test_an_unreadable_pack_is_refused(write: Write, file: str, change: Change, fault: str) -> None:
    with pytest.raises(InvalidPack, match=fault):
        write(file, change)


MATRIX, PARAMETERS = "matrix.csv", "parameters.toml"
SEES_MASKED = "attending_physician.sees_masked"


@pytest.mark.parametrize(
    ("file", "change", "code", "about"),
    [
        (MATRIX, row(dossier="any"), "DOSSIER_NOT_REQUIRED", "x-rule"),
        (MATRIX, row(types="99999-9"), "TYPE_UNKNOWN", "x-rule"),
        (MATRIX, row(types="ATTEST-RESID", action="archive"), "ACT_WITHOUT_SIGHT", "x-rule"),
        (MATRIX, row(relation="none", action="read"), "READS_WITHOUT_RELATION", "x-rule"),
        (MATRIX, row(role="other"), "ROLE_WITHOUT_QUALITY", "x-rule"),
        (MATRIX, row(types="-", action="read"), "TYPES_MISPLACED", "x-rule"),
        (MATRIX, row(action=""), "CELL_EMPTY", "x-rule"),
        (MATRIX, swap("dmp:*,publish,", "class:10,publish,"), "TYPE_PUBLISHED_BY_NOBODY", "34133-9"),
        (MATRIX, swap("patient,*,document,dmp:*,read,", "patient,*,document,class:10,read,"), TYPE_NOT_READ, "34133-9"),
        (MATRIX, row(role="person", relation="patient", types="REMB", action="read", effect="deny"), *PATIENT_REMB),
        ("groups.csv", add("unused,11488-4,x"), "GROUP_UNUSED", "group:unused"),
        (PARAMETERS, swap(YEARS, "dossier.retention_decades"), "PARAMETER_MISSING", YEARS),
        (PARAMETERS, swap(YEARS, "dossier.retention_decades"), "PARAMETER_UNREAD", "dossier.retention_decades"),
        (PARAMETERS, swap("value = 42", 'value = "six weeks"'), "PARAMETER_TYPE", "dossier.objection_days"),
        (PARAMETERS, swap("effective = 2012-01-01", "effective = 2031-01-01"), "PARAMETER_LATE", None),
        (MATRIX, lambda text: row()(text).replace("Phrase.,Vous.", "Phrase.,"), "LINE_UNEXPLAINED", "x-rule"),
        (MATRIX, row(effect="deny"), "REFUSED_IS_TOLD", "x-rule"),
        ("pack.toml", swap('nobody = ["informer", ', "nobody = ["), "ACT_OF_NOBODY", "informer"),
        ("pack.toml", swap("nobody = [", 'nobody = ["lire le journal", '), "ACT_OF_SOMEBODY", "lire le journal"),
        (PARAMETERS, swap(RETENTION_SOURCE, 'source = ""'), "PARAMETER_UNSOURCED", YEARS),
    ],
)
def test_a_pack_that_would_do_wrong_is_told_of(
    write: Write, file: str, change: Change, code: str, about: str | None
) -> None:
    faults = check_pack(write(file, change))
    assert any(each.code == code and about in (None, each.about) for each in faults), faults


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (row(types="11488-4", action="read"), "LINE_UNREACHABLE", "read-physician "),
        (row(types="11488-4", action="read", when=SEES_MASKED), "LINE_UNREACHABLE", "read-physician "),
        (row(role="dentist", types="EXPPAT_3", action="read", effect="deny"), "LINE_UNREACHABLE", "not-directives "),
        (row(types="ATTEST-RESID", action="read"), "LINE_DENIED", "read-physician-not-residence,"),
        (row(types="ATTEST-RESID", action="read", when=SEES_MASKED), "LINE_DENIED", "read-physician-not-residence,"),
        (row(types="ATTEST-RESID|11488-4", action="mask"), "LINE_CONTRADICTED", "sous ATTEST-RESID, contredite par"),
        (row(action="read", mode="*", even_if="*", effect="deny"), "LINE_CONTRADICTED", "sous authorized"),
        (
            row(role="nurse", types="11488-4", action="read", effect="deny"),
            "CONCEALED_SHOWS_MORE",
            "nurse, read, 11488-4",
        ),
        (row(action="delete", effect="deny"), "DENIES_NOTHING", "sous delete"),
        (row(action="grant"), "QUESTION_NEVER_ASKED", "grant sur document"),
        (row(role="person", action="read"), "RELATION_NEVER_HELD", "sous person"),
        (row(role="physician|nurse", relation="authorized|patient"), "RELATION_NEVER_HELD", "sous patient"),
        (row(role="nurse", relation="attending_physician"), "RELATION_NEVER_HELD", "sous attending_physician"),
        (
            lambda text: swap("read-physician,", "read-physician-first,")(text).replace(
                text.splitlines()[1], gated("read-gated") + "\n" + text.splitlines()[1]
            ),
            "GATE_IDLE",
            SEES_MASKED,
        ),
    ],
)
def test_a_line_that_never_answers_or_says_the_contrary_is_told_of(
    write: Write, change: Change, code: str, said: str
) -> None:
    faults = check_pack(write(MATRIX, change))
    assert any(each.code == code and said in each.sentence for each in faults), faults


def test_a_line_that_answers_only_while_another_sleeps_is_no_fault(write: Write) -> None:
    masked = "masked|hidden_from_patient|hidden_from_representatives"
    line = (
        f"x-rule,physician,attending_physician,*,document,dmp:*,read,*,{masked},open,{{}},allow,no,texte,Phrase.,Vous."
    )
    assert check_pack(write(MATRIX, add(line.format("attending_physician.reads_journal")))) == []
    faults = check_pack(write(MATRIX, swap("attending_physician.reads_journal,allow", f"{SEES_MASKED},allow", 9)))
    assert [each.code for each in faults] == ["LINE_UNREACHABLE"]


def test_what_the_operator_chooses_is_declared_too(write: Write) -> None:
    operator = "../operator.toml"
    faults = check_pack(write(operator, swap('["oversight.ratio"]', '["oversight.rate"]')))
    assert [(each.code, each.about) for each in faults] == [
        ("PARAMETER_MISSING", "oversight.ratio"),
        ("PARAMETER_UNREAD", "oversight.rate"),
    ]


def test_an_action_that_no_french_act_names_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    named = {act: said for act, said in ACT_WORDS.items() if act[1] is not Action.REVIEW}
    monkeypatch.setattr("passerelle_policies.checks.ACT_WORDS", named)
    faults = check_pack(pack_named(BASE))
    assert ("ACT_UNNAMED", "review") in {(each.code, each.about) for each in faults}


def test_every_fault_is_a_french_sentence() -> None:
    text = files("passerelle_policies").joinpath("faults.toml").read_text("utf-8")
    assert all(sentence.endswith((".", "{reason}")) for sentence in tomllib.loads(text).values())


def test_a_pack_without_matrix_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "2030-empty"
    folder.mkdir()
    (folder / "pack.toml").write_text('label = "x"\nsource = "x"\neffective = 2030-01-01\n', "utf-8")
    with pytest.raises(InvalidPack, match="no matrix"):
        load_pack(folder, tmp_path)


@pytest.fixture
def extend(tmp_path: Path) -> Callable[[str, str], Pack]:
    """Read a pack that extends the last one of the distribution with these lines of `pack.toml` and of the matrix."""
    with as_file(files("passerelle_policies").joinpath("packs")) as folder:
        beside = Path(shutil.copytree(folder, tmp_path / "packs"))

    def extend(about: str, lines: str) -> Pack:
        folder = beside / "2030-next"
        folder.mkdir()
        head = f'label = "x"\nsource = "x"\neffective = 2030-01-01\nextends = "{LAST}"\n'
        (folder / "pack.toml").write_text(head + about, "utf-8")
        (folder / "matrix.csv").write_text(",".join(COLUMNS) + "\n" + lines, "utf-8")
        return load_pack(folder, beside)

    return extend


LAST = "2025-10-15-team-consent"
SEEN = "masked|hidden_from_representatives"
NEWER = f"read-own,person,patient,*,document,dmp:*,read,normal,{SEEN},open,,allow,yes,texte,Phrase.,Vous.\n"
FURTHER = NEWER.replace("read-own,", "read-own-further,")


def test_a_pack_says_only_what_it_changes(extend: Callable[[str, str], Pack]) -> None:
    last = {line.rule: line for line in pack_named(LAST).lines}
    pack = extend('removed = ["move-author"]\nnobody = ["déplacer"]', NEWER + FURTHER)

    assert (pack.extends, pack.parameters) == (LAST, pack_named(LAST).parameters)
    assert [line.rule for line in pack.lines] == [*(rule for rule in last if rule != "move-author"), "read-own-further"]
    (changed,) = (line for line in pack.lines if line.rule in last and line != last[line.rule])
    assert (changed.rule, changed.sentence, changed.to_professional) == ("read-own", "Phrase.", "Vous.")
    assert {(each.code, each.about) for each in check_pack(pack)} == {("LINE_UNREACHABLE", "read-own-further")}


@pytest.mark.parametrize(
    ("about", "rule", "fault"),
    [
        ('removed = ["read-owner"]', None, "read-owner cannot be removed"),
        ('removed = ["read-own"]', "read-own", "read-own cannot be removed"),
        ("", "read-dentist", "read-dentist stands as it did"),
    ],
)
def test_a_change_that_changes_nothing_is_refused(
    extend: Callable[[str, str], Pack], about: str, rule: str | None, fault: str
) -> None:
    text = files("passerelle_policies").joinpath("packs", LAST, "matrix.csv").read_text("utf-8")
    same = {line.partition(",")[0]: line for line in text.splitlines()} | {"read-own": NEWER}
    with pytest.raises(InvalidPack, match=fault):
        extend(about, same[rule] + "\n" if rule else "")
