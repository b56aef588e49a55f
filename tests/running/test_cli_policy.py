"""`passerelle policy`, the command: its answers, its faults, its exit codes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest

from passerelle_ops import terminal
from passerelle_ops.cli import main
from passerelle_policies import cases, decision, enforcement, packs

BASE, BEFORE, RULING = "2023-10-26-habilitations", "2023-12-01-referentiel-rcp", "2025-10-15-team-consent"
DISPENSED, DISPENSING = ("--action", "lire les dispensations"), "dispensation-present"
READING = ["--relation", "care_team", "--type", "11488-4", "--action", "READ"]


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main(["policy", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_packs_hold_and_their_cases_get_their_answers(capsys: pytest.CaptureFixture[str]) -> None:
    reports = asked(capsys, "check")["packs"]

    assert [each["name"] for each in reports] == [
        "2012-dmp",
        "2021-mon-espace-sante",
        "2023-04-05-dp-sans-accord",
        BASE,
        BEFORE,
        RULING,
    ]
    for each in reports:
        assert each["faults"] == []
        assert each["cases_astray"] == []
        assert each["types"] == 103
        assert each["cases"] >= each["lines_cited_by_cases"] > 0
    assert sum(each["cases"] for each in reports) >= 300


def test_one_pack_is_shown_with_its_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "check", RULING]) == 0

    shown = capsys.readouterr().out
    assert RULING in shown
    assert BASE not in shown
    assert "depuis le 15/10/2025" in shown
    assert "✓ 1 paquet bien formé" in shown


def test_an_allowed_reading_names_its_line_its_text_and_its_pack(capsys: pytest.CaptureFixture[str]) -> None:
    answer = asked(capsys, "explain", "--profession", "10", *READING, "--on", "2026-11-16")

    assert (answer["allowed"], answer["rule"], answer["code"], answer["told"]) == (True, "read-physician", None, None)
    assert (answer["pack"], answer["established"], answer["role"]) == (RULING, True, "physician")
    assert "CE, 15 oct. 2025" in answer["source"]
    assert answer["sentence"].startswith("Le médecin")
    assert asked(capsys, "explain", "--role", "médecin", *READING, "--on", "2023-11-15")["pack"] == BASE


def test_what_the_refused_is_told_stands_apart_from_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    answer = asked(capsys, "explain", "--role", "physician", *READING, "--masked")

    assert (answer["allowed"], answer["rule"], answer["code"]) == (False, "document-masked", "DOCUMENT_UNKNOWN")
    assert "masqué" in answer["sentence"]
    assert "masqué" not in answer["told"]
    assert answer["established"] is None
    assert main(["policy", "explain", "--role", "physician", *READING, "--masked"]) == 0
    assert "Ce qui est dit au demandeur" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (["--role", "physician", *READING, "--masked", "--relation", "auteur"], "read-author"),
        (["--role", "pharmacien", "--relation", "patient présent", "--setting", "officine", *DISPENSED], DISPENSING),
        (["--role", "pharmacien", "--relation", "patient présent", "--setting", "ville", *DISPENSED], "default-deny"),
        (["--role", "physician", *READING, "--blocked"], "block"),
        (["--role", "physician", *READING, "--dossier", "closed"], "dossier-not-open"),
        (["--role", "physician", *READING, "--dossier", "none"], "dossier-not-open"),
        (["--role", "physician", *READING, "--status", "deleted"], "document-deleted"),
        (["--role", "citoyen", *READING, "--relation", "patient", "--hidden-from-patient"], "default-deny"),
        (["--role", "person", *READING, "--relation", "représentant", "--hidden-from-representatives"], "default-deny"),
        (
            ["--role", "nurse", "--relation", "équipe de soins", "--type", "83901-9", "--action", "lire"],
            "read-nurse-not",
        ),
        (["--role", "citoyen", "--relation", "patient", "--action", "lire le journal"], "journal-own"),
        (["--role", "person", "--relation", "patient", "--kind", "journal", "--action", "read"], "journal-own"),
        (["--role", "physician", "--action", "read", "--mode", "bris de glace", "--objection"], "default-deny"),
        (["--profession", "42", *READING], "default-deny"),
    ],
)
def test_the_rule_that_answers(words: list[str], rule: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(capsys, "explain", *words)["rule"] == rule


def test_a_prudent_choice_is_said_to_be_one(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--role", "nurse", "--relation", "care_team", "--type", "83901-9", "--action", "read"]
    assert asked(capsys, "explain", *words)["established"] is False
    assert main(["policy", "explain", *words, "--on", "2026-11-16"]) == 0
    shown = capsys.readouterr().out
    for said in ("Au 16/11/2026", "15/10/2025", "choix prudent"):
        assert said in shown


def test_two_packs_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    changes = asked(capsys, "diff", BEFORE, RULING)

    assert changes["rights"] == []
    assert [(each["name"], each["before"], each["after"]) for each in changes["parameters"]] == [
        ("care_team.requires_consent", False, True)
    ]
    assert {each["change"] for each in changes["lines"]} == {"reworded"}
    assert main(["policy", "diff", BEFORE, RULING]) == 0
    assert "Personne ne gagne ni ne perd de droit." in capsys.readouterr().out


def test_what_a_decade_changed_is_told_by_profession_parameter_and_line(capsys: pytest.CaptureFixture[str]) -> None:
    changes = asked(capsys, "diff", "2012-dmp", "2021-mon-espace-sante")

    reading = [each for each in changes["rights"] if (each["kind"], each["action"]) == ("document", "read")]
    assert {each["role"] for each in reading if each["relations"] == ["care_team"]} >= {"physician", "social_worker"}
    (masked,) = (each for each in reading if each["relations"] == ["attending_physician"])
    assert (masked["concealments"], masked["is_gained"], len(masked["types_lost"])) == (["masked"], False, 102)
    values = {each["name"]: (each["before"], each["after"]) for each in changes["parameters"]}
    assert values["attending_physician.sees_masked"] == (True, False)
    lines = {each["rule"]: each["change"] for each in changes["lines"]}
    assert (lines["dossier-team"], lines["read-physician"], lines["mask-author"]) == ("added", "changed", "reworded")
    assert "dossier-break-glass" not in lines


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["check", "2008-reves"], "paquets connus"),
        (["diff", BASE, "2008-reves"], "paquets connus"),
        (["diff", BASE], "Il manque"),
        (["explain", "--action", "read"], "il faut dire l’un ou l’autre"),
        (["explain", "--role", "physician", "--profession", "10", "--action", "read"], "il faut dire l’un ou l’autre"),
        (["explain", "--role", "voisin", "--action", "read"], "mots connus : physician (médecin)"),
        (["explain", "--profession", "999", "--action", "read"], "TRE_G15"),
        (["explain", "--role", "physician", "--action", "voler"], "actes connus sur dossier"),
        (["explain", "--role", "physician", "--action", "mask", "--kind", "journal"], "actes connus sur journal"),
        (["explain", "--role", "physician", "--action", "read", "--kind", "maison"], "--kind"),
        (["explain", "--role", "physician", "--action", "read", "--type", "0"], "n’est pas connu"),
        (["explain", "--role", "physician", "--action", "read", "--masked"], "de quel document"),
        (["explain", "--role", "physician", *READING, "--kind", "journal"], "ne porte pas sur un document"),
        (["explain", "--role", "physician", *READING, "--relation", "voisin"], "mots connus"),
        (["explain", "--role", "physician", *READING, "--dossier", "cassé"], "mots connus"),
        (["explain", "--role", "physician", *READING, "--mode", "turbo"], "mots connus"),
        (["explain", "--role", "physician", *READING, "--on", "hier"], "il faut une date"),
        (["explain", "--role", "physician", *READING, "--on", "2008-01-01"], "aucun paquet de règles"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["policy", *words]) == 2

    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the rules of the distribution, which `policy` reads instead; nothing of them is kept afterwards.

    What was compiled of the packs before BASE, which no test changes, serves again.
    """
    with as_file(files("passerelle_policies")) as folder:
        copied = Path(shutil.copytree(folder, tmp_path / "passerelle_policies"))
    for reader in (packs, cases):
        monkeypatch.setattr(reader, "files", lambda _: copied)
    by_day = packs._kept_by_day
    tables = {key: kept for key, kept in enforcement._tables.items() if str(key[0]) < BASE or key[0] == BEFORE}
    for module, name, kept in (
        (packs, "_kept_by_day", {}),
        (decision, "_kept", {}),
        (enforcement, "_tables", tables),
        (enforcement, "_matrices", {}),
    ):
        monkeypatch.setattr(module, name, kept)
    monkeypatch.setenv("COLUMNS", "200")
    kept_once = (packs.packs, cases.cases, terminal.output, terminal.notices)
    for each in kept_once:
        each.cache_clear()
    yield copied
    for each in kept_once:
        each.cache_clear()
    by_day.clear()  # what is read anew is not what was kept


def append(path: Path, line: str) -> None:
    path.write_text(path.read_text("utf-8") + line + "\n", "utf-8")


def test_a_dead_line_a_line_that_no_case_tries_and_a_case_astray_are_told_and_the_exit_code_says_so(
    rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    idle = "x-idle,physician,care_team,*,document,11488-4,read,normal,,open,,allow,yes,texte,Phrase.,Vous."
    append(rules / "packs" / RULING / "matrix.csv", idle)
    new = "x-new,dentist,care_team|authorized,*,document,11488-4,read,*,*,open,,deny,yes,texte,Phrase.,"
    append(rules / "packs" / RULING / "matrix.csv", new)
    astray = '- article: "Essai"\n  cas: [{qui: médecin, fait: consulter le dossier, attendu: autorisé}]'
    (rules / "cases" / "99-essai.yaml").write_text(astray, "utf-8")

    assert main(["policy", "check", "--json"]) == 1

    by_name = {each["name"]: each for each in json.loads(capsys.readouterr().out)["packs"]}
    found = by_name.pop(RULING)
    assert [(each["code"], each["about"]) for each in found["faults"]] == [
        ("LINE_UNREACHABLE", "x-idle"),
        ("LINE_WITHOUT_CASE", "x-new"),
    ]
    (case,) = found["cases_astray"]
    assert case["article"] == "Essai"
    assert case["got"] == {"code": "ACCESS_REFUSED", "rule": "default-deny"}
    assert not any(each["faults"] or each["cases_astray"] for each in by_name.values())
    assert main(["policy", "check", BASE]) == 0
    capsys.readouterr()
    assert main(["policy", "check", RULING]) == 1
    shown = capsys.readouterr().out
    assert "aucune question ne l’atteint" in shown
    assert "refusé (default-deny)" in shown
    assert "✗ 2 fautes, 1 cas sans sa réponse." in shown


def test_what_cannot_be_read_is_a_fault_not_a_crash(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    append(rules / "packs" / RULING / "matrix.csv", "x-rule,physician")
    (rules / "cases" / "99-essai.yaml").write_text("- article: X\n  cas: [{qui: voisin}]", "utf-8")

    for name, code in ((RULING, "PACK_UNREADABLE"), (BASE, "CASES_UNREADABLE")):
        assert main(["policy", "check", name, "--json"]) == 1
        (report,) = json.loads(capsys.readouterr().out)["packs"]
        assert [each["code"] for each in report["faults"]] == [code]
    assert main(["policy", "check", RULING]) == 1
    capsys.readouterr()
    for words in (["diff", BASE, RULING], ["explain", "--role", "physician", *READING]):
        assert main(["policy", *words]) == 1
        assert "PACK_UNREADABLE" in capsys.readouterr().err


def test_a_comparison_names_the_profession_the_relation_and_the_types(
    rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loss = "x-loss,dentist,care_team|authorized,*,document,11488-4,read,*,*,open,,deny,yes,texte,Phrase.,Vous."
    append(rules / "packs" / RULING / "matrix.csv", loss)

    (change,) = asked(capsys, "diff", BEFORE, RULING)["rights"]

    assert (change["role"], change["action"], change["relations"]) == ("dentist", "read", ["care_team", "authorized"])
    assert change["types_lost"] == [{"code": "11488-4", "label": "CR ou fiche de consultation ou de visite"}]
    assert change["types_gained"] == []
    assert main(["policy", "diff", RULING, BEFORE]) == 0
    shown = capsys.readouterr().out
    for word in (
        "chirurgien-dentiste",
        "équipe de soins, autorisé",
        "CR ou fiche de consultation ou de visite (11488-4)",
    ):
        assert word in shown


def test_many_types_are_told_by_their_classes(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loss = "x-loss,dentist,care_team|authorized,*,document,class:10|REMB,read,*,*,open,,deny,yes,texte,Phrase.,Vous."
    append(rules / "packs" / RULING / "matrix.csv", loss)
    append(rules / "packs" / RULING / "pack.toml", 'removed = ["dossier-open-consent"]')

    assert main(["policy", "diff", BEFORE, RULING]) == 0

    shown = capsys.readouterr().out
    for words in ("tout mode ; visible", "Compte rendu (33 sur 35)", "tous sauf", "secrétaire", "cet acte"):
        assert words in shown
