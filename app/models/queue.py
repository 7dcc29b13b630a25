"""The table of runs: the outbox, and the projection of Prefect."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.models.columns import enumerated, timestamp
from app.models.ids import new_id
from app.models.states import RunCause, RunState


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
    cause_kind: Mapped[RunCause] = mapped_column(enumerated(RunCause, "cause_kind"))
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
    state: Mapped[RunState] = mapped_column(enumerated(RunState, "state"), default=RunState.ACCEPTED)
    state_name: Mapped[str] = mapped_column(Text, default="Accepted")
    """Prefect's name beside its type: Late, AwaitingRetry, TimedOut …"""
    state_at: Mapped[datetime | None] = mapped_column(timestamp)
    """Prefect's timestamp of that state. A state with an earlier one is never applied."""
    stuck_at: Mapped[datetime | None] = mapped_column(timestamp)
    """When it was found to be in its state for longer than is plausible; None once it moves again."""
    attempts: Mapped[int] = mapped_column(default=0)
    """Creations Prefect has refused. Prefect being unreachable costs none."""
    next_attempt_at: Mapped[datetime] = mapped_column(timestamp, server_default=func.now())
    leased_until: Mapped[datetime | None] = mapped_column(timestamp)
    last_error: Mapped[str | None] = mapped_column(Text)
    flow_run_id: Mapped[uuid.UUID | None] = mapped_column(unique=True)
    replays: Mapped[int] = mapped_column(default=0)
    previous_flow_runs: Mapped[list[str]] = mapped_column(JSONB, default=list)
    traceparent: Mapped[str | None] = mapped_column(Text)
    """The span that caused it (W3C Trace Context); None where tracing was off."""
    accepted_at: Mapped[datetime] = mapped_column(timestamp, server_default=func.now())
    dispatched_at: Mapped[datetime | None] = mapped_column(timestamp)
    started_at: Mapped[datetime | None] = mapped_column(timestamp)
    ended_at: Mapped[datetime | None] = mapped_column(timestamp)
    version: Mapped[int] = mapped_column(BigInteger, default=1)

    @property
    def stuck(self) -> bool:
        """Whether it has been in its state for longer than is plausible: its worker has probably died."""
        return self.stuck_at is not None

    @property
    def idempotency_key(self) -> str:
        """What makes Prefect create this attempt's flow run once, however often it is asked."""
        return str(self.id) if self.replays == 0 else f"{self.id}:{self.replays}"
