"""What an application's documents say together, which kinds it needs, and what knows a document again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("requires", "shows"):
        kinds: sa.Column[list[str]] = sa.Column(
            name, sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        )
        op.add_column("documents", kinds)
    op.create_table(
        "assessments",
        sa.Column("application_id", sa.Text(), nullable=False),
        sa.Column("fields", sa.LargeBinary(), nullable=False),
        sa.Column("checks", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("recommendation", sa.Text(), nullable=False),
        sa.Column("missing", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("documents", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["applications.id"],
            name=op.f("fk_assessments_application_id_applications"),
        ),
        sa.PrimaryKeyConstraint("application_id", name=op.f("pk_assessments")),
    )
    op.create_table(
        "fingerprints",
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column(
            "what",
            sa.Enum(
                "file", "image", "person", name="what", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("digest", postgresql.BIT(length=256), nullable=False),
        sa.Column("application_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name=op.f("fk_fingerprints_document_id_documents")
        ),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["applications.id"],
            name=op.f("fk_fingerprints_application_id_applications"),
        ),
        sa.PrimaryKeyConstraint("document_id", "what", "digest", name=op.f("pk_fingerprints")),
    )
    op.create_index(op.f("ix_fingerprints_application_id"), "fingerprints", ["application_id"], unique=False)
    op.create_index(
        "ix_fingerprints_digest", "fingerprints", ["digest"], postgresql_where=sa.text("what <> 'image'")
    )
    op.create_index(
        "ix_fingerprints_images", "fingerprints", ["made_at"], postgresql_where=sa.text("what = 'image'")
    )
