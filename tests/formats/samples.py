"""Documents for these tests: one sound paper, and the official samples where they are at hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from passerelle.kernel.errors import InvalidInput
from passerelle_ops.demo.corpus.quirks import paper
from passerelle_ops.demo.corpus.write import Paper, write

SHARED = Path(__file__).parents[3] / "shared" / "data"

needs_shared = pytest.mark.skipif(
    not (SHARED / "cda").is_dir(), reason="the official samples (../shared/data) are not on this machine"
)


def sound(name: str = "essai", type_code: str = "11488-4") -> Paper:
    """A sound document of an invented patient."""
    return paper(name, type_code=type_code)


def changed(old: str, new: str, *, made: Paper | None = None) -> bytes:
    """A sound document where `old`, which must be there, stands as `new`."""
    written = write(made or sound()).decode()
    assert old in written
    return written.replace(old, new).encode()


def refusal(act: Callable[[], object]) -> str | None:
    """The code with which `act` refuses, which must have its French sentence; None when it does not refuse."""
    try:
        act()
    except InvalidInput as refused:
        sentence, code = refused.message, refused.code
        if sentence == code or "{" in sentence:
            raise AssertionError(f"{code} has no sentence") from refused
        return code
    return None
