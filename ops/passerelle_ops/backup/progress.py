"""How far a backup or a restore has come, shown as it goes: one bar for each thing it does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from passerelle_ops.backup.making import Progress
from passerelle_ops.terminal import progress

_NAMES: Final = {
    "tables": "Tables",
    "database": "Base (octets)",
    "contents": "Contenus",
    "verify": "Vérification (octets)",
    "replay": "Registre",
}


@contextmanager
def shown() -> Iterator[Progress]:
    """What takes the steps: name, done, and of how much where that is known."""
    with progress() as bars:
        known = {}

        def step(name: str, done: int, total: int | None) -> None:
            if name not in known:
                known[name] = bars.add_task(_NAMES[name], total=total)
            bars.update(known[name], completed=done, total=total)

        yield step
