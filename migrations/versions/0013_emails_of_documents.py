"""Emails about documents beside those about decisions, and a status for one that is still to be sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("emails", "decision_id", existing_type=sa.Uuid(), nullable=True)
    op.add_column("emails", sa.Column("document_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_emails_document_id_documents"), "emails", "documents", ["document_id"], ["id"]
    )
    op.create_unique_constraint(op.f("uq_emails_document_id_template"), "emails", ["document_id", "template"])
    op.create_check_constraint(
        op.f("ck_emails_one_cause"), "emails", "num_nonnulls(decision_id, document_id) = 1"
    )
    op.drop_constraint(op.f("ck_emails_status"), "emails", type_="check")
    op.create_check_constraint(op.f("ck_emails_status"), "emails", "status IN ('due', 'sending', 'sent')")
