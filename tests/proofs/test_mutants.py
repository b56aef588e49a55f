"""The properties bite: each planted fault of `mutants.toml` is caught by the property that is named there.

A fault is planted in a copy of the sources and hunted in a process of its own, against databases of its own; the
same hunts over the sources as they are find nothing.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tomllib
from collections.abc import Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Template

SOURCES = ("platform", "policies", "graphql", "tenants", "ops")
MUTANTS: dict[str, dict[str, Any]] = tomllib.loads((ROOT / "tests/proofs/mutants.toml").read_text("utf-8"))
PROPERTIES = ("filter", "twins", "outsiders")
HUNTED = 60
AT_ONCE = 2
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Hunt:
    """How a hunt ended: 0 nothing found, 1 a violation, which `said` names."""

    code: int
    said: str


class Grounds:
    """Hunts, some at a time."""

    def __init__(self, tenant: Template, directory: Template, folder: Path) -> None:
        self._tenant, self._directory, self._folder = tenant, directory, folder
        self._free = asyncio.Semaphore(AT_ONCE)
        self._cloning = asyncio.Lock()

    async def hunt(self, named: str, first: int, worlds: int, edits: Sequence[dict[str, str]] = ()) -> Hunt:
        """Hunt in `worlds` worlds over the sources with these edits."""
        async with self._free, AsyncExitStack() as stack:
            folder = self._folder / str(next(_numbers))
            folder.mkdir()
            async with self._cloning:  # a template is copied once at a time
                wanted = [self._tenant, self._tenant, self._directory] if named == "twins" else [self._tenant]
                urls = [await stack.enter_async_context(_cloned(each)) for each in wanted]
            arguments = (named, str(first), str(worlds), str(folder), *urls)
            path = os.pathsep.join([*(str(_planted(folder, each, edits)) for each in SOURCES), str(ROOT)])
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "tests.proofs.hunt", *arguments),
                env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            said, _ = await process.communicate()
            return Hunt(process.returncode or 0, said.decode()[-2000:])


@asynccontextmanager
async def _cloned(template: Template) -> Any:
    async for cloned in template.clone():
        yield cloned.url


def _planted(folder: Path, root: str, edits: Sequence[dict[str, str]]) -> Path:
    """A source root, copied and edited when a fault is to be planted there."""
    mine = [each for each in edits if each["file"].startswith(f"{root}/")]
    if not mine:
        return ROOT / root
    shutil.copytree(ROOT / root, folder / root, ignore=shutil.ignore_patterns("__pycache__"))
    for each in mine:
        file = folder / each["file"]
        text = file.read_text("utf-8")
        assert text.count(each["old"]) == 1, f"{each['file']} does not hold once: {each['old']}"
        file.write_text(text.replace(each["old"], each["new"]), "utf-8")
    return folder / root


@pytest.fixture(scope="module")
async def hunts(
    tenant_template: Template, directory_template: Template, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Hunt]:
    """How every hunt ended, by the name of its fault; those without a fault by the name of the property."""
    grounds = Grounds(tenant_template, directory_template, tmp_path_factory.mktemp("mutants"))
    asked = {name: grounds.hunt(name, 1, 2) for name in PROPERTIES}
    for name, mutant in MUTANTS.items():
        asked[name] = grounds.hunt(mutant["caught_by"], mutant.get("first", 1), HUNTED, mutant["edits"])
    return dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))


@pytest.mark.parametrize("named", PROPERTIES)
def test_without_a_fault_nothing_is_found(hunts: dict[str, Hunt], named: str) -> None:
    assert hunts[named] == Hunt(0, "")


@pytest.mark.parametrize("fault", MUTANTS)
def test_a_planted_fault_is_caught(hunts: dict[str, Hunt], fault: str) -> None:
    caught = hunts[fault]
    assert (caught.code, caught.said.partition(":")[0]) == (1, MUTANTS[fault]["caught_by"]), caught.said
