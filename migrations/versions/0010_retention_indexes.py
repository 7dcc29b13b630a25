"""Indexes to find what is to be purged. Built while others write."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_applications_kept": ("applications", "created_at", "purged_at IS NULL"),
    "ix_documents_kept": ("documents", "received_at", "purged_at IS NULL"),
    "ix_notifications_with_envelope": ("notifications", "received_at", "envelope IS NOT NULL"),
    "ix_runs_of_no_application": ("runs", "ended_at", "application_id IS NULL"),
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # It waits for the transactions that are open, and makes nobody wait but another migration.
        op.execute("SET lock_timeout = 0")
        op.execute("SET statement_timeout = 0")
        for name, (table, column, condition) in _INDEXES.items():
            # What an attempt that was cut off has left is not valid, and in the way.
            op.drop_index(name, table_name=table, if_exists=True, postgresql_concurrently=True)
            op.create_index(
                name,
                table,
                [column, "id"],
                unique=False,
                postgresql_where=sa.text(condition),
                postgresql_concurrently=True,
            )
        op.execute("SET lock_timeout = '5s'")
        op.execute("SET statement_timeout = '60s'")
