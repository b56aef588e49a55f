"""What the serving group may do, table by table. It owns nothing; each network's login is a member of it."""

from __future__ import annotations

from alembic import op

GROUP = "passerelle_serving"

_GROUP_EXISTS = f"""
do $$ begin
  if not exists (select from pg_roles where rolname = '{GROUP}') then
    create role {GROUP} nologin;
  end if;
exception when duplicate_object or unique_violation then null;
end $$
"""


def open_schema() -> None:
    """Make the group where the cluster has none, let it enter the schema, shut everyone else out of the database."""
    op.execute(_GROUP_EXISTS)
    op.execute("revoke create on schema public from public")
    op.execute(f"grant usage on schema public to {GROUP}")
    op.execute(f"grant select on alembic_version to {GROUP}")
    op.execute(
        "do $$ begin execute format('revoke connect, temporary on database %I from public', current_database()); end $$"
    )


def read(*tables: str) -> None:
    """What only the owning role writes: SELECT."""
    for table in tables:
        op.execute(f"grant select on {table} to {GROUP}")


def read_and_add(*tables: str) -> None:
    """Lines that are never changed: SELECT and INSERT."""
    for table in tables:
        op.execute(f"grant select, insert on {table} to {GROUP}")


def read_add_and_change(*tables: str) -> None:
    """SELECT, INSERT and UPDATE. Nobody is ever granted DELETE."""
    for table in tables:
        op.execute(f"grant select, insert, update on {table} to {GROUP}")


def draw(*sequences: str) -> None:
    """The next number of a sequence: USAGE."""
    for sequence in sequences:
        op.execute(f"grant usage on sequence {sequence} to {GROUP}")


def call(function: str) -> None:
    """A function that runs with the rights of the owning role: EXECUTE, to the serving group alone."""
    op.execute(f"revoke execute on function {function} from public")
    op.execute(f"grant execute on function {function} to {GROUP}")
