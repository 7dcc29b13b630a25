"""Indexes to list runs by application, route and state, the newest first. Built while others write."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_runs_of_application": ["application_id", "id"],
    "ix_runs_of_route": ["route", "id"],
    "ix_runs_in_state": ["state", "id"],
    "ix_runs_of_route_in_state": ["route", "state", "id"],
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # It waits for the transactions that are open, and makes nobody wait but another migration.
        op.execute("SET lock_timeout = 0")
        op.execute("SET statement_timeout = 0")
        for name, columns in _INDEXES.items():
            # What an attempt that was cut off has left is not valid, and in the way.
            op.drop_index(name, table_name="runs", if_exists=True, postgresql_concurrently=True)
            op.create_index(name, "runs", columns, unique=False, postgresql_concurrently=True)
        op.drop_index(
            "ix_runs_application_id", table_name="runs", if_exists=True, postgresql_concurrently=True
        )
        op.execute("SET lock_timeout = '5s'")
        op.execute("SET statement_timeout = '60s'")
