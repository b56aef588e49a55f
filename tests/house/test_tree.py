"""What no file of the tree may be or hold (docs/decisions, CONTRIBUTING)."""

from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOTS = ("platform", "tenants", "graphql", "policies", "ops", "tests")
LONGEST = 400
UNWANTED_NAMES = {"utils", "util", "helpers", "helper", "services", "service", "managers", "manager", "misc", "common"}
# Written in two halves, so that this file does not hold them.
UNWANTED_WORDS = {
    "a package registry": re.compile("|".join(("pypi" + r"\.org", "python" + "hosted", "registry" + r"\.npmjs"))),
    "a machine's path": re.compile("/" + r"(root|home|Users)/\w"),
    "work put off": re.compile(r"\b(TO" + "DO|FIX" + "ME|X" + r"XX)\b|NotImplemented" + "Error"),
}


@cache
def tracked() -> tuple[Path, ...]:
    """The files of the tree, those not yet committed included; without git, every file of the source roots."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        paths = [path for root in (*ROOTS, "docs", "helm") for path in (ROOT / root).rglob("*")]
    return tuple(path for path in paths if path.is_file() and "__pycache__" not in path.parts)


def python_files() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py"]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("what", UNWANTED_WORDS)
def test_no_file_holds(what: str) -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{name(path)}: {match[0]}" for match in UNWANTED_WORDS[what].finditer(text)]
    assert not found


def test_no_file_is_named_for_a_technique() -> None:
    assert not [name(path) for path in python_files() if UNWANTED_NAMES & {*path.parts[-2:-1], path.stem}]


def test_files_are_short() -> None:
    """A migration is as long as what it lays."""
    written = [path for path in python_files() if path.parent.name != "versions"]
    assert not [name(path) for path in written if path.read_text("utf-8").count("\n") > LONGEST]


def test_every_module_says_what_it_is() -> None:
    written = [path for path in python_files() if path.stat().st_size]
    silent = [path for path in written if ast.get_docstring(ast.parse(path.read_text("utf-8"))) is None]
    assert not [name(path) for path in silent]


def test_every_test_folder_is_a_package_below_tests() -> None:
    folders = {path.parent for path in python_files() if (ROOT / "tests") in path.parents}
    assert not [name(folder) for folder in folders if not (folder / "__init__.py").exists()]
    shadowing = {"platform", "graphql", "tenants", "policies", "ops"}
    assert not [name(folder) for folder in folders if folder.name in shadowing]


def test_every_package_is_typed() -> None:
    for root in ROOTS[:-1]:
        packages = [each for each in (ROOT / root).iterdir() if (each / "__init__.py").exists()]
        assert len(packages) == 1, root
        assert (packages[0] / "py.typed").exists(), root


def test_pins_are_exact_and_agree() -> None:
    """Each direct dependency of pyproject stands with the same version in the full list."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    pins = dict(
        line.split(";")[0].strip().split("==")
        for file in (ROOT / "ops" / "requirements").glob("*.txt")
        for line in file.read_text("utf-8").splitlines()
        if line and not line.startswith(("#", "-r"))
    )
    for dependency in project["dependencies"]:
        package, version = re.sub(r"\[.*\]", "", dependency.split(";")[0]).strip().split("==")
        assert pins[package.lower()] == version, package
