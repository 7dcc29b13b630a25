"""The states of everything that has one, and which moves between them are legal."""

from __future__ import annotations

from enum import StrEnum


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
        {
            ApplicationStatus.AWAITING_DOCUMENT,
            ApplicationStatus.VERIFYING,
            ApplicationStatus.APPROVED,
            ApplicationStatus.DENIED,
        }
    ),
    ApplicationStatus.APPROVED: frozenset(),
    ApplicationStatus.DENIED: frozenset(),
}
"""From each status, where an application may go. A terminal status never changes."""
