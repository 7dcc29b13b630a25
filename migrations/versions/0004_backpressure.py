"""Indexes to take waiting runs in turn and to count what Prefect holds; when a run was found stuck."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("stuck_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_runs_waiting",
        "runs",
        ["route", "priority", "next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("state = 'ACCEPTED'"),
    )
    op.create_index(
        "ix_runs_leased",
        "runs",
        ["route"],
        unique=False,
        postgresql_where=sa.text("state = 'ACCEPTED' AND leased_until IS NOT NULL"),
    )
    op.create_index(
        "ix_runs_not_completed",
        "runs",
        ["state", "route", "accepted_at"],
        unique=False,
        postgresql_where=sa.text("state <> 'COMPLETED'"),
    )
    op.drop_index("ix_runs_due", table_name="runs")
    op.drop_index("ix_runs_followed", table_name="runs")
