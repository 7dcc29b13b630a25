"""Tables of what SNS sends."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import Index, Text, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.models.columns import enumerated, timestamp
from app.models.ids import new_id
from app.models.states import NotificationOutcome


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
    outcome: Mapped[NotificationOutcome] = mapped_column(enumerated(NotificationOutcome, "outcome"))
    sent_at: Mapped[datetime] = mapped_column(timestamp)
    received_at: Mapped[datetime] = mapped_column(timestamp, server_default=func.now())


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
    sent_at: Mapped[datetime] = mapped_column(timestamp)
    received_at: Mapped[datetime] = mapped_column(timestamp)
    """By the clock its signature was checked with; a release checks it again for this time."""
    released_at: Mapped[datetime | None] = mapped_column(timestamp)
    outcome: Mapped[NotificationOutcome | None] = mapped_column(enumerated(NotificationOutcome, "outcome"))
    """What became of it once it was released."""
