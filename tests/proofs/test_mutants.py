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
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Cloned, Template

SOURCES = ("platform", "policies", "graphql", "tenants", "ops")
MUTANTS: dict[str, dict[str, Any]] = tomllib.loads((ROOT / "tests/proofs/mutants.toml").read_text("utf-8"))
PROPERTIES = ("filter", "twins", "executors", "outsiders")
HUNTED = 60
AT_ONCE = 2
SHOWN = {"total-counted-before-the-filter", "refused-is-shown-the-record"}
"""Those of the two costly properties, a process and a whole schema each, that are hunted every time."""
pytestmark = pytest.mark.timeout(900)
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

    async def hunt(
        self, named: str, first: int, worlds: int, edits: Sequence[dict[str, str]] = (), *, rewrites: bool = False
    ) -> Hunt:
        """Hunt in `worlds` worlds over the sources with these edits; `rewrites` what the database keeps by them."""
        async with self._free, AsyncExitStack() as stack:
            folder = self._folder / str(next(_numbers))
            folder.mkdir()
            async with self._cloning:  # a template is copied once at a time
                is_pair = named in {"twins", "executors"}
                wanted = [self._tenant, self._tenant, self._directory] if is_pair else [self._tenant]
                cloned = [await stack.enter_async_context(_cloned(each)) for each in wanted]
            path = os.pathsep.join([*(str(_planted(folder, each, edits)) for each in SOURCES), str(ROOT)])
            if rewrites:
                for each in cloned[:2]:
                    written = await _run(path, "summaries", each.owner_url)
                    assert written == Hunt(0, ""), written
            urls = [each.url for each in cloned]
            return await _run(path, "hunt", named, str(first), str(worlds), str(folder), *urls)


async def _run(path: str, module: str, *arguments: str) -> Hunt:
    """How a module of ours ended over these sources."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "tests.proofs", module, *arguments),
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.communicate()
        raise
    return Hunt(process.returncode or 0, said.decode()[-2000:])


@asynccontextmanager
async def _cloned(template: Template) -> AsyncIterator[Cloned]:
    async for cloned in template.clone():
        yield cloned


def _planted(folder: Path, root: str, edits: Sequence[dict[str, str]]) -> Path:
    """A source root, copied and edited when a fault is to be planted there."""
    mine = [each for each in edits if each["file"].startswith(f"{root}/")]
    if not mine:
        return ROOT / root
    # With what is compiled, save for what is just being written.
    shutil.copytree(ROOT / root, folder / root, ignore=shutil.ignore_patterns("*.pyc.*"))
    for each in mine:
        file = folder / each["file"]
        text = file.read_text("utf-8")
        assert text.count(each["old"]) == 1, f"{each['file']} does not hold once: {each['old']}"
        file.write_text(text.replace(each["old"], each["new"]), "utf-8")
        for compiled in file.parent.glob(f"__pycache__/{file.stem}.*"):
            compiled.unlink()
    return folder / root


@pytest.fixture(scope="module")
async def hunts(
    request: pytest.FixtureRequest,
    tenant_template: Template,
    directory_template: Template,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Mapping[str, asyncio.Task[Hunt]]]:
    """The hunts that are wanted, under way: by the name of the fault, or of the property where there is none."""
    grounds = Grounds(tenant_template, directory_template, tmp_path_factory.mktemp("mutants"))
    wanted = [
        each.callspec.params["hunted"]
        for each in request.session.items
        if hasattr(each, "callspec") and "hunted" in each.callspec.params
    ]
    under_way = {name: asyncio.create_task(_hunted(grounds, name)) for name in wanted}
    yield under_way
    for each in under_way.values():
        each.cancel()
    await asyncio.gather(*under_way.values(), return_exceptions=True)


async def _hunted(grounds: Grounds, name: str) -> Hunt:
    if name in PROPERTIES:
        return await grounds.hunt(name, 1, 2)
    mutant = MUTANTS[name]
    first, rewrites = mutant.get("first", 1), mutant.get("rewrites", False)
    return await grounds.hunt(mutant["caught_by"], first, HUNTED, mutant["edits"], rewrites=rewrites)


def _is_left(name: str) -> bool:
    return MUTANTS[name]["caught_by"] in {"twins", "executors"} and name not in SHOWN


def test_each_fault_has_its_place_in_the_sources() -> None:
    astray = [
        name
        for name, mutant in MUTANTS.items()
        for each in mutant["edits"]
        if (ROOT / each["file"]).read_text("utf-8").count(each["old"]) != 1
    ]
    assert astray == []


@pytest.mark.parametrize("hunted", PROPERTIES)
async def test_without_a_fault_nothing_is_found(hunts: Mapping[str, asyncio.Task[Hunt]], hunted: str) -> None:
    assert await hunts[hunted] == Hunt(0, "")


@pytest.mark.parametrize(
    "hunted",
    [pytest.param(name, marks=[pytest.mark.long] if _is_left(name) else []) for name in MUTANTS],
)
async def test_a_planted_fault_is_caught(hunts: Mapping[str, asyncio.Task[Hunt]], hunted: str) -> None:
    caught = await hunts[hunted]
    # Beside what the hunt says may stand what the fault made the gateway log.
    said = {each.partition(":")[0] for each in caught.said.splitlines()}
    assert caught.code == 1, caught.said
    assert MUTANTS[hunted]["caught_by"] in said, caught.said
