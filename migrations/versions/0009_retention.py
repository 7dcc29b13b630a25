"""What purging leaves behind: when it was, messages without envelope, objects still to be deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("applications", sa.Column("purged_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("documents", sa.Column("purged_at", sa.DateTime(timezone=True), nullable=True))
    op.alter_column("notifications", "envelope", existing_type=sa.Text(), nullable=True)
    op.create_table(
        "leaving_objects",
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("document_id", name=op.f("pk_leaving_objects")),
    )
