"""Running a history of migrations: upgrade a database, say where it stands, say what it lacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, create_engine, make_url, pool, text

from passerelle.audit import tables as audit
from passerelle.dossier import tables as dossier
from passerelle.identities import tables as identities
from passerelle.kernel import key_rotation, metadata
from passerelle.notices import tables as notices
from passerelle.oncology import tables as oncology
from passerelle.pharmacy import tables as pharmacy
from passerelle_ops.migrations import summaries
from passerelle_ops.revisions import is_behind
from passerelle_tenants import tables as tenants
from passerelle_tenants.federation import tables as federation

# Loading these modules is what fills the two schemas, and gives them the function that a column is made by.
DECLARATIONS = (audit, dossier, identities, key_rotation, notices, oncology, pharmacy, tenants, federation, summaries)

# Two processes that start together upgrade one after the other.
_UPGRADE_LOCK = 5_083_712
# `alembic.op` and `alembic.context` are one for the whole process, so that threads must take turns too.
_ALEMBIC = Lock()


@dataclass(frozen=True, slots=True)
class History:
    """One line of revisions and the schema it must lead to."""

    name: str
    schema: MetaData

    def config(self) -> Config:
        folder = str(Path(__file__).parent / self.name)
        config = Config()
        # The ini syntax of Alembic interpolates `%`, which a path may hold.
        config.set_main_option("script_location", folder.replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        config.attributes["schema"] = self.schema
        return config

    def head(self) -> str:
        """The newest revision."""
        return _head(self.name)

    def is_behind(self, revision: str | None) -> bool:
        """Whether a database that stands there lacks something of this version; one that is ahead of it does not."""
        return is_behind(self.name, revision)


DIRECTORY = History("directory", metadata.directory)
TENANT = History("tenant", metadata.tenant)
HISTORIES = {history.name: history for history in (DIRECTORY, TENANT)}


def upgrade_directory(owner_url: str) -> str:
    """Bring the directory database to its newest revision under its owning role; returns that revision."""
    return upgrade(DIRECTORY, owner_url)


def upgrade_tenant(owner_url: str) -> str:
    """Bring a tenant's database to its newest revision under its owning role; returns that revision."""
    return upgrade(TENANT, owner_url)


def upgrade(history: History, owner_url: str) -> str:
    """Upgrade in one transaction. Done already, or by a newer version than this one: nothing happens."""
    with _ALEMBIC, connected(owner_url) as connection:
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _UPGRADE_LOCK})
        if history.is_behind(MigrationContext.configure(connection).get_current_revision()):
            config = history.config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    return history.head()


def revision_of(url: str) -> str | None:
    """The revision a database stands at; null for an empty one."""
    with connected(url) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def differences(history: History, url: str) -> list[object]:
    """What the tables of the code have and the database has not, or the other way round; empty when they agree."""
    with connected(url) as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True, "target_metadata": history.schema}
        )
        return list(compare_metadata(context, history.schema))


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """One connection in one transaction, closed afterwards."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=pool.NullPool)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


@cache
def _head(name: str) -> str:
    head = ScriptDirectory.from_config(HISTORIES[name].config()).get_current_head()
    if head is None:
        raise LookupError(f"the history {name} has no revision")
    return head
