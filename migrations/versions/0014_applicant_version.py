"""Against which name and birth date an assessment was made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("applications", "assessments"):
        column = sa.Column("applicant_version", sa.Integer(), server_default=sa.text("0"), nullable=False)
        op.add_column(table, column)
