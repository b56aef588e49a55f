"""`passerelle verify schemas` through the real command, and the web process that does not start over what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lxml import etree

from passerelle.oncology.formats import schemas
from passerelle.oncology.formats.rules.shapes import DocumentKind
from passerelle_ops.asgi import create_app
from passerelle_ops.cli import main
from passerelle_ops.settings import Settings
from tests.formats.samples import SHARED, needs_shared
from tests.oncology.formats.rule_documents import whole
from tests.oncology.formats.rule_faults import found


@pytest.fixture(autouse=True)
def _own_rules_again() -> None:
    schemas.use(None)


def written(folder: Path, kind: DocumentKind, *, code: str | None = None) -> Path:
    document = whole(kind)
    if code:
        next(found(document, "cda:code")).set("code", code)
    path = folder / f"{kind}.xml"
    path.write_bytes(etree.tostring(document))
    return path


def test_documents_are_checked_by_our_own_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet, plan = written(tmp_path, DocumentKind.FRCP, code="11488-4"), written(tmp_path, DocumentKind.CARE_PLAN)
    assert main(["verify", "schemas", str(plan), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"files": [], "schematrons": True, "findings": []}
    assert main(["verify", "schemas", str(sheet), str(plan), "--json"]) == 1
    assert [each["rule"] for each in json.loads(capsys.readouterr().out)["findings"]] == ["frcp.code"]
    assert main(["verify", "schemas", str(sheet)]) == 1
    assert "frcp.code" in capsys.readouterr().out


def test_what_is_no_oncology_document_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "autre.xml").write_text('<ClinicalDocument xmlns="urn:hl7-org:v3"/>', "utf-8")
    assert main(["verify", "schemas", str(tmp_path / "autre.xml"), "--json"]) == 1
    assert [each["rule"] for each in json.loads(capsys.readouterr().out)["findings"]] == ["ONCOLOGY_DOCUMENT_UNKNOWN"]


def test_a_folder_that_cannot_be_used_is_told_and_nothing_starts_over_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSERELLE_CISIS_DIR", str(tmp_path / "absent"))
    assert main(["verify", "schemas"]) == 2
    assert "PASSERELLE_CISIS_DIR" in capsys.readouterr().err
    with pytest.raises(schemas.Unusable) as unusable:
        create_app(Settings(state=tmp_path, issuer="https://demo.invalid"))
    assert unusable.value.code == "CISIS_FOLDER_MISSING"


@needs_shared
def test_the_official_schema_is_made_ready(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSERELLE_CISIS_DIR", str(SHARED / "cda"))
    sheet = SHARED / "cda" / "ci-sis-2022-2025" / "CANCER-FRCP_2022.01_Appareil.xml"
    assert main(["verify", "schemas", str(sheet), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == ["xsd/CDA_extended.xsd"]
    schemas.use(None)
