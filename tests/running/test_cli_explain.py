"""`passerelle explain`: a developer sees what an operation becomes, and why one becomes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from passerelle_ops.cli import main


def test_an_operation_of_ours_is_explained_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "OpenDossier", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (root,) = told["roots"]
    assert (told["compiled"], root["root"]) == (True, "dossier")
    assert "page.summary" in root["sql"]
    assert "access_patient_id" in root["parameters"]


def test_a_file_with_its_variables_has_its_cost_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "one.graphql"
    file.write_text("query Q($id: ID!) { document(id: $id) { ... on OpenedDocument { document { title } } } }", "utf-8")
    assert main(["explain", str(file), "--variables", '{"id": "x"}', "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cost"] > 0
    assert main(["explain", str(file)]) == 0
    assert "une requête de" in capsys.readouterr().out


def test_what_does_not_compile_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "{ __schema { types { name } } }"]) == 1
    assert "__schema" in capsys.readouterr().out
    assert main(["explain", "{ nothing }"]) == 2
    assert "nothing" in capsys.readouterr().err
    assert main(["explain", "{ me { name } }", "--variables", "{"]) == 2
