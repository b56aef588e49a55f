"""What the gateway lists of a document, kept beside it as it is written."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from passerelle_ops.migrations.summaries import document_summary

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Histories only go forward (docs/decisions/0051)."""
    op.execute(sa.text(document_summary().replace(":", "\\:")))
    op.add_column(
        "document",
        sa.Column(
            "summary",
            sa.Text(),
            sa.Computed(
                "document_summary(document_id, unique_id, class_code, class_label, type_code, type_label, title,"
                " mime_type, masked, by_patient, service_start, creation_time, act_at, filed_at, size, authors)",
                persisted=True,
            ),
            comment="members of a JSON object, as the gateway lists documents; holds what every reader of it may see",
        ),
    )
