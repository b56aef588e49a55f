"""What the `env.py` of both histories does: run on the connection that `histories.upgrade` gives."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, MetaData


def run() -> None:
    """Run the pending revisions in the caller's transaction."""
    attributes = context.config.attributes
    connection, schema = attributes["connection"], attributes["schema"]
    if not isinstance(connection, Connection) or not isinstance(schema, MetaData):
        raise TypeError("a history runs through passerelle_ops.migrations, which gives it connection and schema")
    context.configure(
        connection=connection,
        target_metadata=schema,
        compare_type=True,
        compare_server_default=True,
        transactional_ddl=True,
    )
    context.run_migrations()
