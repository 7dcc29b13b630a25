"""The tables, their states, and which moves between states are legal."""

from __future__ import annotations

from app.models.ids import first_id, new_id
from app.models.loans import (
    Application,
    Assessment,
    Decision,
    Document,
    Email,
    Extraction,
    Fingerprint,
    LeavingObject,
)
from app.models.queue import Run
from app.models.receiving import Notification, QuarantinedMessage
from app.models.records import ApiKey, AuditEntry, ReportedDay, ReportedStep
from app.models.states import (
    APPLICATION_MOVES,
    FOLLOWED_RUN_STATES,
    TERMINAL_RUN_STATES,
    UNFINISHED_RUN_STATES,
    UNSUCCESSFUL_RUN_STATES,
    ApplicationStatus,
    DecisionOutcome,
    DocumentStatus,
    EmailStatus,
    FingerprintOf,
    NotificationOutcome,
    ReportStep,
    Role,
    RunCause,
    RunState,
)

__all__ = [
    "APPLICATION_MOVES",
    "FOLLOWED_RUN_STATES",
    "TERMINAL_RUN_STATES",
    "UNFINISHED_RUN_STATES",
    "UNSUCCESSFUL_RUN_STATES",
    "ApiKey",
    "Application",
    "ApplicationStatus",
    "Assessment",
    "AuditEntry",
    "Decision",
    "DecisionOutcome",
    "Document",
    "DocumentStatus",
    "Email",
    "EmailStatus",
    "Extraction",
    "Fingerprint",
    "FingerprintOf",
    "LeavingObject",
    "Notification",
    "NotificationOutcome",
    "QuarantinedMessage",
    "ReportStep",
    "ReportedDay",
    "ReportedStep",
    "Role",
    "Run",
    "RunCause",
    "RunState",
    "first_id",
    "new_id",
]
