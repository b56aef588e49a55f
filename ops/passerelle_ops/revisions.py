"""Whether databases are where this version needs them, as a process asks before it starts, under its serving role.

It reads the names of the revisions in their files: what migrates loads every table, and the schema of the gateway, and
each pod would pay for it at each start.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final, Literal

import psycopg

from passerelle_ops.settings import Settings
from passerelle_ops.stack.addresses import Addresses

_VERSIONS: Final = Path(__file__).parent / "migrations"
_NAMED: Final = re.compile(r'^(revision|down_revision) = "([^"]+)"', re.MULTILINE)


def is_behind(history: str, revision: str | None) -> bool:
    """Whether a database that stands there lacks something of this version; one that is ahead of it does not."""
    head, known = _revisions(history)
    return revision != head and (revision is None or revision in known)


def behind(settings: Settings) -> list[str]:
    """The databases of the settings that lack a revision, are away, or whose network is not set up yet, by name.

    Of the directory, and of the networks that the environment places; a worker of one network looks at its own.
    """
    addresses = Addresses(settings)
    served = sorted(settings.tenant_urls) if settings.worker_tenant is None else [settings.worker_tenant]
    found = [each for each in served if _lacks("tenant", addresses.tenant_url(each))]
    if _lacks("directory", addresses.directory_url(), *served):
        found.append("directory")
    return found


def _lacks(history: Literal["directory", "tenant"], url: str, *networks: str) -> bool:
    """Whether it is behind, or knows not all of these networks."""
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            stands = connection.execute("select version_num from alembic_version").fetchone()
            if is_behind(history, stands[0] if stands else None):
                return True
            known = connection.execute("select tenant_id from tenant").fetchall() if networks else []
            return not set(networks) <= {each for (each,) in known}
    except psycopg.Error:
        return True


@cache
def _revisions(history: str) -> tuple[str, frozenset[str]]:
    """The newest, and all of them."""
    files = (each.read_text("utf-8") for each in (_VERSIONS / history / "versions").glob("r*.py"))
    named = [dict(_NAMED.findall(each)) for each in files]
    known = frozenset(each["revision"] for each in named)
    (head,) = known - {each.get("down_revision") for each in named}
    return head, known
