"""The two histories of the schema: `directory`, one database; `tenant`, one database for each network.

Both are Alembic histories without an ini file. They run under the role that owns the database and grant the
serving group what it needs: it reads and adds journal lines, it never changes one; nothing is ever deleted.

    await asyncio.to_thread(upgrade_tenant, "postgresql://owner:…@host/tenant_oncomip")
"""

from __future__ import annotations

from passerelle_ops.migrations.histories import (
    DIRECTORY,
    HISTORIES,
    TENANT,
    History,
    differences,
    revision_of,
    upgrade,
    upgrade_directory,
    upgrade_tenant,
)

__all__ = [
    "DIRECTORY",
    "HISTORIES",
    "TENANT",
    "History",
    "differences",
    "revision_of",
    "upgrade",
    "upgrade_directory",
    "upgrade_tenant",
]
