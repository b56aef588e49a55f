"""Roles of networks, which write of their own network alone; addresses of networks, and networks that merge."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from passerelle_ops.migrations import grants

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# `*` stands for all networks, in the line of the installation's own role; a role without a line may write nothing.
_ITS_OWN = (
    "exists (select from tenant_role where tenant_role.role = session_user"
    " and tenant_role.tenant_id in ('*', {table}.tenant_id))"
)


def upgrade() -> None:
    """Histories only go forward (docs/decisions/0051)."""
    op.create_table(
        "tenant_role",
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False, comment="*: all networks, of the installation's own role"),
        sa.PrimaryKeyConstraint("role", name=op.f("pk_tenant_role")),
        comment="Whose keys and addresses a role may write; of a role without a line, nobody's. Written by the owner.",
    )
    op.create_table(
        "tenant_address",
        sa.Column("address", sa.Text(), nullable=False, comment="as it stands in a path"),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_tenant_address")),
        comment="What a network is called by besides its id; the one of the newest instant is its address now.",
    )
    op.create_table(
        "tenant_merge",
        sa.Column("tenant_id", sa.Text(), nullable=False, comment="the network that is merged into another"),
        sa.Column("into_tenant", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "done_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="nothing is written there any more; null while it goes on",
        ),
        sa.CheckConstraint("tenant_id <> into_tenant", name=op.f("ck_tenant_merge_into_another")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_tenant_merge")),
        comment="Networks that another one goes on for: whoever is at home there is to be at home here.",
    )
    grants.read("tenant_role")
    grants.read_add_and_change("tenant_address", "tenant_merge")
    for table in ("tenant_key", "tenant_address", "tenant_merge"):
        own = _ITS_OWN.format(table=table)
        op.execute(f"alter table {table} enable row level security")
        op.execute(f"create policy {table}_read on {table} for select using (true)")
        op.execute(f"create policy {table}_add on {table} for insert with check ({own})")
        op.execute(f"create policy {table}_change on {table} for update using ({own}) with check ({own})")
