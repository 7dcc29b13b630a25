"""The tables of the daily report, and indexes to find what happened on a day. Built while others write."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TIMES = [("documents", "received_at"), ("documents", "verified_at"), ("decisions", "received_at")]


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # It waits for the transactions that are open, and makes nobody wait but another migration.
        op.execute("SET lock_timeout = 0")
        op.execute("SET statement_timeout = 0")
        for table, column in _TIMES:
            name = f"ix_{table}_{column}"
            # What an attempt that was cut off has left is not valid, and in the way.
            op.drop_index(name, table_name=table, if_exists=True, postgresql_concurrently=True)
            op.create_index(
                name, table, [column], unique=False, postgresql_using="brin", postgresql_concurrently=True
            )
        op.execute("SET lock_timeout = '5s'")
        op.execute("SET statement_timeout = '60s'")
    _create_report_days()
    _create_report_steps()


def _create_report_days() -> None:
    op.create_table(
        "report_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("received", sa.Integer(), nullable=False),
        sa.Column("read", sa.Integer(), nullable=False),
        sa.Column("decided", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("read_seconds_median", sa.Double(), nullable=True),
        sa.Column("read_seconds_p95", sa.Double(), nullable=True),
        sa.Column("decision_seconds_median", sa.Double(), nullable=True),
        sa.Column("decision_seconds_p95", sa.Double(), nullable=True),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.Column("without_key", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_report_days")),
    )


def _create_report_steps() -> None:
    op.create_table(
        "report_steps",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column(
            "step",
            sa.Enum(
                *("received", "read", "decided", "failed"),
                name="step",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("application_id", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seconds_since_received", sa.Double(), nullable=True),
        sa.Column("seconds_since_read", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("day", "step", "application_id", name=op.f("pk_report_steps")),
    )
