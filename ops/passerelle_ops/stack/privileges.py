"""As whom PostgreSQL runs, which refuses to be root (docs/decisions/0040)."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from passerelle.kernel.errors import Conflict

Mode = Literal["plain", "userns", "nobody"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """`plain`: who we are. `userns`: ourselves, seen as `uid` inside a user namespace. `nobody`: `uid` itself."""

    mode: Mode = "plain"
    uid: int = 0
    gid: int = 0

    @property
    def owner(self) -> tuple[int, int]:
        """Who must own the files it writes."""
        return (self.uid, self.gid) if self.mode == "nobody" else (os.geteuid(), os.getegid())


ITSELF = Identity()


def database_identity(wanted: Mode | None = None) -> Identity:
    """The identity to run PostgreSQL under; `wanted` chooses one for tests. Refuses with CANNOT_LEAVE_ROOT."""
    if os.geteuid() != 0:
        return ITSELF
    account = pwd.getpwnam("nobody")
    for mode in (wanted,) if wanted else ("userns", "nobody"):
        identity = Identity(mode=mode, uid=account.pw_uid, gid=account.pw_gid)
        if _works(identity):
            return identity
    raise Conflict("CANNOT_LEAVE_ROOT")


_PROBE = "import os, sys; sys.exit(os.geteuid() == 0 or not os.access(sys.argv[1], os.R_OK))"


@cache
def _works(identity: Identity) -> bool:
    """Whether that identity can run our own interpreter and find our files, wherever they lie."""
    launch = Path(__file__).with_name("launch.py")
    tried = subprocess.run(  # noqa: S603 - our own commands
        [
            *(sys.executable, "-I", "-S", str(launch), "--parent", str(os.getpid()), "--signal", "15"),
            *("--mode", identity.mode, "--uid", str(identity.uid), "--gid", str(identity.gid)),
            *("--", sys.executable, "-I", "-S", "-c", _PROBE, str(launch)),
        ],
        check=False,
        capture_output=True,
    )
    return tried.returncode == 0
