"""When S3 stored a document: what orders versions of which one was found without its notification."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("documents", sa.Column("stored_at", sa.DateTime(timezone=True), nullable=True))
