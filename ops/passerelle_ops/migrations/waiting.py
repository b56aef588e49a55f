"""Whether databases are where this version needs them, as a process asks before it starts, under its serving role."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from passerelle_ops.migrations.histories import DIRECTORY, TENANT, History, connected
from passerelle_ops.settings import Settings
from passerelle_ops.stack.addresses import Addresses


def behind(settings: Settings) -> list[str]:
    """The databases of the settings that lack a revision, are away, or whose network is not set up yet, by name.

    Of the directory, and of the networks that the environment places; a worker of one network looks at its own.
    """
    addresses = Addresses(settings)
    served = sorted(settings.tenant_urls) if settings.worker_tenant is None else [settings.worker_tenant]
    found = [each for each in served if _lacks(TENANT, addresses.tenant_url(each))]
    if _lacks(DIRECTORY, addresses.directory_url(), *served):
        found.append("directory")
    return found


def _lacks(history: History, url: str, *networks: str) -> bool:
    """Whether it is behind, or knows not all of these networks."""
    try:
        with connected(url) as connection:
            if history.is_behind(connection.scalar(text("select version_num from alembic_version"))):
                return True
            known = connection.scalars(text("select tenant_id from tenant")) if networks else ()
            return not set(networks) <= set(known)
    except SQLAlchemyError:
        return True
