"""The tables, their states, and which moves between states are legal."""

from __future__ import annotations

import os
import time
import uuid
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    Double,
    Enum,
    ForeignKey,
    Identity,
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


def new_id() -> uuid.UUID:
    """A UUIDv7 (RFC 9562 section 5.7): sorts by creation, so index inserts stay at the right edge."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return uuid.UUID(int=value)


def first_id(seconds: float) -> uuid.UUID:
    """The lowest id that is made at `seconds` since 1970 or later, to compare others with."""
    return uuid.UUID(int=max(0, int(seconds * 1000)) << 80)


class NotificationOutcome(StrEnum):
    ROUTED = "routed"
    DUPLICATE = "duplicate"
    """A new message about events that were all known already."""
    UNMATCHED = "unmatched"
    TEST_EVENT = "test_event"
    CONFIRMED = "confirmed"
    UNCONFIRMED = "unconfirmed"
    """A subscription confirmation whose token SNS takes no more: it was used before, or has expired."""
    UNSUBSCRIBED = "unsubscribed"


class ApplicationStatus(StrEnum):
    AWAITING_DOCUMENT = "awaiting_document"
    VERIFYING = "verifying"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    DENIED = "denied"


class DocumentStatus(StrEnum):
    RECEIVED = "received"
    VERIFYING = "verifying"
    VERIFIED = "verified"
    UNREADABLE = "unreadable"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"


class DecisionOutcome(StrEnum):
    APPROVED = "approved"
    DENIED = "denied"
    MORE_INFORMATION_NEEDED = "more_information_needed"


class RunCause(StrEnum):
    """What a run was made for; with the cause's id and the route it is unique."""

    DOCUMENT = "document"
    DECISION = "decision"
    OBJECT = "object"
    MESSAGE = "message"


class RunState(StrEnum):
    """`ACCEPTED` and `DEAD` are ours; the rest are Prefect's StateType, by Prefect's names."""

    ACCEPTED = "ACCEPTED"
    DEAD = "DEAD"
    SCHEDULED = "SCHEDULED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    CANCELLING = "CANCELLING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CRASHED = "CRASHED"
    CANCELLED = "CANCELLED"


class EmailStatus(StrEnum):
    DUE = "due"
    """To be sent: nobody has claimed it, or its claim was given back because it was certainly not taken."""
    SENDING = "sending"
    """Claimed by a sender. If it stays so, the sender died and nobody knows whether it was sent."""
    SENT = "sent"


class FingerprintOf(StrEnum):
    """What a fingerprint knows again."""

    FILE = "file"
    """The same bytes."""
    IMAGE = "image"
    """Nearly the same picture, as after compressing it anew."""
    PERSON = "person"
    """The same document number and birth date."""


class ReportStep(StrEnum):
    """What the daily report follows an application by."""

    RECEIVED = "received"
    """A document of it arrived."""
    READ = "read"
    """A document of it was read, or found to be unreadable."""
    DECIDED = "decided"
    """A decision about it was recorded, a request for more information included."""
    FAILED = "failed"
    """A run of it ended badly. One that was cancelled, or replayed since, has not."""


class Role(StrEnum):
    LOAN_APP = "loan-app"
    UNDERWRITER = "underwriter"
    OPERATOR = "operator"


TERMINAL_RUN_STATES = frozenset(
    {RunState.DEAD, RunState.COMPLETED, RunState.FAILED, RunState.CRASHED, RunState.CANCELLED}
)
UNSUCCESSFUL_RUN_STATES = TERMINAL_RUN_STATES - {RunState.COMPLETED}
FOLLOWED_RUN_STATES = frozenset(RunState) - TERMINAL_RUN_STATES - {RunState.ACCEPTED}
"""The states in which a run is Prefect's, and its next state is learnt from Prefect."""
UNFINISHED_RUN_STATES = frozenset(RunState) - TERMINAL_RUN_STATES

APPLICATION_MOVES: dict[ApplicationStatus, frozenset[ApplicationStatus]] = {
    ApplicationStatus.AWAITING_DOCUMENT: frozenset({ApplicationStatus.VERIFYING}),
    ApplicationStatus.VERIFYING: frozenset(
        {ApplicationStatus.IN_REVIEW, ApplicationStatus.AWAITING_DOCUMENT}
    ),
    ApplicationStatus.IN_REVIEW: frozenset(
        {ApplicationStatus.AWAITING_DOCUMENT, ApplicationStatus.APPROVED, ApplicationStatus.DENIED}
    ),
    ApplicationStatus.APPROVED: frozenset(),
    ApplicationStatus.DENIED: frozenset(),
}
"""From each status, where an application may go. A terminal status never changes."""


def _enum(kind: type[StrEnum], name: str) -> Enum:
    """Text with a CHECK: readable in psql, and a wrong value cannot be stored."""
    return Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )


_timestamp = DateTime(timezone=True)


class Notification(Base):
    """One message from SNS, as it was received. The row outlives its envelope, to know the message again."""

    __tablename__ = "notifications"
    __table_args__ = (
        UniqueConstraint("topic_arn", "message_id"),
        Index(
            "ix_notifications_with_envelope",
            "received_at",
            "id",
            postgresql_where=text("envelope IS NOT NULL"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    topic_arn: Mapped[str] = mapped_column(Text)
    message_id: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    """SNS's own word: Notification, SubscriptionConfirmation or UnsubscribeConfirmation. `Listing` is ours:
    no notification came, the object was found in the bucket."""
    envelope: Mapped[str | None] = mapped_column(Text)
    """None once it was purged: it tells the uploader's address and the object's key."""
    outcome: Mapped[NotificationOutcome] = mapped_column(_enum(NotificationOutcome, "outcome"))
    sent_at: Mapped[datetime] = mapped_column(_timestamp)
    received_at: Mapped[datetime] = mapped_column(_timestamp, server_default=func.now())


class QuarantinedMessage(Base):
    """A message that SNS really signed and that we refused, kept for an operator to look at."""

    __tablename__ = "quarantine"
    __table_args__ = (UniqueConstraint("topic_arn", "message_id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    topic_arn: Mapped[str] = mapped_column(Text)
    message_id: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    """SNS's own word, as in a notification."""
    reason: Mapped[str] = mapped_column(Text)
    """The slug of the problem it was answered with."""
    detail: Mapped[str] = mapped_column(Text)
    """What that problem said; it quotes nothing of the message's content."""
    listed: Mapped[bool]
    """Whether its topic was on the allow-list then. What is not makes room first."""
    envelope: Mapped[str] = mapped_column(Text)
    sent_at: Mapped[datetime] = mapped_column(_timestamp)
    received_at: Mapped[datetime] = mapped_column(_timestamp)
    """By the clock its signature was checked with; a release checks it again for this time."""
    released_at: Mapped[datetime | None] = mapped_column(_timestamp)
    outcome: Mapped[NotificationOutcome | None] = mapped_column(_enum(NotificationOutcome, "outcome"))
    """What became of it once it was released."""


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
    status: Mapped[ApplicationStatus] = mapped_column(
        _enum(ApplicationStatus, "status"), default=ApplicationStatus.AWAITING_DOCUMENT
    )
    version: Mapped[int] = mapped_column(BigInteger, default=1)
    created_at: Mapped[datetime] = mapped_column(_timestamp, server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(_timestamp, server_default=func.now())
    purged_at: Mapped[datetime | None] = mapped_column(_timestamp)
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
    stored_at: Mapped[datetime | None] = mapped_column(_timestamp)
    """When S3 stored it, by the event or by a listing. Orders a key's versions where a sequencer is missing;
    None in rows from before there was the column."""
    content_type: Mapped[str | None] = mapped_column(Text)
    status: Mapped[DocumentStatus] = mapped_column(
        _enum(DocumentStatus, "status"), default=DocumentStatus.RECEIVED
    )
    reason: Mapped[str | None] = mapped_column(Text)
    """Why it is unreadable or rejected, in a sentence the applicant can act on."""
    handover_refusal: Mapped[str | None] = mapped_column(Text)
    """Why the underwriting tool did not take what was read; None when it did, or was never told."""
    received_at: Mapped[datetime] = mapped_column(_timestamp, server_default=func.now())
    verified_at: Mapped[datetime | None] = mapped_column(_timestamp)
    purged_at: Mapped[datetime | None] = mapped_column(_timestamp)
    """When its picture and what was read from it were removed; the row keeps its application's history."""


class LeavingObject(Base):
    """An object whose document is gone and that is still to be deleted from its bucket."""

    __tablename__ = "leaving_objects"

    document_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    bucket: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime] = mapped_column(_timestamp, server_default=func.now())


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
    created_at: Mapped[datetime] = mapped_column(_timestamp, server_default=func.now())


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
    made_at: Mapped[datetime] = mapped_column(_timestamp, server_default=func.now())


class Fingerprint(Base):
    """What knows a document's file, picture or person again in another application."""

    __tablename__ = "fingerprints"
    __table_args__ = (
        # An equal digest is found by its index. None finds near ones: all that are young enough are compared.
        Index("ix_fingerprints_digest", "digest", postgresql_where=text("what <> 'image'")),
        Index("ix_fingerprints_images", "made_at", postgresql_where=text("what = 'image'")),
    )

    document_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("documents.id"), primary_key=True)
    what: Mapped[FingerprintOf] = mapped_column(_enum(FingerprintOf, "what"), primary_key=True)
    digest: Mapped[BitString] = mapped_column(BIT(256), primary_key=True)
    """An HMAC-SHA-256 under the key `key_id`; of an image its difference hash, which is no secret."""
    application_id: Mapped[str] = mapped_column(ForeignKey("applications.id"), index=True)
    """The document's, so that no search needs another table."""
    key_id: Mapped[str | None] = mapped_column(Text)
    made_at: Mapped[datetime] = mapped_column(_timestamp, server_default=func.now())


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
    outcome: Mapped[DecisionOutcome] = mapped_column(_enum(DecisionOutcome, "outcome"))
    reasons: Mapped[list[str]] = mapped_column(JSONB)
    conditions: Mapped[list[str]] = mapped_column(JSONB)
    note: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Encrypted text for the underwriters; never sent to the applicant."""
    decided_by: Mapped[str] = mapped_column(Text)
    decided_at: Mapped[datetime] = mapped_column(_timestamp)
    received_at: Mapped[datetime] = mapped_column(_timestamp, server_default=func.now())
    applied_at: Mapped[datetime | None] = mapped_column(_timestamp)
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
    """Anew with each claim: by it a run knows its own."""
    decision_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("decisions.id"), unique=True)
    document_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("documents.id"))
    template: Mapped[str] = mapped_column(Text)
    status: Mapped[EmailStatus] = mapped_column(_enum(EmailStatus, "status"))
    claimed_at: Mapped[datetime] = mapped_column(_timestamp, server_default=func.now())
    """When it was last claimed; until then, when it became due."""
    sent_at: Mapped[datetime | None] = mapped_column(_timestamp)


class Run(Base):
    """One cause on one route: the outbox entry until Prefect knows it, its projection afterwards."""

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("cause_kind", "cause_id", "route"),
        Index(
            "ix_runs_waiting",
            "route",
            "priority",
            "next_attempt_at",
            postgresql_where=text("state = 'ACCEPTED'"),
        ),
        Index(
            "ix_runs_leased",
            "route",
            postgresql_where=text("state = 'ACCEPTED' AND leased_until IS NOT NULL"),
        ),
        Index(
            "ix_runs_not_completed",
            "state",
            "route",
            "accepted_at",
            postgresql_where=text("state <> 'COMPLETED'"),
        ),
        # Each lists runs, the newest first. What narrows a list to one application narrows it enough.
        Index("ix_runs_of_application", "application_id", "id"),
        Index("ix_runs_of_route", "route", "id"),
        Index("ix_runs_in_state", "state", "id"),
        Index("ix_runs_of_route_in_state", "route", "state", "id"),
        # Those that are purged by their own age, and not with their application.
        Index("ix_runs_of_no_application", "ended_at", "id", postgresql_where=text("application_id IS NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    cause_kind: Mapped[RunCause] = mapped_column(_enum(RunCause, "cause_kind"))
    cause_id: Mapped[str] = mapped_column(Text)
    route: Mapped[str] = mapped_column(Text)
    application_id: Mapped[str | None] = mapped_column(ForeignKey("applications.id"))
    deployment: Mapped[str] = mapped_column(Text)
    """`flow/deployment`, as Prefect writes it."""
    parameters: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """Ids only: they are stored and shown by Prefect."""
    work_queue: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[list[str]] = mapped_column(JSONB)
    priority: Mapped[int] = mapped_column(default=100)
    """Lower goes first."""
    state: Mapped[RunState] = mapped_column(_enum(RunState, "state"), default=RunState.ACCEPTED)
    state_name: Mapped[str] = mapped_column(Text, default="Accepted")
    """Prefect's name beside its type: Late, AwaitingRetry, TimedOut …"""
    state_at: Mapped[datetime | None] = mapped_column(_timestamp)
    """Prefect's timestamp of that state. A state with an earlier one is never applied."""
    stuck_at: Mapped[datetime | None] = mapped_column(_timestamp)
    """When it was found to be in its state for longer than is plausible; None once it moves again."""
    attempts: Mapped[int] = mapped_column(default=0)
    """Creations Prefect has refused. Prefect being unreachable costs none."""
    next_attempt_at: Mapped[datetime] = mapped_column(_timestamp, server_default=func.now())
    leased_until: Mapped[datetime | None] = mapped_column(_timestamp)
    last_error: Mapped[str | None] = mapped_column(Text)
    flow_run_id: Mapped[uuid.UUID | None] = mapped_column(unique=True)
    replays: Mapped[int] = mapped_column(default=0)
    previous_flow_runs: Mapped[list[str]] = mapped_column(JSONB, default=list)
    traceparent: Mapped[str | None] = mapped_column(Text)
    """The span that caused it (W3C Trace Context); None where tracing was off."""
    accepted_at: Mapped[datetime] = mapped_column(_timestamp, server_default=func.now())
    dispatched_at: Mapped[datetime | None] = mapped_column(_timestamp)
    started_at: Mapped[datetime | None] = mapped_column(_timestamp)
    ended_at: Mapped[datetime | None] = mapped_column(_timestamp)
    version: Mapped[int] = mapped_column(BigInteger, default=1)

    @property
    def stuck(self) -> bool:
        """Whether it has been in its state for longer than is plausible: its worker has probably died."""
        return self.stuck_at is not None

    @property
    def idempotency_key(self) -> str:
        """What makes Prefect create this attempt's flow run once, however often it is asked."""
        return str(self.id) if self.replays == 0 else f"{self.id}:{self.replays}"


class AuditEntry(Base):
    """Who did what to which subject. Append-only; sealed into a hash chain afterwards."""

    __tablename__ = "audit_log"
    __table_args__ = (
        Index("ix_audit_log_unsealed", "sequence", postgresql_where=text("position IS NULL")),
        Index("ix_audit_log_subject", "subject", "sequence"),
    )

    sequence: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(_timestamp, server_default=func.clock_timestamp())
    actor: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)
    position: Mapped[int | None] = mapped_column(BigInteger, unique=True)
    previous_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    hash: Mapped[bytes | None] = mapped_column(LargeBinary)


class ApiKey(Base):
    """A caller's key, known only by its SHA-256."""

    __tablename__ = "api_keys"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    role: Mapped[Role] = mapped_column(_enum(Role, "role"))
    label: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(_timestamp, server_default=func.now())
    expires_at: Mapped[datetime | None] = mapped_column(_timestamp)
    revoked_at: Mapped[datetime | None] = mapped_column(_timestamp)
    last_used_at: Mapped[datetime | None] = mapped_column(_timestamp)


class ReportedDay(Base):
    """One day in numbers. Applications are counted, once a day for each step."""

    __tablename__ = "report_days"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    time_zone: Mapped[str] = mapped_column(Text)
    """Where the day began and ended at midnight."""
    received: Mapped[int]
    read: Mapped[int]
    decided: Mapped[int]
    """Approved or denied; a request for more information decides nothing."""
    failed: Mapped[int]
    read_seconds_median: Mapped[float | None] = mapped_column(Double)
    """From received to read, of what was read on the day; None when nothing was."""
    read_seconds_p95: Mapped[float | None] = mapped_column(Double)
    decision_seconds_median: Mapped[float | None] = mapped_column(Double)
    """From read to decided, of what was decided on the day."""
    decision_seconds_p95: Mapped[float | None] = mapped_column(Double)
    duplicates: Mapped[int]
    """Rows left out because the application took the same step twice on the day."""
    without_key: Mapped[int]
    """Rows left out because they belong to no application, such as a failed run of another route."""


class ReportedStep(Base):
    """A step that an application took on a day: ids, states and times, and nothing of a person."""

    __tablename__ = "report_steps"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    step: Mapped[ReportStep] = mapped_column(_enum(ReportStep, "step"), primary_key=True)
    application_id: Mapped[str] = mapped_column(Text, primary_key=True)
    """No foreign key: reports outlive applications."""
    subject_id: Mapped[uuid.UUID]
    """The document, decision or run it was about."""
    state: Mapped[str] = mapped_column(Text)
    """The document's or run's state, or the decision's outcome, in lower case."""
    at: Mapped[datetime] = mapped_column(_timestamp)
    seconds_since_received: Mapped[float | None] = mapped_column(Double)
    """Since the application's first document arrived."""
    seconds_since_read: Mapped[float | None] = mapped_column(Double)
    """Of a decision: since the last of its documents was read."""
