"""Files held locked: by us, and by every process that inherited the descriptor, until the last of them ends.

A lock of flock(2) belongs to the open descriptor. Unlike a number in a pid file, it cannot outlive its holders,
name another process later, or be kept by one that is dead but not reaped.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def hold(file: Path) -> int | None:
    """The descriptor of a lock on `file`, for us and those we hand it to; None when another holds it."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_held(file: Path) -> bool:
    """Whether anyone holds it."""
    try:
        descriptor = os.open(file, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
