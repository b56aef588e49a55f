"""`passerelle`: one module for each command.

A module names its options and imports what it needs when it runs, so that `--help` answers at once. Sentences
shown to people are in `passerelle_ops/sentences.toml`; refusals are the kernel's. Exit codes: `failures`.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code (see `failures`)."""
    from passerelle_ops.cli.application import run

    return run(arguments)
