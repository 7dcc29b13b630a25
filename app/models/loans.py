"""Tables of a loan application: its documents, what was read of them, its decision, its emails."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import BIT, JSONB, BitString
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.models.columns import enumerated, timestamp
from app.models.ids import new_id
from app.models.states import ApplicationStatus, DecisionOutcome, DocumentStatus, EmailStatus, FingerprintOf


class Application(Base):
    """A loan application, known by the loan app's own id. Once it is purged only this row is left of it."""

    __tablename__ = "applications"
    # Neither column ever changes while it is kept, so its many updates leave the index alone.
    __table_args__ = (
        Index("ix_applications_kept", "created_at", "id", postgresql_where=text("purged_at IS NULL")),
    )

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    applicant: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Encrypted JSON. None when a document arrived before the loan app registered the application, and once
    the application was purged."""
    applicant_version: Mapped[int] = mapped_column(server_default=text("0"))
    """Counts each name and birth date that the loan app registered; an email address is not counted."""
    status: Mapped[ApplicationStatus] = mapped_column(
        enumerated(ApplicationStatus, "status"), default=ApplicationStatus.AWAITING_DOCUMENT
    )
    version: Mapped[int] = mapped_column(BigInteger, default=1)
    created_at: Mapped[datetime] = mapped_column(timestamp, server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(timestamp, server_default=func.now())
    purged_at: Mapped[datetime | None] = mapped_column(timestamp)
    """When what it held was removed. Nothing is received for it from then on."""


class Document(Base):
    """One version of one uploaded object."""

    __tablename__ = "documents"
    __table_args__ = (
        UniqueConstraint("bucket", "key", "object_version"),
        # For the daily report. Rows lie in the order of these times, so an index of a few pages will do.
        Index("ix_documents_received_at", "received_at", postgresql_using="brin"),
        Index("ix_documents_verified_at", "verified_at", postgresql_using="brin"),
        Index(
            "ix_documents_handover_refused",
            "application_id",
            postgresql_where=text("handover_refusal IS NOT NULL"),
        ),
        Index("ix_documents_kept", "received_at", "id", postgresql_where=text("purged_at IS NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    application_id: Mapped[str] = mapped_column(ForeignKey("applications.id"), index=True)
    bucket: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(Text)
    object_version: Mapped[str] = mapped_column(Text)
    """S3's version id, or etag and sequencer where the bucket is not versioned."""
    version_id: Mapped[str | None] = mapped_column(Text)
    etag: Mapped[str | None] = mapped_column(Text)
    sequencer: Mapped[str | None] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    requires: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    """The kinds of documents that its application needs, by the routes it came on."""
    shows: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    """The kinds it stands for beside its own: one picture may show both sides of a card. Empty until read."""
    size: Mapped[int | None] = mapped_column(BigInteger)
    """Bytes, as S3 announced them."""
    stored_at: Mapped[datetime | None] = mapped_column(timestamp)
    """When S3 stored it, by the event or by a listing. Orders a key's versions where a sequencer is missing;
    None in rows from before there was the column."""
    content_type: Mapped[str | None] = mapped_column(Text)
    status: Mapped[DocumentStatus] = mapped_column(
        enumerated(DocumentStatus, "status"), default=DocumentStatus.RECEIVED
    )
    reason: Mapped[str | None] = mapped_column(Text)
    """Why it is unreadable or rejected, in a sentence the applicant can act on."""
    handover_refusal: Mapped[str | None] = mapped_column(Text)
    """Why the underwriting tool did not take what was read; None when it did, or was never told."""
    received_at: Mapped[datetime] = mapped_column(timestamp, server_default=func.now())
    verified_at: Mapped[datetime | None] = mapped_column(timestamp)
    purged_at: Mapped[datetime | None] = mapped_column(timestamp)
    """When its picture and what was read from it were removed; the row keeps its application's history."""


class LeavingObject(Base):
    """An object whose document is gone and that is still to be deleted from its bucket."""

    __tablename__ = "leaving_objects"

    document_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    bucket: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime] = mapped_column(timestamp, server_default=func.now())


class Extraction(Base):
    """What was read from a document. Reading it again replaces the row."""

    __tablename__ = "extractions"

    document_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("documents.id"), primary_key=True)
    fields: Mapped[bytes] = mapped_column(LargeBinary)
    """Encrypted JSON: field type to value, confidence, source, alternatives."""
    checks: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    recommendation: Mapped[str] = mapped_column(Text)
    engine: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """Names and versions of what read it, and the seconds each step took."""
    created_at: Mapped[datetime] = mapped_column(timestamp, server_default=func.now())


class Assessment(Base):
    """What all documents of an application say together. Each one that is read replaces the row."""

    __tablename__ = "assessments"

    application_id: Mapped[str] = mapped_column(ForeignKey("applications.id"), primary_key=True)
    fields: Mapped[bytes] = mapped_column(LargeBinary)
    """Encrypted JSON: field type to value, confidence, source, alternatives."""
    checks: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    recommendation: Mapped[str] = mapped_column(Text)
    missing: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """Kinds that are required and of which no document was read."""
    documents: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(Uuid))
    """What it was made of."""
    applicant_version: Mapped[int] = mapped_column(server_default=text("0"))
    """The application's, when it was made: whom the documents were held against."""
    made_at: Mapped[datetime] = mapped_column(timestamp, server_default=func.now())


class Fingerprint(Base):
    """What knows a document's file, picture or person again in another application."""

    __tablename__ = "fingerprints"
    __table_args__ = (
        # An equal digest is found by its index. None finds near ones: all that are young enough are compared.
        Index("ix_fingerprints_digest", "digest", postgresql_where=text("what <> 'image'")),
        Index("ix_fingerprints_images", "made_at", postgresql_where=text("what = 'image'")),
    )

    document_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("documents.id"), primary_key=True)
    what: Mapped[FingerprintOf] = mapped_column(enumerated(FingerprintOf, "what"), primary_key=True)
    digest: Mapped[BitString] = mapped_column(BIT(256), primary_key=True)
    """An HMAC-SHA-256 under the key `key_id`; of an image its difference hash, which is no secret."""
    application_id: Mapped[str] = mapped_column(ForeignKey("applications.id"), index=True)
    """The document's, so that no search needs another table."""
    key_id: Mapped[str | None] = mapped_column(Text)
    made_at: Mapped[datetime] = mapped_column(timestamp, server_default=func.now())


class Decision(Base):
    """An underwriter's decision, recorded once per sender's idempotency key."""

    __tablename__ = "decisions"
    __table_args__ = (
        UniqueConstraint("source", "idempotency_key"),
        Index("ix_decisions_received_at", "received_at", postgresql_using="brin"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    application_id: Mapped[str] = mapped_column(ForeignKey("applications.id"), index=True)
    source: Mapped[str] = mapped_column(Text)
    idempotency_key: Mapped[str] = mapped_column(Text)
    outcome: Mapped[DecisionOutcome] = mapped_column(enumerated(DecisionOutcome, "outcome"))
    reasons: Mapped[list[str]] = mapped_column(JSONB)
    conditions: Mapped[list[str]] = mapped_column(JSONB)
    note: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Encrypted text for the underwriters; never sent to the applicant."""
    decided_by: Mapped[str] = mapped_column(Text)
    decided_at: Mapped[datetime] = mapped_column(timestamp)
    received_at: Mapped[datetime] = mapped_column(timestamp, server_default=func.now())
    applied_at: Mapped[datetime | None] = mapped_column(timestamp)
    """When the underwriting-decision flow moved the application; None while it has not."""


class Email(Base):
    """One email for a decision, or for a document and template. It is claimed before it is sent, so that a
    second run cannot send it again."""

    __tablename__ = "emails"
    __table_args__ = (
        UniqueConstraint("document_id", "template"),
        CheckConstraint("num_nonnulls(decision_id, document_id) = 1", name="one_cause"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    """Anew with each run that claims it: by it a run knows its own."""
    decision_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("decisions.id"), unique=True)
    document_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("documents.id"))
    template: Mapped[str] = mapped_column(Text)
    status: Mapped[EmailStatus] = mapped_column(enumerated(EmailStatus, "status"))
    claimed_at: Mapped[datetime] = mapped_column(timestamp, server_default=func.now())
    """When it was last claimed; until then, when it became due."""
    sent_at: Mapped[datetime | None] = mapped_column(timestamp)
