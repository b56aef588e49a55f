"""The two shell commands, as far as they can be seen without installing anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ("ops/prepare", "ops/passerelle", "ops/test", ".ci/run")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The scripts alone, in folders as they are in the tree."""
    for folder in ("platform", "tenants", "graphql", "policies", "ops", ".ci"):
        (tmp_path / folder).mkdir()
    for script in SCRIPTS:
        shutil.copy(ROOT / script, tmp_path / script)
    shutil.copytree(ROOT / "ops" / "requirements", tmp_path / "ops" / "requirements")
    return tmp_path


def run(checkout: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=checkout, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_posix_shell_and_may_be_run(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    assert (ROOT / script).read_text().startswith("#!/bin/sh\n")
    assert subprocess.run(["sh", "-n", ROOT / script], check=False).returncode == 0


@pytest.mark.parametrize("folder", ["platform", "tenants", "graphql", "policies", "ops"])
@pytest.mark.parametrize("name", ["__init__.py", "x.py", "x.pyi"])
def test_a_stray_file_stops_the_tests_at_once(checkout: Path, folder: str, name: str) -> None:
    (checkout / folder / name).touch()
    done = run(checkout, "ops/test")
    assert done.returncode == 1
    assert f"{folder}/{name}" in done.stderr
    assert not (checkout / ".venv").exists()


def test_a_stray_file_stops_pytest_too(checkout: Path) -> None:
    (checkout / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "conftest.py", checkout / "tests")
    (checkout / "graphql" / "__init__.py").touch()
    pytest_alone = (sys.executable, "-P", "-m", "pytest", "-c", "/dev/null", "tests")
    done = run(checkout, *pytest_alone, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS="-p no:cacheprovider")
    assert done.returncode == 4
    assert "shadows" in done.stderr


def test_without_a_python_it_says_what_to_install(checkout: Path) -> None:
    done = run(checkout, "ops/passerelle", "--help", PASSERELLE_PYTHON="/nonexistent")
    assert done.returncode == 1
    assert "Python 3.11" in done.stderr


def test_a_prepared_checkout_adds_nothing(checkout: Path) -> None:
    """With the stamp there, the command is handed over at once, whatever its arguments hold."""
    (checkout / ".venv" / "bin").mkdir(parents=True)
    python = checkout / ".venv" / "bin" / "python"
    python.write_text('#!/bin/sh\nprintf "<%s>" "$@"\n')
    python.chmod(0o755)
    lists = [(ROOT / "ops" / "requirements" / name).read_text() for name in ("installer.txt", "runtime.txt")]
    (checkout / ".venv" / "prepared.runtime").write_text(f"{checkout.resolve()}\n{''.join(lists)}")
    done = run(checkout, "ops/passerelle", "ingest", "a file", PASSERELLE_PYTHON="/nonexistent")
    assert (done.returncode, done.stdout) == (0, "<-P><-m><passerelle_ops><ingest><a file>"), done.stderr
    link = checkout / "linked"
    link.symlink_to(checkout / "ops" / "passerelle")
    assert run(checkout, str(link)).stdout == "<-P><-m><passerelle_ops>"


def test_ci_runs_the_test_command_and_nothing_else() -> None:
    assert (ROOT / ".ci" / "run").read_text() == '#!/bin/sh\ncd -- "$(dirname -- "$0")/.." && exec ops/test\n'
