"""The demo region, running: `passerelle demo` with few patients."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from passerelle_ops.settings import Settings
from passerelle_ops.stack.state import StackInfo, StateFolder

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 600.0  # only tells what never comes from what is slow
PATIENTS = 3  # in each network; the story brings its own
# One server: several behind one port are a matter of their own.
_SETTINGS = {"PASSERELLE_DEMO_PATIENTS": str(PATIENTS), "PASSERELLE_WEB_PROCESSES": "1"}


class Region:
    """The running demo."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(state=folder / "state", demo_patients=PATIENTS)
        for name in ("web", "issuer"):  # not the usual ones, which another test may be taking
            StateFolder(self.settings.state).port(name)
        self.said = folder / "said.txt"
        with self.said.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "passerelle_ops", "demo", "--state", str(self.settings.state)],
                cwd=ROOT,
                env={**os.environ, "COLUMNS": "200", **_SETTINGS},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        end = time.monotonic() + SECONDS
        while "Ctrl-C" not in self.said.read_text("utf-8"):
            assert self.process.poll() is None, self.said.read_text("utf-8")
            assert time.monotonic() < end, "the demo is not ready"
            time.sleep(0.1)

    def info(self) -> StackInfo:
        running = StateFolder(self.settings.state).running()
        assert running is not None
        return running
