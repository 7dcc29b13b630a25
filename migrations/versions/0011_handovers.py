"""Why the underwriting tool did not take a document's result."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_INDEX = "ix_documents_handover_refused"


def upgrade() -> None:
    # What follows commits it, so an attempt that was cut off may have left it.
    op.add_column("documents", sa.Column("handover_refusal", sa.Text(), nullable=True), if_not_exists=True)
    with op.get_context().autocommit_block():
        # It waits for the transactions that are open, and makes nobody wait but another migration.
        op.execute("SET lock_timeout = 0")
        op.execute("SET statement_timeout = 0")
        # What an attempt that was cut off has left is not valid, and in the way.
        op.drop_index(_INDEX, table_name="documents", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            _INDEX,
            "documents",
            ["application_id"],
            unique=False,
            postgresql_where=sa.text("handover_refusal IS NOT NULL"),
            postgresql_concurrently=True,
        )
        op.execute("SET lock_timeout = '5s'")
        op.execute("SET statement_timeout = '60s'")
