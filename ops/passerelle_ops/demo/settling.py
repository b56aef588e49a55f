"""The population moves in through as many processes as the machine has processors.

`python -m passerelle_ops.demo.settling oncomip picardie` lets the people of these networks move in and writes a
network's name for each patient who has; `settle_all` runs it and counts. A marker in the state says who is in.
"""

from __future__ import annotations

import asyncio
import json
import os
import selectors
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import IO, Final

from passerelle.kernel.errors import Conflict
from passerelle_ops.demo.people import PEOPLE_SEED
from passerelle_ops.settings import Settings

_MARKER: Final = "demo.json"
_TELLING: Final = 5  # one more whenever the story is told otherwise
_MOST_PROCESSES: Final = 4


def is_settled(settings: Settings, tenants: Sequence[str]) -> bool:
    """Whether the people of all these networks have moved in, as this version invents them."""
    try:
        marker = json.loads((settings.state / _MARKER).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    return bool(marker.get("seed") == _seed(settings) and set(tenants) <= set(marker.get("settled", ())))


def settle_all(settings: Settings, tenants: Sequence[str], on_patient: Callable[[str], None]) -> None:
    """Let everyone move in and wait for it. Refused: POPULATION_FAILED, the cause being in logs/settling.log."""
    count = max(1, min(os.cpu_count() or 1, _MOST_PROCESSES, len(tenants)))
    shares = [tenants[start::count] for start in range(count)]
    log_path = settings.state / "logs" / "settling.log"
    log_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    environment = {**os.environ, "PASSERELLE_STATE": str(settings.state)}
    environment["PASSERELLE_DEMO_PATIENTS"] = str(settings.demo_patients)
    with log_path.open("ab") as log:
        children = [
            subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-P", "-m", "passerelle_ops.demo.settling", *share],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
            )
            for share in shares
        ]
        try:
            _listen([child.stdout for child in children if child.stdout is not None], on_patient)
            codes = [child.wait() for child in children]
        finally:
            for child in children:
                if child.poll() is None:
                    child.terminate()
                    child.wait()
                if child.stdout is not None:
                    child.stdout.close()
    if any(codes):
        raise Conflict("POPULATION_FAILED", log=str(log_path))
    marker = {"seed": _seed(settings), "settled": sorted(tenants)}
    (settings.state / _MARKER).write_text(json.dumps(marker), "utf-8")


def _seed(settings: Settings) -> str:
    return f"{PEOPLE_SEED}/{_TELLING}/{settings.demo_patients}"


def _listen(outputs: Sequence[IO[bytes]], on_patient: Callable[[str], None]) -> None:
    with selectors.DefaultSelector() as selector:
        for output in outputs:
            selector.register(output, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                line = key.fileobj.readline()  # type: ignore[union-attr]
                if not line:
                    selector.unregister(key.fileobj)
                else:
                    on_patient(line.decode("ascii").strip())


async def _settle(tenants: Sequence[str]) -> None:
    from passerelle_ops.demo.casting import casts
    from passerelle_ops.demo.population import settle
    from passerelle_ops.installation import Installation

    installation = Installation(Settings())

    def told(tenant_id: str) -> None:
        sys.stdout.write(f"{tenant_id}\n")
        sys.stdout.flush()

    try:
        for cast in casts(installation.settings, tenants).values():
            await settle(installation, cast, told)
    finally:
        await installation.close()


if __name__ == "__main__":
    asyncio.run(_settle(sys.argv[1:]))
