"""The clock in a process of its own: sends each task its turns and runs none (`passerelle beat`).

A worker is its own clock unless PASSERELLE_BEAT=false. Where many workers share the work, each of them would send every
turn: this one does, alone. Nothing breaks while it is away or when there are two: a turn that is late finds what became
due, and a turn too many finds its task taken (`schedule.run_alone`).
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Any

import structlog
from celery.beat import Scheduler, Service

from passerelle_ops import logs
from passerelle_ops.settings import Settings
from passerelle_ops.stack.addresses import Addresses
from passerelle_ops.worker import ALIVE_SECONDS, create_app, first_turns, opened

_log = structlog.get_logger("passerelle.beat")


def main() -> int:
    """Send turns until SIGTERM."""
    settings = Settings()
    logs.configure(settings)
    turns = opened(settings)
    try:
        app = create_app(Addresses(settings).own_broker_url(), turns)
        service = Service(app, scheduler_cls=_sending(settings.ready_file))

        def stop(_number: int, _frame: FrameType | None) -> None:
            service.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        first_turns(app, turns)
        _log.info("started", networks=turns.networks())
        service.start()
    finally:
        turns.close()
    return 0


def _sending(alive: Path | None) -> type[Scheduler]:
    """Celery's clock, which touches a file as long as it goes."""

    class Sending(Scheduler):  # type: ignore[misc]
        _touched = float("-inf")

        def tick(self, *given: Any, **options: Any) -> float:
            seconds: float = super().tick(*given, **options)
            if alive is not None and monotonic() - self._touched >= ALIVE_SECONDS:
                alive.touch()
                self._touched = monotonic()
            return seconds

    return Sending


if __name__ == "__main__":
    sys.exit(main())
