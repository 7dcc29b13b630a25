"""Tables of what is kept beside: the audit trail, API keys, the daily report."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, Date, Double, Identity, Index, LargeBinary, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.models.columns import enumerated, timestamp
from app.models.ids import new_id
from app.models.states import ReportStep, Role


class AuditEntry(Base):
    """Who did what to which subject. Append-only; sealed into a hash chain afterwards."""

    __tablename__ = "audit_log"
    __table_args__ = (
        Index("ix_audit_log_unsealed", "sequence", postgresql_where=text("position IS NULL")),
        Index("ix_audit_log_subject", "subject", "sequence"),
    )

    sequence: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(timestamp, server_default=func.clock_timestamp())
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
    role: Mapped[Role] = mapped_column(enumerated(Role, "role"))
    label: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(timestamp, server_default=func.now())
    expires_at: Mapped[datetime | None] = mapped_column(timestamp)
    revoked_at: Mapped[datetime | None] = mapped_column(timestamp)
    last_used_at: Mapped[datetime | None] = mapped_column(timestamp)


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
    step: Mapped[ReportStep] = mapped_column(enumerated(ReportStep, "step"), primary_key=True)
    application_id: Mapped[str] = mapped_column(Text, primary_key=True)
    """No foreign key: reports outlive applications."""
    subject_id: Mapped[uuid.UUID]
    """The document, decision or run it was about."""
    state: Mapped[str] = mapped_column(Text)
    """The document's or run's state, or the decision's outcome, in lower case."""
    at: Mapped[datetime] = mapped_column(timestamp)
    seconds_since_received: Mapped[float | None] = mapped_column(Double)
    """Since the application's first document arrived."""
    seconds_since_read: Mapped[float | None] = mapped_column(Double)
    """Of a decision: since the last of its documents was read."""
