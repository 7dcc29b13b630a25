"""The quarantine: signed messages that were refused. It takes over the notifications marked `rejected`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_OUTCOMES = ("routed", "duplicate", "unmatched", "test_event", "confirmed", "unconfirmed", "unsubscribed")

_MOVE = """
INSERT INTO quarantine
    (id, topic_arn, message_id, kind, reason, detail, listed, envelope, sent_at, received_at)
SELECT id, topic_arn, message_id, kind, 'malformed', 'An earlier release could not read the S3 event.',
    true, envelope, sent_at, received_at
FROM notifications WHERE outcome = 'rejected'
"""


def upgrade() -> None:
    op.create_table(
        "quarantine",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("topic_arn", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("envelope", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "outcome",
            sa.Enum(*_OUTCOMES, name="outcome", native_enum=False, create_constraint=True, length=32),
            nullable=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
        sa.UniqueConstraint("topic_arn", "message_id", name=op.f("uq_quarantine_topic_arn_message_id")),
    )
    op.execute(_MOVE)
    op.execute("DELETE FROM notifications WHERE outcome = 'rejected'")
    op.drop_constraint(op.f("ck_notifications_outcome"), "notifications", type_="check")
    op.create_check_constraint("outcome", "notifications", sa.column("outcome").in_(_OUTCOMES))
