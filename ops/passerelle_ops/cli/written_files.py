"""Files that a command writes: for their owner alone, and whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

Force = Annotated[bool, typer.Option("--force", help="Remplacer le fichier s’il existe déjà.")]


@contextmanager
def whole_file(out: Path, *, force: bool = False) -> Iterator[Path]:
    """A draft beside `out`, which only its owner reads; it takes the name of `out` once all went well.

    Refused before anything is done: a place where nothing can be written; a file that is there, unless `force`.
    """
    if not force and os.path.lexists(out):
        raise typer.BadParameter(f"« {out} » existe déjà : un autre nom, ou --force", param_hint="FICHIER")
    draft = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as failure:
        raise typer.BadParameter(f"rien ne peut être écrit dans « {out.parent} »", param_hint="FICHIER") from failure
    try:
        yield draft
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
