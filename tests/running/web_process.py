"""The web process, forked from one that has loaded it already: what takes seconds is done once."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from passerelle_ops import web


def run(port: int, environment: Mapping[str, str], log: str) -> None:
    """What `python -m passerelle_ops.web --port …` does, under that environment; its errors go to `log`."""
    os.environ.update(environment)
    with open(log, "ab") as errors:  # noqa: PTH123 - a number is wanted
        os.dup2(errors.fileno(), sys.stderr.fileno())
    sys.argv = ["web", "--port", str(port)]
    web.main()
